"""A step of CMKT (guess, SpecAugment, both losses, clipping, Adamax) against its floor.

    python benchmarks/cmkt_step.py [--size small] [--steps 20]
    python benchmarks/cmkt_step.py --size published --device cuda --precision bf16 [--compile]

The floor is that of `floor.py`: the step's own matrix products at the rate that the library reaches on them, and its
memory traffic. Both run in turn in this process; prints medians, steps per second and the ratio.
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from floor import Floor, compare

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
    """Time step and floor in turn and print."""
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
    options, frames, width = SIZES[arguments.size]
    autocast = torch.autocast(device.type, torch.bfloat16) if arguments.precision == "bf16" else nullcontext()
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), 0, TrainingOptions(accelerator=arguments.device), "benchmark")
    step, network, inputs = _make_step(options, frames, width, arguments, run, autocast)
    facts = f"{arguments.size}, {frames} frames x {width}, {device}, {arguments.precision}, {arguments.fusion}"
    print(facts + (", compiled" if arguments.compile else ""))
    compare(step, Floor(step, network.parameters(), inputs), arguments.steps, device.type)


def _make_step(
    options: TransformerOptions, frames: int, width: int, arguments, run: TrainingRun, autocast
) -> tuple[Callable[[], None], SpeechTransformer, int]:
    """The step of `semiser.systems.cmkt.fit` on random utterances of full length, its network, bytes of the batches."""
    device = run.fabric.device
    how = ConsistentRandom() if arguments.fusion == "consistent_random" else WeightedFusion()
    chosen = CmktOptions(network=options, unlabelled=how)
    network = SpeechTransformer(width, frames, CLASSES, options).to(device)
    called = torch.compile(network) if arguments.compile else network
    optimiser = torch.optim.Adamax(network.parameters(), 1e-3, foreach=True)
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

    return step, network, sum(batch.x.nbytes for batch in batches)


if __name__ == "__main__":
    main()
