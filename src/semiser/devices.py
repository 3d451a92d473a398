"""Between the memories of host and device, without waiting for each other in every step."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def sent(values: Tensor, device: torch.device | str) -> Tensor:
    """The values on a device; the host goes on while they are copied, which takes memory that the system cannot move.

    What lies there already is given as it is.
    """
    device = torch.device(device)
    if values.device.type != "cpu" or device.type == "cpu":
        return values.to(device)
    if device.type == "mps":  # knows no such memory
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def fetched(values: Mapping[str, float | Tensor]) -> dict[str, float]:
    """Numbers by name; those that are scalar tensors on one device are brought to the host together, as float32."""
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    if not tensors:
        return {name: float(value) for name, value in values.items()}
    numbers = torch.stack([value.detach().float() for value in tensors.values()]).tolist()
    found = dict(zip(tensors, numbers, strict=True))
    return {name: found[name] if name in found else float(value) for name, value in values.items()}


def free_bytes(device: torch.device) -> float:
    """What is free on a GPU; of the host's own memory nothing is said here, it is infinite."""
    return float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else math.inf
