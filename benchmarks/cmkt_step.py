"""A step of CMKT (guess, SpecAugment, both losses, clipping, Adamax) against the floor of its matrix products.

    python benchmarks/cmkt_step.py [--size small] [--steps 20]
    python benchmarks/cmkt_step.py --size published --device cuda --precision bf16 [--compile]

The floor is the time that the products of the step's linear layers and of attention take alone, with the shapes that
they have in the step: forward and twice as much backward for the 2 x 32 utterances that are learnt from, forward for
the 32 that are guessed. Both run in turn in this process; prints medians, steps per second and the ratio.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from semiser.data.frames import FrameBatch
from semiser.options.training import TrainingOptions
from semiser.systems.cmkt import fit as cmkt
from semiser.systems.cmkt.network import SpeechTransformer
from semiser.systems.cmkt.options import CmktOptions, ConsistentRandom, TransformerOptions, WeightedFusion
from semiser.training.run import TrainingRun

CLASSES, BATCH = 6, 32
# Network, frames, values of a frame: `small` is what the env cmkt_casia trains, `published` the paper's for STFT.
SIZES = {
    "small": (TransformerOptions(blocks=1, heads=4, hidden=64, feedforward=128, mlp=64), 24, 128),
    "published": (TransformerOptions(), 555, 512),
}


def main() -> None:
    """Time step and floor in turn, print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--fusion", choices=("consistent_random", "weighted_fusion"), default="weighted_fusion")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("32", "bf16"), default="32")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    network, frames, width = SIZES[arguments.size]
    autocast = torch.autocast(device.type, torch.bfloat16) if arguments.precision == "bf16" else nullcontext()
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), 0, TrainingOptions(accelerator=arguments.device), "benchmark")
    step = _make_step(network, frames, width, arguments, run, autocast)
    floor = _make_floor(network, frames, width, device, torch.bfloat16 if arguments.precision == "bf16" else None)
    times: dict[str, list[float]] = {"step": [], "floor": []}
    for number in range(arguments.steps + 3):
        for name, function in (("step", step), ("floor", floor)):
            seconds = _time(function, device)
            if number >= 3:  # the first ones warm up
                times[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    facts = f"{arguments.size}, {frames} frames x {width}, {device}, {arguments.precision}, {arguments.fusion}"
    print(facts + (", compiled" if arguments.compile else ""))
    print(", ".join(f"{name} {1000 * value:.2f} ms" for name, value in medians.items()))
    print(f"{1 / medians['step']:.1f} steps/s, step / floor = {medians['step'] / medians['floor']:.2f}")


def _time(function: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def _make_step(
    options: TransformerOptions, frames: int, width: int, arguments, run: TrainingRun, autocast
) -> Callable[[], None]:
    """The step of `semiser.systems.cmkt.fit` on random utterances of full length."""
    device = run.fabric.device
    how = ConsistentRandom() if arguments.fusion == "consistent_random" else WeightedFusion()
    chosen = CmktOptions(network=options, unlabelled=how)
    network = SpeechTransformer(width, frames, CLASSES, options).to(device)
    called = torch.compile(network) if arguments.compile else network
    optimiser = torch.optim.Adamax(network.parameters(), 1e-3, foreach=device.type == "cuda")
    count = 2 * BATCH
    visual = torch.softmax(4 * torch.randn(count, CLASSES), -1).to(device)
    context = cmkt.Context(None, chosen, visual, torch.randint(CLASSES, (count,)).to(device), run)
    batches = [
        FrameBatch(
            torch.randn(BATCH, frames, width, device=device),
            torch.full((BATCH,), frames, device=device),
            torch.arange(first, first + BATCH, device=device),
        )
        for first in (0, BATCH)
    ]
    state = {"network": called, "pseudo_labels": torch.zeros((1, count), dtype=torch.int8)}

    def step() -> None:
        with autocast:
            losses = cmkt.step_losses(state, context, how, *batches, epoch=0)
        optimiser.zero_grad()
        losses["total"].backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()

    return step


def _make_floor(options: TransformerOptions, frames: int, width: int, device, dtype) -> Callable[[], Tensor]:
    """The step's matrix products and nothing else."""
    hidden, rows = options.hidden, BATCH * frames
    linear = [(hidden, 3 * hidden), (hidden, hidden), (hidden, options.feedforward), (options.feedforward, hidden)]
    linear *= options.blocks
    linear += [(width, hidden)] if width != hidden else []
    draw = lambda *shape: torch.randn(*shape, device=device, dtype=dtype)  # noqa: E731
    products = [(draw(rows, inside), draw(inside, outside)) for inside, outside in linear]
    heads = BATCH * options.heads, hidden // options.heads
    products += [
        (draw(heads[0], frames, heads[1]), draw(heads[0], heads[1], frames)),  # scores
        (draw(heads[0], frames, frames), draw(heads[0], frames, heads[1])),  # their weighted sums
    ] * options.blocks

    def floor() -> Tensor:
        with torch.no_grad():
            for _ in range(2 * 3 + 1):  # in units of 32 utterances: forward, and twice as much backward
                for left, right in products:
                    last = left @ right
        return last

    return floor


if __name__ == "__main__":
    main()
