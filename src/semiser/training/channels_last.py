"""The order of weights in memory that convolutions are fastest with."""

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """The network itself, with the weights of its convolutions in that order; what it computes stays."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own types lack it
