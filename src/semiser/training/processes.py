"""One training in several processes: all draw the same batches, each computes its part of every one.

The processes are spawned by Lightning Fabric on this host, or were started by torchrun on one host or several
(`semiser.training.hosts`), with gloo on a CPU and nccl on GPUs. What a system's `fit` has to do for it stands in
docs/architecture.md, "Several processes".
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, distributed

from semiser import torchrun
from semiser.devices import placed
from semiser.hold import hold_process
from semiser.options.training import TrainingOptions
from semiser.training.hosts import Word, group, hand_over, hear, open_store, say, take_over
from semiser.training.run import TrainingRun

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_PORT = "MASTER_PORT"


class _Training(NamedTuple):
    """What every process gets."""

    made_with: dict[str, Any]  # of its `TrainingRun`
    handed_over: dict[str, Any]  # to that run, by attribute
    fit: Callable[[Any, Any, TrainingRun], Tensor]
    data: Any
    options: Any

    def part(self, fabric: "Fabric") -> tuple[Tensor, TrainingRun]:
        """Train as one of the processes of the group: what fit returned, on the CPU, and the run."""
        run = TrainingRun(**self.made_with, fabric=fabric)
        vars(run).update(self.handed_over)
        return self.fit(placed(self.data, fabric.device), self.options, run).cpu(), run


def fit_in_processes(
    fit: Callable[[Any, Any, TrainingRun], Tensor],
    data: Any,
    options: Any,
    training: TrainingOptions,
    run: TrainingRun,
) -> Tensor:
    """Train in `training.devices` processes: this one alone, spawned ones of this host, or all that torchrun started.

    Args:
        fit: of the system; a function that can be imported by name.
        data: on the CPU, with a method `to(device)`; its tensors come to the processes in shared memory, or are sent to
            those that torchrun started. (For this process alone: on the run's device.)
        options: of the system.
        training: number of devices and what else is the same for all systems.
        run: of this process; its folder, seed and provenance go to the processes, and it gets their curves.

    Returns:
        What fit returned in the first process. The others' results are dropped; they write nothing.

    Raises:
        ProcessRaisedException: with the error of the spawned process that failed first; the others are ended.
        ValueError: torchrun started another number of processes.
    """
    if training.devices == 1:
        with hold_process():
            return fit(data, options, run)
    made_with = {"folder": run.folder, "seed": run.seed, "key": run.key, "options": training}
    handed_over = {"provenance": run.provenance}
    task = _Training(made_with, handed_over, fit, data, options)
    probabilities, run.curves = _spawn(task) if torchrun.processes() is None else _lead(task)
    return probabilities


def _spawn(task: _Training) -> tuple[Tensor, list[dict[str, Any]]]:
    """Result and curves of a training in processes that are started for it."""
    from lightning_fabric import Fabric  # loaded where several processes train
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment

    from semiser.training.gradients import AveragedGradients

    training = task.made_with["options"]
    fabric = Fabric(
        accelerator=training.accelerator,
        devices=training.devices,
        precision=training.precision,
        strategy=AveragedGradients("spawn"),
        plugins=LightningEnvironment(),
    )
    port = os.environ.get(_PORT)
    try:
        with tempfile.TemporaryDirectory(prefix="semiser-") as folder:
            outcome = Path(folder) / "outcome.pt"
            fabric.launch(partial(_spawned, task, outcome))
            found = torch.load(outcome, weights_only=True)
    finally:  # Fabric leaves the port in the environment, where the next fold would take it again
        os.environ.pop(_PORT, None)
        if port is not None:
            os.environ[_PORT] = port
    return found["probabilities"], found["curves"]


def _spawned(task: _Training, outcome: Path, fabric: "Fabric") -> None:
    """What each process does. Results go through a file: a queue would want its reader before the processes end."""
    probabilities, run = task.part(fabric)
    if fabric.is_global_zero:
        torch.save({"probabilities": probabilities, "curves": run.curves}, outcome)
    distributed.destroy_process_group()


def _lead(task: _Training) -> tuple[Tensor, list[dict[str, Any]]]:
    """Result and curves of a training with the processes that `serve`."""
    if task.made_with["options"].devices != torchrun.processes():
        raise ValueError(
            f"training.devices is {task.made_with['options'].devices}, but torchrun started {torchrun.processes()} "
            "processes: leave it at 1, the number is torchrun's"
        )
    store = open_store()
    with group(store, say(store, Word.TRAIN)):
        hand_over(task)
        probabilities, run = _take_part(task)
    return probabilities, run.curves


def serve() -> None:
    """Take part in every training of the first process that torchrun started, until its run is over.

    Raises:
        SystemExit: its run ended with an error.
    """
    torchrun.check()
    store, number = open_store(), 1
    while (word := hear(store, number)) == Word.TRAIN:
        with group(store, number):
            _take_part(take_over())
        number += 1
    if word == Word.FAILED:
        raise SystemExit("semiser: the run of the first process ended with an error, which it has told")


def _take_part(task: _Training) -> tuple[Tensor, TrainingRun]:
    """A training in the group of all processes that torchrun started, each on a device of its host."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    from semiser.training.gradients import AveragedGradients

    training, here = task.made_with["options"], torchrun.processes_per_host()
    fabric = Fabric(
        accelerator=training.accelerator,
        devices=here,
        num_nodes=training.devices // here,
        precision=training.precision,
        strategy=AveragedGradients("popen"),
        plugins=TorchElasticEnvironment(),
    )
    return fabric.launch(task.part)
