"""Chunks per second of BEGAN's training from Parquet against the bare passes of the same networks.

    python benchmarks/began_step.py [--steps 20] [--rounds 3] [--device cpu] [--paper]

The floor is what any implementation has to compute for a batch: G(z_D) without gradient, D forward and backward on x
and G(z_D), G and D forward and backward on G(z_G) with D's weights frozen; on tensors that lie on the device, without
optimiser, stream, curves or checkpoints. Ours is `semiser.systems.began.fit`'s epoch on a `chunks` table in a temporary
folder: reading, shuffling, both optimisers, k_t. Both take turns in this process on one thread; prints medians of the
rounds and the ratio, 1 being the floor.
"""

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import torch

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
    """Time both in turn, print chunks per second and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--paper", action="store_true", help="the paper's network instead of that of began_emodb")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    options = EncoderOptions(network=BeganNetworkOptions() if arguments.paper else SMALL, epochs=1)
    training = TrainingOptions(accelerator=arguments.device, checkpoint_every_s=1e9)
    times: dict[str, list[float]] = {"floor": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        stream = _stream(Path(folder), arguments.steps * options.batch_size)
        run = TrainingRun(Path(folder), 0, training, "benchmark")
        state = began._fresh_state(SHAPE, options, run)
        state["k"] = state["k"].to(run.fabric.device)
        resident = torch.rand(options.batch_size, *SHAPE, device=run.fabric.device)
        x = crop(resident, state["discriminator"].module.encoder.map.layout)
        for number in range(arguments.rounds + 1):
            taken = {
                "floor": _floor(state, x, options, arguments.steps),
                "ours": _ours(state, stream, options, run, number),
            }
            if number:  # the first warms up
                for name, seconds in taken.items():
                    times[name].append(seconds)
    rates = {name: arguments.steps * options.batch_size / statistics.median(values) for name, values in times.items()}
    print(", ".join(f"{name} {rate:.1f} chunks/s" for name, rate in rates.items()))
    print(f"ours / floor = {rates['ours'] / rates['floor']:.3f}")


def _stream(folder: Path, count: int) -> SampleStream:
    """A table of chunks of noise, one per utterance, as the family `chunks` writes them."""
    fields = Chunks(options=ChunksOptions()).fields()
    schema = pa.schema([pa.field("utterance_id", pa.string()), fields[-1]])
    ids = [f"u{number}" for number in range(count)]
    values = np.random.default_rng(0).uniform(-1, 1, count * math.prod(SHAPE)).astype(np.float32)
    columns = [pa.array(ids), pa.FixedSizeListArray.from_arrays(pa.array(values), math.prod(SHAPE))]
    pq.write_table(pa.table(columns, schema=schema), folder / "chunks.parquet", row_group_size=256)
    return SampleStream(pyarrow.dataset.dataset(folder / "chunks.parquet"), ["chunks"], ids, block_rows=128)


def _floor(state: dict, x: torch.Tensor, options: EncoderOptions, steps: int) -> float:
    d, g = state["discriminator"].module, state["generator"].module
    z = torch.rand(2, len(x), options.network.code, device=x.device)
    started = _now(x.device)
    for _ in range(steps):
        with torch.no_grad():
            fake = g(z[0])
        both = torch.cat([x, fake])
        (both - d(both)).abs().mean().backward()
        d.requires_grad_(False)
        fake = g(z[1])
        (fake - d(fake)).abs().mean().backward()
        d.requires_grad_(True)
        d.zero_grad()
        g.zero_grad()
    return _now(x.device) - started


def _ours(state: dict, stream: SampleStream, options: EncoderOptions, run: TrainingRun, epoch: int) -> float:
    started = _now(run.fabric.device)
    layout = state["discriminator"].module.encoder.map.layout
    for batch in stream.batches(options.batch_size, run.seed, epoch):
        began._train_step(state, crop(batch.x["chunks"], layout), options, run)
    return _now(run.fabric.device) - started


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
