"""Features that are one vector per utterance: a matrix, scaled anew in every fold."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.dataset
import torch

from semiser.data.pooling import needs_pooling, pooled_names, pooled_width, pooling_facts, write_pooled
from semiser.data.reading import read_rows
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
        scaler = scale(x, rows.roles, rows.corpora, rows.speakers, scaling.strategy, scaling.unlabelled, out=x).scaler
        mean, std = scaler.mean, scaler.std
        for first, end in (self.ranges[column] for column in self.as_is):
            x[:, first:end] = self.x[rows.numbers, first:end]
            mean[first:end], std[first:end] = 0, 1
        y = torch.from_numpy(rows.y())
        _, speakers = np.unique(scaling_groups(rows.speakers, rows.corpora), return_inverse=True)
        roles = roles_as_tensors(rows)
        of_speaker = torch.from_numpy(speakers)
        data = FoldData(torch.from_numpy(x), y, roles, rows.classes, self.names, self.ranges, speakers=of_speaker)
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
    for column, table in tables.items():
        described = table.schema.field(column)
        of_column = json.loads((described.metadata or {}).get(b"names", b"[]"))
        families[column] = family_of(table)
        if needs_pooling(described):
            facts = pooling_facts(described, pooling)
            families[column] |= {"pooling": facts}
            of_column = pooled_names(column, pooled_width(described, facts), pooling, of_column)
        ranges[column] = (len(names), len(names) + len(of_column))
        names += of_column
    x = np.empty((len(utterance_ids), len(names)), np.float32)
    for column, (first, end) in ranges.items():
        if "pooling" in families[column]:
            write_pooled(tables[column], column, utterance_ids, families[column]["pooling"], x[:, first:end])
        else:
            write_vectors(tables[column], column, utterance_ids, x[:, first:end])
    return MatrixFeatures(x, tuple(names), ranges, frozenset(as_is) & frozenset(ranges), scaling, families)


def feature_matrix(table: pyarrow.dataset.Dataset, column: str, utterance_ids: Sequence[str]) -> np.ndarray:
    """One feature of the given utterances as a matrix of its own, float32 (utterances, values): see `write_vectors`."""
    x = np.empty((len(utterance_ids), table.schema.field(column).type.list_size), np.float32)
    write_vectors(table, column, utterance_ids, x)
    return x


def write_vectors(table: pyarrow.dataset.Dataset, column: str, utterance_ids: Sequence[str], out: np.ndarray) -> None:
    """Put one feature of the given utterances into a matrix, a few megabytes at a time.

    Args:
        table: feature table with `utterance_id` and the fixed-size column.
        column: its name.
        utterance_ids: rows of the matrix.
        out: float32 of shape (utterances, values), which is filled; may be some columns of a wider one.

    Raises:
        KeyError: an utterance has no row in the table.
    """
    found = np.zeros(len(utterance_ids), bool)
    for batch, rows in read_rows(table, [column], utterance_ids):
        out[rows] = batch[column].flatten().to_numpy(zero_copy_only=False).reshape(len(rows), -1)
        found[rows] = True
    if not found.all():
        missing = utterance_ids[int(np.flatnonzero(~found)[0])]
        raise KeyError(f"{(~found).sum()} utterances have no {column} features, the first is {missing}")
