"""Crops per second of a step of MSSGAN against the networks' own forward and backward passes; share of data loading.

    python benchmarks/mssgan_step.py [--features fbank+dface] [--batch 64] [--steps 10] [--device cpu] [--small]

A step is what training does for every batch of Algorithm 1: draw the crops, L_dis and Adam on critic, L_gen and Adam on
generators. The floor is the passes that these need and nothing else, on a batch that lies ready: the critic forward and
backward twice on real crops and once on generated ones, the generators forward; then the critic forward on real crops
and on generated ones and the way back to the generators' weights. Both run in turn in this process on one thread. A
crop is a labelled or an unlabelled one; each is read from the tensors in memory that a fold's data are.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from semiser.data.samples import SampleData
from semiser.options.training import TrainingOptions
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.mssgan.options import CropOptions, CtGanOptions, GanOptions, MssganOptions, OptimisationOptions
from semiser.training.run import TrainingRun

WIDTHS = {"fbank": 128, "fft": 128, "dface": 342}
CLASSES = ("low", "medium", "high")
SMALL = CtGanOptions(generator_channels=(64, 32, 16), discriminator_channels=(16, 32, 64))
UTTERANCES = 1024  # half labelled


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", default="fbank+dface")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--small", action="store_true", help="16-32-64 channels instead of the published ones")
    arguments = parser.parse_args()
    options = MssganOptions(
        network=SMALL if arguments.small else CtGanOptions(),
        crop=CropOptions(kept_frames=192),
        optimisation=OptimisationOptions(batch_size=arguments.batch),
        gan=GanOptions(),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), 0, TrainingOptions(accelerator=arguments.device), "benchmark")
        context = mssgan.make_context(make_data(arguments.features).to(run.fabric.device), options, run.seed)
        measure(context, run, arguments.steps)


def make_data(features: str) -> SampleData:
    """Noise in the shape of a fold."""
    half = torch.arange(UTTERANCES // 2)
    rows = {"train": half, "unlabelled": half + len(half), "validation": half[:0], "test": half[:0]}
    x = {name: torch.randn(UTTERANCES, 192, WIDTHS[name]) for name in features.split("+")}
    y = torch.arange(UTTERANCES) % 3
    about = {"target": torch.nn.functional.one_hot(y, 3).float()}
    return SampleData(x, torch.arange(UTTERANCES), y, rows, CLASSES, about)


def measure(context: mssgan.Context, run: TrainingRun, steps: int) -> None:
    """Time step, floor and drawing in turn, and print the medians."""
    state = mssgan.make_state(context, run)
    plan = mssgan.plan_epoch(context, state)
    targets = context.data.about["target"]
    ready = mssgan.draw_batch(context, *plan[0], targets, run)
    times: dict[str, list[float]] = {"step": [], "floor": [], "drawing": []}
    for number in range(steps + 2):
        labelled, unlabelled = plan[number % len(plan)]
        drawing, batch = timed(lambda: mssgan.draw_batch(context, labelled, unlabelled, targets, run))  # noqa: B023
        step, _ = timed(lambda: mssgan.train_step(context, batch, state, run))  # noqa: B023
        floor, _ = timed(lambda: floor_passes(context, ready, state))
        if number >= 2:  # the first two warm up
            for name, seconds in (("step", drawing + step), ("floor", floor), ("drawing", drawing)):
                times[name].append(seconds)
    median = {name: statistics.median(values) for name, values in times.items()}
    crops = 2 * context.options.optimisation.batch_size
    print(f"step     {1000 * median['step']:8.1f} ms  {crops / median['step']:8.1f} crops/s")
    print(f"floor    {1000 * median['floor']:8.1f} ms  {crops / median['floor']:8.1f} crops/s")
    ratio = statistics.median(floor / step for floor, step in zip(times["floor"], times["step"], strict=True))
    print(f"crops/s of a step, as a ratio to the floor: {ratio:.2f}")
    print(f"share of drawing the crops in a step: {100 * median['drawing'] / median['step']:.2f} %")


def floor_passes(context: mssgan.Context, batch: mssgan.Batch, state: dict) -> None:
    """Forward and backward passes without losses, optimisers and data."""
    critic, generators = state["critic"], state["generators"]
    real, noise = mssgan.real_samples(batch), mssgan.draw_noise(context, len(batch.targets))
    with torch.no_grad():
        generated = generators(noise)
    outputs = [critic(real), critic(real), critic(generated)]
    sum(logits.sum() + representation.sum() for logits, representation in outputs).backward()
    with torch.no_grad():
        critic(real)
    with mssgan.frozen(critic):
        critic(generators(noise)).representation.sum().backward()


def timed(function: Callable) -> tuple[float, object]:
    """Seconds that a call takes, and what it returns."""
    begun = time.perf_counter()
    result = function()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun, result


if __name__ == "__main__":
    main()
