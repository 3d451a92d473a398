"""Unlabelled vectors that are read from their shards in every epoch, as batches."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from semiser.data.stream import Batch, SampleStream
from semiser.devices import sent

_SCALED_ROWS = 512  # at a time where every row has a scaler of its own group, which is as large as the row
_PASSES = 1_000_000  # more than an epoch can have


@dataclass(frozen=True)
class VectorStream:
    """Unlabelled utterances of a fold as batches of vectors, shuffled block by block and standardised on the device.

    Attributes:
        samples: where they are read from.
        columns: feature columns in the order in which they stand side by side.
        group: scaler of each utterance, by its number in the samples' ids.
        mean, std: of the scalers, float64 of shape (groups, D).
        device: where batches lie.
    """

    samples: SampleStream
    columns: tuple[str, ...]
    group: Tensor
    mean: np.ndarray
    std: np.ndarray
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        """Number of utterances."""
        return len(self.samples)

    def to(self, device: torch.device) -> "VectorStream":
        """The same with batches on a device."""
        return replace(self, device=device)

    def share(self, share: float, seed: int) -> "VectorStream":
        """A random share of the utterances; a smaller share is part of a larger one."""
        if share == 1:
            return self
        utterances = self.samples.utterances
        order = torch.randperm(len(utterances), generator=torch.Generator().manual_seed(seed)).numpy()
        return replace(self, samples=self.samples.only(utterances[order[: round(share * len(utterances))]]))

    def batches(self, batch_size: int, seed: int, epoch: int, first: int = 0) -> Iterator[Tensor]:
        """Batches (B, D) without end: a pass through all utterances, whose last batch may be smaller, and the next one.

        Args:
            batch_size: utterances of a batch.
            seed, epoch: what the order is drawn from.
            first: number of the first batch wanted, to go on inside an epoch.
        """
        scale = _Standardise(self)
        done, first = divmod(first, math.ceil(len(self) / batch_size))
        while True:
            for batch in self.samples.batches(batch_size, seed, epoch * _PASSES + done, first, scale):
                yield batch.x["x"]
            done, first = done + 1, 0


class _Standardise:
    """What is done to a block of rows: columns side by side, onto the device, (x - mean) / std of each row's group.

    In float32, which every device has. The mean is taken off in two parts, so that no digit is lost where it is large.
    """

    def __init__(self, stream: VectorStream):
        self._columns, self._group, self._device = stream.columns, stream.group, stream.device
        inverse = np.divide(1.0, stream.std, out=np.zeros_like(stream.std), where=stream.std > 0)
        mean = stream.mean.astype(np.float32)
        parts = mean, stream.mean - mean, inverse
        self._mean, self._rest, self._inverse = (
            sent(torch.from_numpy(part.astype(np.float32)), stream.device) for part in parts
        )

    def __call__(self, block: Batch) -> Batch:
        x = torch.cat([sent(block.x[column], self._device) for column in self._columns], 1)
        group = sent(self._group[block.utterance], self._device)
        for rows, groups in zip(x.split(_SCALED_ROWS), group.split(_SCALED_ROWS), strict=True):
            which = 0 if len(self._mean) == 1 else groups
            rows.sub_(self._mean[which]).sub_(self._rest[which]).mul_(self._inverse[which])
        return Batch({"x": x}, block.utterance)
