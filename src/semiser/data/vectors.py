"""The data of one fold as tensors: what a system's `fit` gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from semiser.data.vector_stream import VectorStream


@dataclass(frozen=True)
class FoldData:
    """One fold's utterances; tensors lie on the device.

    Attributes:
        x: standardised features, float32 of shape (N, D).
        y: class numbers, int64 of shape (N,); -1 where the fold gives no label.
        rows: role to the numbers of its utterances, int64.
        classes: class names in the order of their numbers.
        names: D feature names.
        ranges: feature column of a table to where it lies in x, (first, last + 1); empty where there is one alone.
        unlabelled: the unlabelled utterances where they are too many for memory; none of `rows` is unlabelled then.
        speakers: number of each utterance's speaker, int64 of shape (N,), and of a corpus where it names none.
    """

    x: Tensor
    y: Tensor
    rows: dict[str, Tensor]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unlabelled: VectorStream | None = None
    speakers: Tensor | None = None

    def to(self, device: torch.device) -> "FoldData":
        """The same data on a device."""
        rows = {role: index.to(device) for role, index in self.rows.items()}
        unlabelled = self.unlabelled and self.unlabelled.to(device)
        speakers = None if self.speakers is None else self.speakers.to(device)
        x, y = self.x.to(device), self.y.to(device)
        return replace(self, x=x, y=y, rows=rows, unlabelled=unlabelled, speakers=speakers)
