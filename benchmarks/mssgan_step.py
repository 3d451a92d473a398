"""A step of MSSGAN (drawing crops, both networks, both Adams) against its floor; share of drawing the crops.

    python benchmarks/mssgan_step.py [--features fbank+dface] [--batch 8] [--steps 10] [--device cpu]
        [--precision 32-true] [--small]

A step is what training does for every batch of Algorithm 1: draw the crops, L_dis and Adam on critic, L_gen and Adam on
generators. The floor is that of `floor.py`: the step's own convolutions and products at the rate that the library
reaches on them, and its memory traffic. Both run in turn in this process on one thread. A crop is a labelled or an
unlabelled one; each is read from the tensors in memory that a fold's data are.
"""

import argparse
import itertools
import statistics
import tempfile
from pathlib import Path

import torch
from floor import Floor, compare, seconds

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
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--small", action="store_true", help="16-32-64 channels instead of the published ones")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    options = MssganOptions(
        network=SMALL if arguments.small else CtGanOptions(),
        crop=CropOptions(kept_frames=192),
        optimisation=OptimisationOptions(batch_size=arguments.batch),
        gan=GanOptions(),
    )
    with tempfile.TemporaryDirectory() as folder:
        training = TrainingOptions(accelerator=arguments.device, precision=arguments.precision)
        run = TrainingRun(Path(folder), 0, training, "benchmark")
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
    """Time step and floor in turn, then drawing, and print."""
    state, device = mssgan.make_state(context, run), run.fabric.device.type
    plan = itertools.cycle(mssgan.plan_epoch(context, state))
    targets = context.data.about["target"]

    def draw() -> mssgan.Batch:
        return mssgan.draw_batch(context, *next(plan), targets, run)

    def step() -> None:
        mssgan.train_step(context, draw(), state, run)

    parameters = [*state["critic"].parameters(), *state["generators"].parameters()]
    inputs = sum(x.nbytes for x in mssgan.real_samples(draw()).values())
    compare(step, Floor(step, parameters, inputs), steps, device)
    drawing = statistics.median(seconds(draw, device) for _ in range(steps))
    print(f"drawing the crops of a step: {1000 * drawing:.2f} ms")


if __name__ == "__main__":
    main()
