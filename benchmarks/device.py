"""Training steps of every system on a device: eager, compiled and as CUDA graphs, in float32 and bfloat16.

    python benchmarks/device.py [--device cuda] [--size published] [--only mssgan ...] [--steps 20]

Every fit runs as it is on made-up data (`experiments.py`), through some steps that are typical of it, and is left. The
page that is printed can be pasted into an issue. Its columns:

* steps a second, and as a ratio to eager float32's, which is measured first;
* waits: how often a step makes the host wait for the device, as CUDA tells it;
* bandwidth: the bytes that any step has to move (its batch; weights, gradients and both moments, read and all but the
  gradients written) at the rate of a copy on this device, as a share of the time;
* matrix peak: the operations of matrix products and convolutions, as torch counts them, at the rate of one large
  product in float32 or bfloat16 on this device, as a share of the time;
* memory: what torch had allocated at most, and what was reckoned before (`semiser/training/memory.py`).

`--size small` takes the envs that were made for a CPU, which a CPU gets by itself.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from experiments import Training, published, small
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.flop_counter import FlopCounterMode

from semiser.devices import bytes_of, bytes_placed, placed
from semiser.options.training import TrainingOptions
from semiser.training.memory import given_bytes
from semiser.training.run import TrainingRun

FORMS = [
    *(("none", "32-true"), ("default", "32-true"), ("cuda_graphs", "32-true")),
    *(("none", "bf16-mixed"), ("default", "bf16-mixed"), ("cuda_graphs", "bf16-mixed")),
]
NAMES = {"none": "eager", "default": "compiled", "cuda_graphs": "CUDA graphs"}
WARM, LISTENED = 3, 3  # steps before those that are timed, and behind them
_TIMES_MOVED = 7  # of each parameter: four tensors read, three written


class Left(Exception):
    """All is measured."""


class Watched(TrainingRun):
    """A run that counts what the parts of a step are given, and what its networks have to move."""

    given = 0

    def graph(self, part: Any) -> Any:
        """The part itself, with an eye on its arguments."""
        call = super().graph(part)

        def counted(*given: Any) -> Any:
            self.given += given_bytes(given)
            return call(*given)

        return counted

    @property
    def weights(self) -> int:
        """Bytes of all parameters that are trained."""
        return bytes_of([one.learning for one in self._trained])


class Seen(NamedTuple):
    """Of a step: seconds, waits, bytes to move, operations; bytes allocated, reckoned, of weights. None: no GPU."""

    seconds: float
    waits: float | None
    moved: float
    operations: float
    allocated: float | None
    reckoned: float
    weights: int


def main() -> None:
    """Measure and print the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", choices=("published", "small"))
    parser.add_argument("--only", nargs="+", help="envs")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--compiled", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    device = arguments.device
    made = published if (arguments.size or ("small" if device == "cpu" else "published")) == "published" else small
    forms = [form for form in FORMS if arguments.compiled or form[0] == "none"]
    if device == "cpu":
        forms = [form for form in forms if form[0] != "cuda_graphs"]
    bandwidth, peaks = _bandwidth(device), {name: _peak(device, name) for name in ("32-true", "bf16-mixed")}
    print(f"## Training steps on {_machine(device)}\n")
    print(
        f"A copy moves {bandwidth / 1e9:,.0f} GB/s; a product makes {peaks['32-true'] / 1e12:.3g} 10^12 operations a "
        f"second in float32 and {peaks['bf16-mixed'] / 1e12:.3g} in bfloat16. `{' '.join(sys.argv)}`\n"
    )
    if device == "cpu":
        print("On a CPU there are no CUDA graphs, no waits, and no memory of its own.\n")
    titles = ("env", "training", "form", "precision", "steps/s", "ratio", "waits", "bandwidth", "matrix peak")
    print(f"| {' | '.join(titles)} | memory, GB (reckoned) |")
    print("|---" * 10 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for training in made(Path(folder)):
            if not arguments.only or training.env in arguments.only:
                _print_rows(training, forms, arguments, bandwidth, peaks)


def _print_rows(
    training: Training, forms: list, arguments: argparse.Namespace, bandwidth: float, peaks: dict[str, float]
) -> None:
    eager = None
    for compiled, precision in forms:
        start = f"| {training.env} | {training.variant} | {NAMES[compiled]} | {precision} |"
        try:
            seen = measure(training, compiled, precision, arguments.device, arguments.steps)
        except Exception as error:  # the page says what does not work
            print(f"{start} failed: {type(error).__name__}: {str(error).splitlines()[0][:120]} |", flush=True)
            continue
        eager = eager or seen
        shares = eager.moved / bandwidth / seen.seconds, eager.operations / peaks[precision] / seen.seconds
        waits = "-" if seen.waits is None else f"{seen.waits:.1f}"
        memory = "-" if seen.allocated is None else f"{seen.allocated / 1e9:.3g} ({seen.reckoned / 1e9:.3g})"
        ratio, (moving, computing) = eager.seconds / seen.seconds, shares
        print(
            f"{start} {1 / seen.seconds:.3g} | {ratio:.2f} | {waits} | {moving:.1%} | {computing:.1%} | {memory} |",
            flush=True,
        )


def measure(
    training: Training,
    compiled: str,
    precision: str,
    device: str,
    steps: int,
    threads: int = 1,
    clock: Callable[[], float] | None = None,
) -> Seen:
    """Run a fit through its first steps, time some by a clock (`_now`), listen to some more, and leave it."""
    torch._dynamo.reset()
    on_gpu, taken = device != "cpu", Counter[int]()
    now = clock or partial(_now, on_gpu)
    times: list[float] = []
    first = training.first + WARM
    counter = FlopCounterMode(display=False) if compiled == "none" else None
    moved: list[int] = []

    def after_step(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        taken[id(optimiser)] += 1
        if id(optimiser) != next(iter(taken)):  # a step has one of each
            return
        number = taken[id(optimiser)] - first
        if number in (0, steps):
            times.append(now())
            moved.append(run.given)
        if number == steps and on_gpu:
            torch.cuda.set_sync_debug_mode("warn")
        if number == steps + LISTENED:
            if on_gpu:
                torch.cuda.set_sync_debug_mode("default")
            if counter is None:
                raise Left
            counter.__enter__()
        if number == steps + LISTENED + 1:
            raise Left

    options = TrainingOptions(
        accelerator=device,
        precision=precision,
        compile=compiled,
        threads=threads,
        checkpoint_every_s=1e9,  # type: ignore[arg-type]
    )
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    hook = register_optimizer_step_post_hook(after_step)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        run = Watched(Path(folder), 0, options, "benchmark")
        try:
            with suppress(Left):
                training.fit(placed(training.data, run.fabric.device), training.options, run)
        finally:
            hook.remove()
            if counter is not None and counter.flop_counts:
                counter.__exit__(None, None, None)
            if on_gpu:
                torch.cuda.set_sync_debug_mode("default")
    if len(times) < 2:
        raise RuntimeError(f"the fit has fewer than {first + steps} steps")
    waits = sum("synchroniz" in str(each.message) for each in heard) / LISTENED if on_gpu else None
    needs = [need.total for need in run.needs.values()]
    return Seen(
        seconds=(times[1] - times[0]) / steps,
        waits=waits,
        moved=(moved[1] - moved[0]) / steps + _TIMES_MOVED * run.weights,
        operations=counter.get_total_flops() if counter is not None else 0,
        allocated=torch.cuda.max_memory_allocated() if on_gpu else None,
        reckoned=bytes_placed(training.data) + max(needs, default=0),
        weights=run.weights,
    )


def _now(on_gpu: bool) -> float:
    """Seconds; on a CPU processor time, which other programs disturb less."""
    if not on_gpu:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _bandwidth(device: str) -> float:
    """Bytes that a copy reads and writes in a second."""
    source = torch.zeros((256 if device != "cpu" else 64) << 20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _each(lambda: target.copy_(source), device)


def _peak(device: str, precision: str) -> float:
    """Operations of a large product of matrices in a second."""
    size, dtype = (8192 if device != "cpu" else 1024), torch.float32 if precision == "32-true" else torch.bfloat16
    a = torch.ones(size, size, dtype=dtype, device=device)
    return 2 * size**3 / _each(lambda: a @ a, device)


def _each(call: Callable[[], object], device: str, times: int = 10) -> float:
    call()
    started = _now(device != "cpu")
    for _ in range(times):
        call()
    return (_now(device != "cpu") - started) / times


def _machine(device: str) -> str:
    of = torch.cuda.get_device_name() if device != "cpu" else f"a CPU ({torch.get_num_threads()} thread)"
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{of}: torch {torch.__version__}, Python {platform.python_version()}{load}"


if __name__ == "__main__":
    main()
