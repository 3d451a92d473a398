"""Between the memories of host and device, without waiting for each other in every step."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor


class Movable(Protocol):
    """The data of a fold."""

    def to(self, device: torch.device) -> Self:
        """The same on a device."""


Data = TypeVar("Data", bound=Movable)


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
    """What is free on a GPU, with what torch keeps there to use again; of the host's own memory nothing is said here,
    it is infinite."""
    if device.type != "cuda":
        return math.inf
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + unused)


def bytes_of(values: Any, device: str | None = None) -> int:
    """What all tensors take in sequences, mappings and dataclasses, on a kind of device or anywhere."""
    return sum(each.numel() * each.element_size() for each in _tensors(values) if device in (None, each.device.type))


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif is_dataclass(values):
        yield from _tensors([getattr(values, field.name) for field in fields(values)])
    elif isinstance(values, Mapping | list | tuple):
        for value in values.values() if isinstance(values, Mapping) else values:
            yield from _tensors(value)


def bytes_placed(data: Movable) -> int:
    """What data take on a device that is not the host, counted without taking it."""
    return bytes_of(data.to(torch.device("meta")), "meta")


def gib(size: float) -> str:
    """Bytes as a person reads them."""
    return f"{size / 2**30:.3g} GiB"


def placed(data: Data, device: torch.device) -> Data:
    """The data of a fold on a device.

    Raises:
        ValueError: it has no room for them.
    """
    free = free_bytes(device)
    if free < math.inf and (needed := bytes_placed(data)) > free:
        raise ValueError(
            f"training.accelerator: the data of a fold take {gib(needed)} on {device}, where {gib(free)} are free. Let "
            "unlabelled speech stream (unlabelled_in_memory_mb, memory_mib: docs/scale.md says which system can), take "
            "fewer features or utterances, a GPU with more memory, or training.accelerator=cpu"
        )
    return data.to(device)
