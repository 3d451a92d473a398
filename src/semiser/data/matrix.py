"""Features that are one vector per utterance: a matrix, scaled anew in every fold."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.dataset
import torch

from semiser.data.pooling import needs_pooling, pooled_matrix, pooled_names, pooling_facts
from semiser.data.scaling import scale, scaling_groups
from semiser.data.tables import family_of, roles_as_tensors
from semiser.data.vectors import FoldData
from semiser.devices import placed
from semiser.folds.rows import FoldRows
from semiser.options.training import ScalingOptions
from semiser.provenance import Provenance


@dataclass(frozen=True)
class MatrixFeatures:
    """Vectors of all utterances of an experiment; `of_fold` gives `FoldData`.

    Attributes:
        x: as extracted, float32 of shape (N, D).
        names: D feature names.
        ranges: feature column to where it lies in x, (first, last + 1).
        as_is: the feature columns that are not scaled, such as one-hot vectors.
        scaling: strategies by name (`semiser.data.scaling`).
        families: feature column to the family that made it (`family_of`), for the models' cards.
    """

    x: np.ndarray
    names: tuple[str, ...]
    ranges: dict[str, tuple[int, int]]
    as_is: frozenset[str]
    scaling: ScalingOptions
    families: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Where the columns lie and how they are scaled."""
        return {"ranges": self.ranges, "as_is": sorted(self.as_is), "scaling": self.scaling.model_dump(mode="json")}

    def digest(self, numbers: np.ndarray) -> bytes:
        """Hash of the vectors with these numbers."""
        digest = hashlib.sha256()
        for number in numbers:
            digest.update(self.x[number])
        return digest.digest()

    def of_fold(self, rows: FoldRows, device: torch.device) -> tuple[FoldData, Provenance]:
        """The fold's tensors on the device, and the scaler, to be saved beside the weights.

        A column that is not scaled has mean 0 and deviation 1 there.
        """
        x, scaling = self.x[rows.numbers], self.scaling
        scaled = scale(x, rows.roles, rows.corpora, rows.speakers, scaling.strategy, scaling.unlabelled)
        mean, std = scaled.scaler.mean, scaled.scaler.std
        for first, end in (self.ranges[column] for column in self.as_is):
            scaled.features[:, first:end] = x[:, first:end]
            mean[first:end], std[first:end] = 0, 1
        tensor = torch.from_numpy(np.ascontiguousarray(scaled.features))
        y = torch.from_numpy(rows.y())
        _, speakers = np.unique(scaling_groups(rows.speakers, rows.corpora), return_inverse=True)
        roles = roles_as_tensors(rows)
        data = FoldData(tensor, y, roles, rows.classes, self.names, self.ranges, speakers=torch.from_numpy(speakers))
        statistics = {"strategy": scaling.strategy, "mean": mean, "std": std, "as_is": sorted(self.as_is)}
        return placed(data, device), Provenance(statistics, self.families)


def read_matrix(
    tables: Mapping[str, pyarrow.dataset.Dataset],
    utterance_ids: Sequence[str],
    scaling: ScalingOptions,
    as_is: Collection[str] = (),
    pooling: Sequence[str] = (),
) -> MatrixFeatures:
    """The vectors of the given utterances, the columns of several tables side by side in this order.

    Args:
        tables: column of vectors, whose field names the features, or of frames or matrices, to the feature table that
            has it.
        utterance_ids: rows of the matrix.
        scaling: strategies by name.
        as_is: columns that are not scaled; those that no table has are passed over.
        pooling: statistics that make vectors of frames and matrices (`semiser.data.pooling`).

    Raises:
        KeyError: an utterance has no row in a table.
        ValueError: a column holds neither vectors nor frames.
    """
    names: list[str] = []
    ranges: dict[str, tuple[int, int]] = {}
    families: dict[str, dict[str, Any]] = {}
    parts: list[np.ndarray] = []
    for column, table in tables.items():
        metadata = table.schema.field(column).metadata or {}
        of_column = json.loads(metadata.get(b"names", b"[]"))
        families[column] = family_of(table)
        if needs_pooling(table.schema.field(column)):
            facts = pooling_facts(table.schema.field(column), pooling)
            families[column] |= {"pooling": facts}
            parts.append(pooled_matrix(table, column, utterance_ids, facts))
            of_column = pooled_names(column, parts[-1].shape[1] // len(pooling), pooling, of_column)
        else:
            parts.append(feature_matrix(table, column, utterance_ids))
        ranges[column] = (len(names), len(names) + len(of_column))
        names += of_column
    x = np.concatenate(parts, axis=1)
    return MatrixFeatures(x, tuple(names), ranges, frozenset(as_is) & frozenset(ranges), scaling, families)


def feature_matrix(table: pyarrow.dataset.Dataset, column: str, utterance_ids: Sequence[str]) -> np.ndarray:
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
