"""What Lightning Fabric does differently here where several processes train together."""

import logging
from typing import Any, Literal

import torch
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, distributed, nn

from semiser.training.batch_norm import share_statistics


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
