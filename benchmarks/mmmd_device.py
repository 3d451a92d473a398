"""Mixed steps of mmmd_epoch_wise on a device: eager, compiled and as CUDA graphs, in float32 and bfloat16.

    python benchmarks/mmmd_device.py [--device cuda] [--batch 256] [--steps 200] [--rows 500000] [--epoch]

Prints steps per second of every form in turn with its ratio to eager float32, and for that one the share of two floors
in its time, both measured on the device in the same run: memory (the bytes that any implementation has to move: rows of
features, weights, gradients and Adam's moments, at the bandwidth of a copy) and launches (kernels of a step, at the
time of an empty one). `--epoch` takes one epoch through all rows: unlabelled ones of 1,582 + 4,200 + 41 values on the
device, with a tenth as many labelled ones. The Fourier transforms are in float32 whatever the precision.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mmmd_step import OPTIONS, make_data
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from semiser.data.vectors import FoldData
from semiser.options.training import TrainingOptions
from semiser.systems.mmmd import fit as mmmd
from semiser.training.run import TrainingRun

FORMS = [(None, "32-true"), ("default", "32-true"), ("reduce-overhead", "32-true"), (None, "bf16-mixed")]


def main() -> None:
    """Measure every form, then the floors, then an epoch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--epoch", action="store_true")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    data = make_data(arguments.rows, arguments.device)
    eager = None
    for mode, precision in FORMS:
        step, network = _training(data, mode, precision, arguments)
        seconds = _seconds_a_step(step, data, arguments)
        eager = eager or seconds
        name = f"{f'compiled ({mode})' if mode else 'eager'}, {precision}"
        print(f"{name}: {1 / seconds:.1f} steps/s, {eager / seconds:.2f} of eager float32's")
        if seconds == eager:
            _print_floors(step, network, data, seconds, arguments)
            eager_step = step
    if arguments.epoch:
        started = time.perf_counter()
        order = torch.randperm(arguments.rows, device=data.x.device)
        for unlabelled in order.split(arguments.batch):
            eager_step(_draw(arguments.rows // 10, data, len(unlabelled)), unlabelled)
        _finish(arguments.device)
        print(f"one epoch over {arguments.rows} unlabelled rows: {time.perf_counter() - started:.1f} s")


def _training(
    data: FoldData, mode: str | None, precision: str, arguments: argparse.Namespace
) -> tuple[Callable[[Tensor, Tensor], None], torch.nn.Module]:
    """A function that takes a mixed step of labelled and unlabelled rows, and the network that it trains."""
    training = TrainingOptions(accelerator="cpu" if arguments.device == "cpu" else "cuda", precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(Path(folder), 0, training, "")
    network = mmmd.make_network(data, OPTIONS.network, seed=0)
    network, optimiser = run.fabric.setup(network, mmmd.make_optimiser(network, OPTIONS.network))
    if mode:
        for method in ("noisy_pre_activations", "classify"):
            setattr(network.module, method, torch.compile(getattr(network.module, method), mode=mode))
    context = mmmd.make_context(data, OPTIONS, run, {"guessed": mmmd.label_shares(data, OPTIONS)})

    def step(labelled: Tensor, unlabelled: Tensor) -> None:
        if mode:
            torch.compiler.cudagraph_mark_step_begin()
        losses = mmmd.mixed_losses(network, context, mmmd.Step("mixed", labelled, unlabelled))
        optimiser.zero_grad()
        run.fabric.backward(losses["loss"] + OPTIONS.mixmatch.unlabelled_weight * losses["unlabelled_loss"])
        optimiser.step()

    return step, network


def _draw(below: int, data: FoldData, size: int) -> Tensor:
    return torch.randint(below, (size,), device=data.x.device)


def _seconds_a_step(step: Callable, data: FoldData, arguments: argparse.Namespace) -> float:
    """Mean over all steps after ten that warm up and compile."""
    for number in range(arguments.steps + 10):
        if number == 10:
            _finish(arguments.device)
            started = time.perf_counter()
        step(_draw(arguments.rows // 10, data, arguments.batch), _draw(arguments.rows, data, arguments.batch))
    _finish(arguments.device)
    return (time.perf_counter() - started) / arguments.steps


def _print_floors(
    step: Callable, network: torch.nn.Module, data: FoldData, seconds: float, arguments: argparse.Namespace
) -> None:
    """Shares of the two floors in the time of a step."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    # each row read once; parameters, gradients and both moments read, all but the gradients written back
    floor = 4 * (2 * arguments.batch * data.x.shape[1] + 8 * parameters)
    block = torch.empty(64 << 20, device=data.x.device)
    copy = _repeated(lambda: block[: 32 << 20].copy_(block[32 << 20 :]), 20, arguments.device)
    bandwidth = 2 * 4 * (32 << 20) / copy
    print(f"  memory floor: {floor / 1e6:.0f} MB at {bandwidth / 1e9:.0f} GB/s, {floor / bandwidth / seconds:.1%}")
    if arguments.device == "cpu":
        return
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        step(_draw(arguments.rows // 10, data, arguments.batch), _draw(arguments.rows, data, arguments.batch))
        _finish(arguments.device)
    kernels = sum(event.count for event in found.key_averages())
    one = torch.zeros(1, device=data.x.device)
    launch = _repeated(lambda: one.add_(1), 2000, arguments.device)
    print(f"  launch floor: {kernels} kernels of {1e6 * launch:.1f} us, {kernels * launch / seconds:.1%} of the time")


def _repeated(call: Callable[[], object], times: int, device: str) -> float:
    """Seconds of one call."""
    call()
    _finish(device)
    started = time.perf_counter()
    for _ in range(times):
        call()
    _finish(device)
    return (time.perf_counter() - started) / times


def _finish(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
