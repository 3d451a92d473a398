"""The data of one fold as tensors: what every system's `fit` gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import torch
from torch import Tensor

from semiser.training.fold_table import ROLES


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
    """

    x: Tensor
    y: Tensor
    rows: dict[str, Tensor]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def to(self, device: torch.device) -> "FoldData":
        """The same data on a device."""
        rows = {role: index.to(device) for role, index in self.rows.items()}
        return replace(self, x=self.x.to(device), y=self.y.to(device), rows=rows)


def fold_data(
    x: np.ndarray,
    fold: pa.Table,
    classes: Sequence[str],
    names: Sequence[str],
    ranges: Mapping[str, tuple[int, int]],
) -> FoldData:
    """Tensors of a fold.

    Args:
        x: standardised features, float32 of shape (N, D), in the order of the fold's rows.
        fold: the fold's rows of `folds`, with `role` and `label`.
        classes: class names in the order of their numbers.
        names: D feature names.
        ranges: where each feature column lies in x.
    """
    y = pc.fill_null(pc.index_in(fold["label"], pa.array(classes, pa.string())), -1).to_numpy()
    roles = np.asarray(fold["role"].to_pylist())
    rows = {role: torch.from_numpy(np.flatnonzero(roles == role)) for role in ROLES}
    labels = torch.from_numpy(y.astype(np.int64))
    return FoldData(torch.from_numpy(np.ascontiguousarray(x)), labels, rows, tuple(classes), tuple(names), dict(ranges))


def feature_matrix(table: pa.dataset.Dataset, column: str, utterance_ids: Sequence[str]) -> np.ndarray:
    """One feature of the given utterances as a matrix, read batch by batch.

    Args:
        table: feature table with `utterance_id` and the fixed-size column.
        column: its name.
        utterance_ids: rows of the result.

    Returns:
        float32 of shape (utterances, values).

    Raises:
        KeyError: an utterance has no row in the table.
    """
    place = {name: row for row, name in enumerate(utterance_ids)}
    x = np.full((len(place), table.schema.field(column).type.list_size), np.nan, np.float32)
    found = np.zeros(len(place), bool)
    for batch in table.to_batches(columns=["utterance_id", column]):
        rows = np.array([place.get(name, -1) for name in batch["utterance_id"].to_pylist()], np.int64)
        values = batch[column].flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
        x[rows[rows >= 0]] = values[rows >= 0]
        found[rows[rows >= 0]] = True
    if not found.all():
        missing = utterance_ids[int(np.flatnonzero(~found)[0])]
        raise KeyError(f"{(~found).sum()} utterances have no {column} features, the first is {missing}")
    return x


def with_features(utterances: pa.Table, table: pa.dataset.Dataset) -> pa.Table:
    """The utterances that have a row in a feature table; those without are in `features_quarantine`."""
    found = table.to_table(columns=["utterance_id"])["utterance_id"]
    return utterances.filter(pc.is_in(utterances["utterance_id"], found))
