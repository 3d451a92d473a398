"""What the published trainings of AV-SpNET, BEGAN and MSSGAN cost: arithmetic and time of a step, steps, hours.

    python benchmarks/published_steps.py [--device cpu] [--tflops 10] [--only avspnet began mssgan]

A step is the system's own, at the published size, on random data that lie on the device. Its floating-point operations
are counted by torch (convolutions and products of matrices, forward and backward), its time is the median of some.
Steps follow from the published epochs, batches, folds and corpora. Hours are steps by the time of a step here, and
steps by its operations on a device that sustains `--tflops` of them, in 10^12 a second: a calculation, no measurement.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from mssgan_step import make_data
from torch.utils.flop_counter import FlopCounterMode

from semiser.options.training import TrainingOptions
from semiser.systems.avspnet.network import AvSpNet
from semiser.systems.avspnet.options import AvspnetNetworkOptions, EndToEndOptions, RecognitionOptions
from semiser.systems.avspnet.pretraining import front_end_losses, total_loss
from semiser.systems.avspnet.recognition import EndToEnd
from semiser.systems.began import encoder as began
from semiser.systems.began.network import Layout
from semiser.systems.began.options import EncoderOptions
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.mssgan.options import CropOptions, GanOptions, MssganOptions, OptimisationOptions
from semiser.training.run import TrainingRun

# AV-SpNET: 62,288 segments of DaAi less 5 %, ten epochs, seven front ends that learn; 23,360 of IEMOCAP, four fifths of
# them trained on, 30 epochs, 25 + 50 + 75 + 100 % of the labels, three tasks, five folds.
PRETRAINING = 62_288 * 0.95 / 32 * 10 * 7
RECOGNITION = 23_360 * 0.8 / 32 * 30 * 2.5 * 3 * 5
# Chunks of BEGAN: train-clean-100 has 100.6 hours; that last seconds count from half on and are padded about evens out.
BEGAN = 100.6 * 3600 / 16 * 100
# MSSGAN: a pass over 20,000 samples, 50 epochs, five folds; the supervised trainings have a pass in place of six or so.
MSSGAN, MSSGAN_PART = 20_000 / 64 * 50 * 5, 8

Step = Callable[[], Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tflops", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3, help="timed steps, behind one whose operations are counted")
    parser.add_argument("--only", nargs="+", default=["avspnet", "began", "mssgan"])
    arguments = parser.parse_args()
    torch.manual_seed(0)
    hours = f"h at {arguments.tflops:g} TFLOP/s"
    print(f"| training | 10^9 operations a step | s a step on {arguments.device} | steps | {hours} |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), 0, TrainingOptions(accelerator=arguments.device), "benchmark")
        makers = {"avspnet": avspnet_steps, "began": began_steps, "mssgan": mssgan_steps}
        for name in arguments.only:
            for what, step, steps in makers[name](run):
                part = MSSGAN_PART if name == "mssgan" else 1
                report(what, step, steps, arguments.device, arguments.tflops, arguments.repeats, part)


def report(what: str, step: Step, steps: float, device: str, tflops: float, repeats: int, part: int) -> None:
    """A row of the table; the step is of one batch in `part`, in which operations and, about, time are linear."""
    with FlopCounterMode(display=False) as counter:
        step()
    flops, seconds = part * counter.get_total_flops(), []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    taken, hours = part * statistics.median(seconds), steps * flops / (tflops * 1e12) / 3600
    print(f"| {what} | {flops / 1e9:,.1f} | {taken:.3g} | {steps:,.0f} | {hours:,.1f} |", flush=True)


def avspnet_steps(run: TrainingRun) -> Iterator[tuple[str, Step, float]]:
    """A front end with both heads; R from end to end; recognition on frozen maps of 5,376 values."""
    device = run.fabric.device
    x, y = torch.randn(32, 200, 80, device=device), torch.arange(32, device=device) % 2
    network = AvSpNet(AvspnetNetworkOptions(), (200, 80), True, 2).to(device, memory_format=torch.channels_last)
    front_end = lambda: total_loss(front_end_losses(network(x), x, y), 0.5)  # noqa: E731
    yield "AV-SpNET, seven front ends", _descending(network, front_end), PRETRAINING
    size = EndToEndOptions(network=AvspnetNetworkOptions(), recognition=RecognitionOptions(), size=(200, 80))
    whole = EndToEnd(size, 4).to(device, memory_format=torch.channels_last)
    of_whole = lambda: torch.nn.functional.cross_entropy(whole(x), y)  # noqa: E731
    yield "AV-SpNET, IEMOCAP, `random_end_to_end`", _descending(whole, of_whole), RECOGNITION
    maps = torch.randn(32, whole.encoder.widths["maps"], device=device)
    of_head = lambda: torch.nn.functional.cross_entropy(whole.head(maps), y)  # noqa: E731
    yield "AV-SpNET, IEMOCAP, recognition on eight front ends", _descending(whole.head, of_head), 8 * RECOGNITION


def _descending(network: torch.nn.Module, loss: Callable[[], torch.Tensor]) -> Step:
    adam = torch.optim.Adam(network.parameters())

    def step() -> None:
        adam.zero_grad()
        loss().backward()
        adam.step()

    return step


def began_steps(run: TrainingRun) -> Iterator[tuple[str, Step, float]]:
    """A step of D and one of G on a batch of 16 chunks."""
    options, shape = EncoderOptions(), (513, 32)
    state = began._fresh_state(shape, options, run)
    layout = Layout.of(shape, options.network)
    x = began.crop(torch.rand(16, *shape) * 2 - 1, layout)
    yield "BEGAN, 100 hours, 100 epochs", lambda: began._train_step(state, x, options, run), BEGAN


def mssgan_steps(run: TrainingRun) -> Iterator[tuple[str, Step, float]]:
    """A step of D and one of G, an eighth of 64 labelled, 64 unlabelled and 64 generated samples: memory of a PC."""
    optimisation = OptimisationOptions(batch_size=64 // MSSGAN_PART)
    options = MssganOptions(crop=CropOptions(kept_frames=192), optimisation=optimisation, gan=GanOptions())
    for features, trainings in (("fbank", 4), ("dface", 2), ("fbank+dface", 4)):
        context = mssgan.make_context(make_data(features).to(run.fabric.device), options, run.seed)
        state = mssgan.make_state(context, run)
        labelled, unlabelled = mssgan.plan_epoch(context, state)[0]
        targets = mssgan.training_targets(context, state)
        batch = mssgan.draw_batch(context, labelled, unlabelled, targets, run)
        step = lambda context=context, batch=batch, state=state: mssgan.train_step(context, batch, state, run)  # noqa: E731
        yield f"MSSGAN, {features}, {trainings} adversarial trainings in 5 folds", step, trainings * MSSGAN


if __name__ == "__main__":
    main()
