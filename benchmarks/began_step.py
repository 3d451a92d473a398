"""BEGAN's training from Parquet against its floor.

    python benchmarks/began_step.py [--steps 20] [--rounds 3] [--device cpu] [--precision 32-true] [--paper]

Ours is `semiser.systems.began.fit`'s epoch on a `chunks` table in a temporary folder: reading, shuffling, both
networks, both optimisers, k_t. The floor is that of `floor.py`: the convolutions and products of these steps at the
rate that the library reaches on them, and their memory traffic. Both take turns in this process on one thread.
"""

import argparse
import itertools
import math
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import torch
from floor import Floor, compare

from semiser.data.stream import SampleStream
from semiser.features.chunks import Chunks
from semiser.options.audio_features import ChunksOptions
from semiser.options.training import TrainingOptions
from semiser.systems.began import encoder as began
from semiser.systems.began.network import crop
from semiser.systems.began.options import BeganNetworkOptions, EncoderOptions
from semiser.training.run import TrainingRun

SHAPE = (513, 32)
SMALL = BeganNetworkOptions(filters=16, convolutions=1, fold=(8, 1))  # of conf/began_emodb


def main() -> None:
    """Time both in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--paper", action="store_true", help="the paper's network instead of that of began_emodb")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    options = EncoderOptions(network=BeganNetworkOptions() if arguments.paper else SMALL, epochs=1)
    training = TrainingOptions(accelerator=arguments.device, precision=arguments.precision, checkpoint_every_s=1e9)
    with tempfile.TemporaryDirectory() as folder:
        stream = make_stream(Path(folder), arguments.steps * options.batch_size)
        run = TrainingRun(Path(folder), 0, training, "benchmark")
        state = began._fresh_state(SHAPE, options, run)
        layout, epochs = state["discriminator"].module.encoder.map.layout, itertools.count()

        def ours() -> None:
            for batch in stream.batches(options.batch_size, run.seed, next(epochs)):
                began._train_step(state, crop(batch.x["chunks"], layout), options, run)

        parameters = [*state["discriminator"].parameters(), *state["generator"].parameters()] * arguments.steps
        floor = Floor(ours, parameters, 4 * len(stream) * math.prod(SHAPE))
        compare(ours, floor, arguments.rounds, arguments.device, f"{arguments.steps} steps")


def make_stream(folder: Path, count: int) -> SampleStream:
    """A table of chunks of noise, one per utterance, as the family `chunks` writes them."""
    fields = Chunks(options=ChunksOptions()).fields()
    schema = pa.schema([pa.field("utterance_id", pa.string()), fields[-1]])
    ids = [f"u{number}" for number in range(count)]
    values = np.random.default_rng(0).uniform(-1, 1, count * math.prod(SHAPE)).astype(np.float32)
    columns = [pa.array(ids), pa.FixedSizeListArray.from_arrays(pa.array(values), math.prod(SHAPE))]
    pq.write_table(pa.table(columns, schema=schema), folder / "chunks.parquet", row_group_size=256)
    return SampleStream(pyarrow.dataset.dataset(folder / "chunks.parquet"), ["chunks"], ids, block_rows=128)


if __name__ == "__main__":
    main()
