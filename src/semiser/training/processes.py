"""One training in several processes of a host: all draw the same batches, each computes its part of every one.

The processes are spawned by Lightning Fabric, with gloo on a CPU and nccl on GPUs. What a system's `fit` has to do for
it stands in docs/architecture.md, "Several processes".
"""

import logging
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, distributed, nn

from semiser.options.training import TrainingOptions
from semiser.training.run import TrainingRun

_PORT = "MASTER_PORT"


class AveragedGradients(DDPStrategy):
    """Data parallel training in which `backward` ends with the mean of all processes' gradients.

    Fabric's own wraps every network into one that averages gradients while they are computed. It then wants every
    forward pass to go through the wrapper and every parameter to be reached by every backward pass, which guesses
    without gradient, gradient penalties and networks that play against each other are not. Here networks stay as they
    are; their gradients travel together in one message after the backward pass.
    """

    def __init__(self):
        super().__init__(start_method="spawn")
        self._networks: list[nn.Module] = []

    def setup_environment(self) -> None:
        """Join the group of processes, without a banner for every fold."""
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        super().setup_environment()

    def setup_module(self, module: nn.Module) -> nn.Module:
        """The module itself, with the parameters and buffers of the first process."""
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


def fit_in_processes(
    fit: Callable[[Any, Any, TrainingRun], Tensor],
    data: Any,
    options: Any,
    training: TrainingOptions,
    run: TrainingRun,
) -> Tensor:
    """Train in `training.devices` processes of this host.

    Args:
        fit: of the system; a function that can be imported by name.
        data: on the CPU, with a method `to(device)`; its tensors come to the processes in shared memory.
        options: of the system.
        training: number of devices and what else is the same for all systems.
        run: of this process; its folder, seed and scaling go to the processes, and it gets their curves.

    Returns:
        What fit returned in the first process. The others' results are dropped; they write nothing.

    Raises:
        ProcessRaisedException: with the error of the process that failed first; the others are ended.
        RuntimeError: this process was started by torchrun.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise RuntimeError(
            "semiser starts its processes itself: run `kedro run` without torchrun and set training.devices. Training "
            "on several hosts is not offered; let hosts train different seeds or variants instead"
        )
    fabric = Fabric(
        accelerator=training.accelerator,
        devices=training.devices,
        precision=training.precision,
        strategy=AveragedGradients(),
        plugins=LightningEnvironment(),
    )
    port = os.environ.get(_PORT)
    try:
        with tempfile.TemporaryDirectory(prefix="semiser-") as folder:
            outcome = Path(folder) / "outcome.pt"
            made_with = {"folder": run.folder, "seed": run.seed, "key": run.key, "options": training}
            handed_over = {"scaling": run.scaling, "families": run.families}
            fabric.launch(partial(_fit_one_part, made_with, handed_over, fit, data, options, outcome))
            found = torch.load(outcome, weights_only=True)
    finally:  # Fabric leaves the port in the environment, where the next fold would take it again
        os.environ.pop(_PORT, None)
        if port is not None:
            os.environ[_PORT] = port
    run.curves = found["curves"]
    return found["probabilities"]


def _fit_one_part(made_with: dict, handed_over: dict, fit, data, options, outcome: Path, fabric: Fabric) -> None:
    """What each process does. Results go through a file: a queue would want its reader before the processes end."""
    run = TrainingRun(**made_with, fabric=fabric)
    run.scaling, run.families = handed_over["scaling"], handed_over["families"]
    probabilities = fit(data.to(fabric.device), options, run)
    if fabric.is_global_zero:
        torch.save({"probabilities": probabilities.cpu(), "curves": run.curves}, outcome)
    distributed.destroy_process_group()
