"""Batches as row numbers: shuffled, repeated where one set is smaller, and drawn again where a training goes on."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from semiser.devices import sent

Steps = TypeVar("Steps")


def shuffled(rows: Tensor) -> Tensor:
    """The rows in an order drawn from torch's random state."""
    return rows[sent(torch.randperm(len(rows)), rows.device)]


def repeated(rows: Tensor, length: int) -> Tensor:
    """`length` rows, shuffled anew each time that all are through; none where there are none."""
    if not len(rows):
        return rows
    return torch.cat([shuffled(rows) for _ in range(math.ceil(length / len(rows)))])[:length]


def planned(state: dict[str, Any], plan: Callable[[], Steps]) -> Steps:
    """The steps of an epoch; inside an epoch they are drawn again from the random state at its beginning.

    Args:
        state: of the training, with `step` inside the epoch and `epoch_random`, torch's random state at its beginning.
        plan: draws the steps.
    """
    if not state["step"]:
        state["epoch_random"] = torch.get_rng_state()
        return plan()
    now = torch.get_rng_state()
    torch.set_rng_state(state["epoch_random"])
    steps = plan()
    torch.set_rng_state(now)
    return steps
