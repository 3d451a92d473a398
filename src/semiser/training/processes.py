"""One training in several processes: all draw the same batches, each computes its part of every one.

The processes are spawned by Lightning Fabric on this host, or were started by torchrun on one host or several
(`semiser.training.hosts`), with gloo on a CPU and nccl on GPUs. What a system's `fit` has to do for it stands in
docs/architecture.md, "Several processes".
"""

import logging
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, distributed, nn

from semiser import torchrun
from semiser.hold import hold_process
from semiser.options.training import TrainingOptions
from semiser.training.batch_norm import share_statistics
from semiser.training.hosts import Word, group, hand_over, hear, open_store, say, take_over
from semiser.training.run import TrainingRun

_PORT = "MASTER_PORT"


class AveragedGradients(DDPStrategy):
    """Data parallel training in which `backward` ends with the mean of all processes' gradients.

    Fabric's own wraps every network into one that averages gradients while they are computed. It then wants every
    forward pass to go through the wrapper and every parameter to be reached by every backward pass, which guesses
    without gradient, gradient penalties and networks that play against each other are not. Here networks stay as they
    are; their gradients travel together in one message after the backward pass.
    """

    def __init__(self, start_method: Literal["spawn", "popen"]):
        super().__init__(start_method=start_method)
        self._networks: list[nn.Module] = []

    def setup_environment(self) -> None:
        """Join the group of processes, without a banner for every fold."""
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        super().setup_environment()

    def setup_module(self, module: nn.Module) -> nn.Module:  # type: ignore[override]  # no wrapper: see the class
        """The module itself, with the parameters and buffers of the first process, and batch normalisation over all."""
        share_statistics(module)
        for tensor in module.state_dict().values():
            distributed.broadcast(tensor, 0)
        self._networks.append(module)
        return module

    def backward(self, tensor: Tensor, module: nn.Module | None, *args: Any, **kwargs: Any) -> None:
        """Backward pass, then the mean of the gradients: of the module, or of all networks that were set up."""
        super().backward(tensor, module, *args, **kwargs)
        networks = self._networks if module is None else [module]
        gradients = [parameter.grad for network in networks for parameter in network.parameters()]
        average([gradient for gradient in gradients if gradient is not None])


def average(tensors: list[Tensor]) -> None:
    """Put the mean over all processes into each tensor, in one message; every process has the same list of shapes."""
    together = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(together)
    together /= distributed.get_world_size()
    for tensor, mean in zip(tensors, together.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


class _Training(NamedTuple):
    """What every process gets."""

    made_with: dict[str, Any]  # of its `TrainingRun`
    handed_over: dict[str, Any]  # to that run, by attribute
    fit: Callable[[Any, Any, TrainingRun], Tensor]
    data: Any
    options: Any

    def part(self, fabric: Fabric) -> tuple[Tensor, TrainingRun]:
        """Train as one of the processes of the group: what fit returned, on the CPU, and the run."""
        run = TrainingRun(**self.made_with, fabric=fabric)
        vars(run).update(self.handed_over)
        return self.fit(self.data.to(fabric.device), self.options, run).cpu(), run


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


def _spawned(task: _Training, outcome: Path, fabric: Fabric) -> None:
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
