"""Pre-training of AV-SpNET from Parquet shards against its floor.

    python benchmarks/avspnet_pretrain.py [--variant avspnet_arousal] [--kernels 32] [--batch 32] [--batches 2]
        [--rounds 5] [--precision 32-true] [--accelerator cpu] [--threads 1]

Ours is an epoch of `semiser.systems.avspnet.pretraining` over random segments in a table on disk: reading,
standardising, forward, losses, backward, Adam. The floor is that of `floor.py`: the convolutions and products of these
steps at the rate that the library reaches on them, and their memory traffic. Both take turns in this process; reading
alone is timed behind them.
"""

import argparse
import itertools
import math
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from floor import Floor, compare, seconds

from semiser.features.spectra import matrix_field
from semiser.options.training import TrainingOptions
from semiser.progress import progress
from semiser.shards.store import ShardFolder
from semiser.shards.table import Receipt, ShardedTable
from semiser.systems.avspnet.network import AvSpNet
from semiser.systems.avspnet.options import FRONT_ENDS, RECIPES, AvspnetNetworkOptions, PretrainingOptions
from semiser.systems.avspnet.pretraining import Background, make_background, train_epoch
from semiser.training.run import TrainingRun

SIZE = (200, 80)


def main() -> None:
    """Time ours and the floor in turn, then reading, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="avspnet_arousal", choices=FRONT_ENDS[1:])
    parser.add_argument("--kernels", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _measure(arguments, Path(folder))


def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    network_options = AvspnetNetworkOptions(kernels=arguments.kernels)
    segments = arguments.batch * arguments.batches
    options = PretrainingOptions(
        batch_size=arguments.batch, block_rows=arguments.batch // 2
    )  # one block of all would be kept
    training = TrainingOptions(
        accelerator=arguments.accelerator,
        precision=arguments.precision,
        threads=arguments.threads,
        checkpoint_every_s=1e9,
    )
    run, recipe = TrainingRun(folder / "run", 0, training, "benchmark"), RECIPES[arguments.variant]
    torch.manual_seed(0)
    network = AvSpNet(network_options, SIZE, recipe.reconstruction, 2 if recipe.proxy else 0)
    network = network.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(network.parameters(), options.learning_rate, fused=True)
    network, optimiser = run.setup(network, adam)
    background = make_table_of_segments(folder, segments, options)
    part, _ = background.parts(recipe.proxy)
    statistics_ = background.statistics.to(run.fabric.device)
    epochs = itertools.count()

    def ours() -> None:
        state = {"network": network, "optimiser": optimiser, "epoch": next(epochs), "step": 0, "sums": {}}
        with progress("ours", len(part.stream), "segments") as bar:
            train_epoch(part, statistics_, options, state, run, bar)

    def reading() -> None:
        for _ in part.stream.batches(arguments.batch, 0, next(epochs)):
            pass

    device = run.fabric.device.type
    floor = Floor(ours, [*network.parameters()] * arguments.batches, 4 * segments * math.prod(SIZE))
    compare(ours, floor, arguments.rounds, device, f"{arguments.batches} steps")
    alone = statistics.median(seconds(reading, device) for _ in range(arguments.rounds))
    print(f"reading alone: {1000 * alone:.2f} ms")


def make_table_of_segments(folder: Path, segments: int, options: PretrainingOptions) -> Background:
    """A table of random segments, one per utterance, of which a few are held out beside the ones asked for."""
    shards, random = ShardFolder(str(folder / "segments")), np.random.default_rng(0)
    held_out = next(n for n in range(1, segments) if max(1, round(options.held_out_share * (segments + n))) == n)
    ids = [f"b/{number:06d}" for number in range(segments + held_out)]
    schema = pa.schema([pa.field("utterance_id", pa.string()), matrix_field("segments", SIZE, ("bin", "frame"))])
    reports = []
    for number, first in enumerate(range(0, len(ids), options.block_rows)):
        place = f"b/{number:05d}"
        with shards.shard(place, schema, {"key": f"{number:012x}", "options": {}}) as writer:
            for name in ids[first : first + options.block_rows]:
                writer.add({"utterance_id": name, "segments": random.normal(size=SIZE).astype(np.float32)})
        reports.append(writer.report)
    table = ShardedTable(str(folder / "segments.json"))
    table.commit(Receipt(shards.path, {"family": "segments"}, reports))
    utterances = pa.table({"utterance_id": ids, "corpus": ["b"] * len(ids), "speaker_id": ["b/s"] * len(ids)})
    labels = [("low", "high")[number % 2] for number in range(len(ids))]
    arousal = pa.table({"utterance_id": ids, "label": labels})
    valence = pa.table({"utterance_id": ids, "label": [("negative", "positive")[n % 2] for n in range(len(ids))]})
    return make_background(table.dataset(), utterances, {"arousal": arousal, "valence": valence}, options, 0)


if __name__ == "__main__":
    main()
