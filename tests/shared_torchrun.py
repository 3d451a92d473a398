"""What the tests of torchrun start as every process: a program that trains two variants, as a run of the pipeline does.

torchrun ... shared_torchrun.py <folder> [<rank that is killed>]
"""

import os
import signal
import sys
from pathlib import Path

import shared_batches
import torch

from semiser import torchrun
from semiser.options.training import TrainingOptions
from semiser.systems.mmmd import fit as mmmd
from semiser.training.hosts import leading
from semiser.training.processes import fit_in_processes, serve
from semiser.training.run import TrainingRun

EVERY_STEP = {"accelerator": "cpu", "checkpoint_every_s": 0}


def lead(folder: Path) -> None:
    """Train the variants one after the other, on data that this process alone has."""
    data, training = shared_batches.make_data(), TrainingOptions(devices=torchrun.processes(), **EVERY_STEP)
    found = {}
    for name, options in shared_batches.VARIANTS.items():
        run = shared_batches.make_run(folder / name)
        probabilities = fit_in_processes(mmmd.fit, data, options, training, run)
        found[name] = {"probabilities": probabilities, "curves": run.curves}
    torch.save(found, folder / "found.pt")


def die_after(checkpoints: int) -> None:
    """Let this process be killed when it has come to so many checkpoints."""
    save, done = TrainingRun.save_checkpoint, []

    def save_and_die(run, state, force=False):
        save(run, state, force)
        done.append(state["step"])
        if len(done) == checkpoints:
            os.kill(os.getpid(), signal.SIGKILL)

    TrainingRun.save_checkpoint = save_and_die


if __name__ == "__main__":
    if sys.argv[2:] == [str(torchrun.rank())]:
        die_after(15)
    if torchrun.rank() > 0:
        serve()
    else:
        with leading():
            lead(Path(sys.argv[1]))
