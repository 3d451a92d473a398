"""Pre-training of AV-SpNET from Parquet shards against the floor of its convolutions.

    python benchmarks/avspnet_pretrain.py [--variant avspnet_arousal] [--kernels 32] [--batch 32] [--batches 4]
        [--rounds 5] [--precision 32-true] [--accelerator cpu] [--threads 1]

Ours is an epoch of `semiser.systems.avspnet.pretraining` over random segments in a table on disk: reading,
standardising, forward, losses, backward, Adam. The floor is forward and backward of the same convolutions alone, each
on a resident random tensor of its input's size, in the same precision and memory format. Both, and reading alone, run
in turn in this process. Prints segments per second, the ratio, and the share of the time that reading alone would take.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

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
Convolution = nn.Conv2d | nn.ConvTranspose2d


def main() -> None:
    """Time ours, the floor and reading in turn; print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", default="avspnet_arousal", choices=FRONT_ENDS[1:])
    parser.add_argument("--kernels", type=int, default=32)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = _measure(arguments, Path(folder))
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}  # the first round warms up
    segments = arguments.batch * arguments.batches
    ratios = sorted(one / other for one, other in zip(seconds["ours"][1:], seconds["floor"][1:], strict=True))
    print(", ".join(f"{name} {segments / median:.1f} segments/s" for name, median in medians.items()))
    print(f"ours / floor in time = {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    print(f"reading alone / ours = {medians['reading'] / medians['ours']:.3f}")


def _measure(arguments: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Seconds of every round, by what was timed."""
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
    network, optimiser = run.fabric.setup(network, torch.optim.Adam(network.parameters(), options.learning_rate))
    background = _background(folder, segments, options)
    part, _ = background.parts(recipe.proxy)
    statistics_ = background.statistics.to(run.fabric.device)
    inputs = _convolution_inputs(network.module, arguments.batch, run.fabric.device)

    def ours(number: int) -> None:
        state = {"network": network, "optimiser": optimiser, "epoch": number, "step": 0, "sums": {}}
        with progress("ours", len(part.stream), "segments") as bar:
            train_epoch(part, statistics_, options, state, run, bar)

    def floor(_: int) -> None:
        for _ in range(arguments.batches):
            for convolution, x in inputs:
                convolution.zero_grad()
                with run.fabric.autocast():
                    y = convolution(x)
                y.sum().backward()

    def reading(number: int) -> None:
        for _ in part.stream.batches(arguments.batch, 0, number):
            pass

    seconds: dict[str, list[float]] = {"ours": [], "floor": [], "reading": []}
    for number in range(arguments.rounds + 1):
        for name, work in (("ours", ours), ("floor", floor), ("reading", reading)):
            seconds[name].append(_seconds(work, number))
    return seconds


def _seconds(work: Callable[[int], None], number: int) -> float:
    _wait()
    started = time.perf_counter()
    work(number)
    _wait()
    return time.perf_counter() - started


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _convolution_inputs(network: AvSpNet, batch: int, device: torch.device) -> list[tuple[Convolution, Tensor]]:
    """Every convolution with a random input of its size; the first one's needs no gradient, as in training."""
    found: list[tuple[Convolution, Tensor]] = []

    def remember(module: Convolution, given: tuple[Tensor, ...]) -> None:
        x = torch.randn_like(given[0]).contiguous(memory_format=torch.channels_last)
        found.append((module, x.requires_grad_(bool(found))))

    handles = [
        layer.register_forward_pre_hook(remember)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        network(torch.randn(batch, *SIZE, device=device))
    for handle in handles:
        handle.remove()
    return found


def _background(folder: Path, segments: int, options: PretrainingOptions) -> Background:
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
