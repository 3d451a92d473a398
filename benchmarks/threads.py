"""What a second thread is worth to a training step of every system on a CPU, by the size of its networks.

    python benchmarks/threads.py [--threads 1 2] [--size small] [--only casia ...] [--steps 20] [--rounds 3]

Every fit runs as it is on made-up data (`experiments.py`) through some steps, with each number of threads in turn. Wall
time, so give the machine nothing else to do: the least of the rounds counts. As many trainings side by side
(`training.side_by_side`), each on a thread of its own, would be as many times as fast; so more threads pay only for one
training alone, and only as far as the ratio goes. `--size published` takes the published sizes.
"""

import argparse
import platform
import tempfile
import time
from pathlib import Path

import torch
from device import measure
from experiments import Training, published, small


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="the first one is what is compared with")
    parser.add_argument("--size", choices=("published", "small"), default="small")
    parser.add_argument("--only", nargs="+", help="envs")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {platform.machine()}, {arguments.threads} threads, ms a step\n")
    print(f"| env | training | weights, millions | {' | '.join(map(str, arguments.threads))} | first / last |")
    print("|---" * (4 + len(arguments.threads)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for training in {"published": published, "small": small}[arguments.size](Path(folder)):
            if not arguments.only or training.env in arguments.only:
                _print_row(training, arguments)


def _print_row(training: Training, arguments: argparse.Namespace) -> None:
    times: dict[int, list[float]] = {threads: [] for threads in arguments.threads}
    for _ in range(arguments.rounds):
        for threads, of in times.items():
            seen = measure(training, "none", "32-true", "cpu", arguments.steps, threads, time.perf_counter)
            of.append(seen.seconds * 1e3)
    least = [min(of) for of in times.values()]
    shown = " | ".join(f"{each:.1f}" for each in least)
    facts = f"{training.env} | {training.variant} | {seen.weights / 4e6:.2f}"
    print(f"| {facts} | {shown} | {least[0] / least[-1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
