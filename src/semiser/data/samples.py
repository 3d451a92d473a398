"""Features that are matrices: segments, chunks, frames x bands; one or several samples per utterance."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from torch import Tensor

from semiser.data.reading import read_rows, sample_places
from semiser.data.scaling import scale
from semiser.data.tables import family_of, roles_as_tensors
from semiser.devices import placed
from semiser.folds.rows import FoldRows
from semiser.options.training import ScalingOptions
from semiser.provenance import Provenance

# (frames, width) -> (fixed number of frames, width): how matrices of different lengths become samples of one shape
FitFrames = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SampleData:
    """One fold's utterances and their samples; tensors lie on the device.

    Attributes:
        x: feature column to its samples, float32 of shape (M, ...); all columns have the same M samples. Samples of
            utterances that are no part of the fold may be among them.
        utterance: place in the fold of each sample's utterance, int64 of shape (M,); -1: not in the fold.
        y: class numbers of the utterances, int64 of shape (N,); -1 where the fold gives no label.
        rows: role to the places of its utterances, int64.
        classes: class names in the order of their numbers.
        about: further facts of the utterances by name, tensors of shape (N, ...), such as soft labels.
    """

    x: Mapping[str, Tensor]
    utterance: Tensor
    y: Tensor
    rows: dict[str, Tensor]
    classes: tuple[str, ...]
    about: Mapping[str, Tensor] = field(default_factory=dict)

    def samples(self, role: str) -> Tensor:
        """Numbers of the samples of a role's utterances, int64, in the order of the samples."""
        inside = torch.zeros(len(self.y) + 1, dtype=torch.bool, device=self.utterance.device)
        inside[self.rows[role]] = True  # the last is what -1 points at
        return inside[self.utterance].nonzero().flatten()

    def to(self, device: torch.device) -> "SampleData":
        """The same data on a device."""
        return replace(
            self,
            x={name: values.to(device) for name, values in self.x.items()},
            utterance=self.utterance.to(device),
            y=self.y.to(device),
            rows={role: places.to(device) for role, places in self.rows.items()},
            about={name: values.to(device) for name, values in self.about.items()},
        )


@dataclass(frozen=True)
class SampleFeatures:
    """Samples of all utterances of an experiment, in memory; `of_fold` gives `SampleData`.

    Attributes:
        x: feature column to its samples as extracted, float32 of shape (M, ...).
        utterance: number of each sample's utterance, int64 of shape (M,).
        about: facts of the utterances by name, float32 of shape (U, ...).
        scaling: strategies by name; None leaves values as they are.
        band_axis: axis of a sample whose entries (frequency bands) have statistics of their own, -1 for frames x bands.
        families: feature column to the family that made it (`family_of`), for the models' cards.
    """

    x: Mapping[str, np.ndarray]
    utterance: np.ndarray
    about: Mapping[str, np.ndarray] = field(default_factory=dict)
    scaling: ScalingOptions | None = None
    band_axis: int = -1
    families: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """How the samples are scaled."""
        scaling = self.scaling and self.scaling.model_dump(mode="json")
        return {"columns": list(self.x), "scaling": scaling, "band_axis": self.band_axis}

    def digest(self, numbers: np.ndarray) -> bytes:
        """Hash of the samples and facts of the utterances with these numbers."""
        digest = hashlib.sha256()
        for number in numbers:
            digest.update(self._digests[number])
        return digest.digest()

    @cached_property
    def _digests(self) -> list[bytes]:
        """Hash of each utterance's samples and facts, made once for all folds."""
        digests = [hashlib.blake2b(digest_size=16) for _ in range(self.utterance.max(initial=-1) + 1)]
        for values in self.x.values():
            for number, sample in zip(self.utterance, values, strict=True):
                digests[number].update(sample)
        for values in self.about.values():
            for digest, value in zip(digests, values, strict=True):
                digest.update(value)
        return [digest.digest() for digest in digests]

    def of_fold(self, rows: FoldRows, device: torch.device) -> tuple[SampleData, Provenance]:
        """The fold's tensors on the device, and the scalers, to be saved beside the weights."""
        scaling: dict[str, Any] = {}
        place = np.full(len(self._digests), -1, np.int64)
        place[rows.numbers] = np.arange(len(rows.numbers))
        utterance, x = place[self.utterance], dict(self.x)
        if self.scaling:
            kept = utterance >= 0
            utterance = utterance[kept]
            for name, values in self.x.items():
                x[name] = values[kept]
                scaling[name] = self._scale(x[name], utterance, rows, self.scaling)
            scaling["strategy"] = self.scaling.strategy
        data = SampleData(
            x={name: torch.from_numpy(values) for name, values in x.items()},
            utterance=torch.from_numpy(utterance),
            y=torch.from_numpy(rows.y()),
            rows=roles_as_tensors(rows),
            classes=rows.classes,
            about={name: torch.from_numpy(values[rows.numbers]) for name, values in self.about.items()},
        )
        return placed(data, device), Provenance(scaling, self.families)

    def _scale(
        self, values: np.ndarray, utterance: np.ndarray, rows: FoldRows, scaling: ScalingOptions
    ) -> dict[str, np.ndarray]:
        """Standardise samples in their place; gives mean and deviation of the training part."""
        roles, corpora, speakers = (facts[utterance] for facts in (rows.roles, rows.corpora, rows.speakers))
        axis = self.band_axis if self.band_axis < 0 else self.band_axis + 1  # of a sample -> of all
        bands_last = np.moveaxis(values, axis, -1)
        scaled = scale(bands_last, roles, corpora, speakers, scaling.strategy, scaling.unlabelled, out=bands_last)
        return {"mean": scaled.scaler.mean, "std": scaled.scaler.std}


def read_samples(
    tables: Mapping[str, pa.dataset.Dataset],
    utterance_ids: Sequence[str],
    fit_frames: FitFrames | None = None,
    about: Mapping[str, np.ndarray] | None = None,
    scaling: ScalingOptions | None = None,
    band_axis: int = -1,
) -> SampleFeatures:
    """All samples of the given utterances, ordered by utterance and then as in the table.

    They are read a few megabytes at a time, straight into their places.

    Args:
        tables: feature column to the table that has it; of several tables each has one row per utterance.
        utterance_ids: the experiment's utterances.
        fit_frames: makes matrices of one shape where a table has as many rows as the utterance has frames.
        about, scaling, band_axis: of `SampleFeatures`.

    Raises:
        KeyError: an utterance has no row in a table.
    """
    found = {column: _read_column(table, column, utterance_ids, fit_frames) for column, table in tables.items()}
    first, *others = (utterance for _, utterance in found.values())
    if any(not np.array_equal(first, other) for other in others):
        raise ValueError(f"the tables of {', '.join(tables)} differ in their samples per utterance: take one of them")
    x = {column: values for column, (values, _) in found.items()}
    families = {column: family_of(table) for column, table in tables.items()}
    return SampleFeatures(x, first, dict(about or {}), scaling, band_axis, families)


def _read_column(
    table: pa.dataset.Dataset, column: str, utterance_ids: Sequence[str], fit_frames: FitFrames | None
) -> tuple[np.ndarray, np.ndarray]:
    places, utterance = sample_places(table, column, utterance_ids)
    field = table.schema.field(column)
    found = (matrices(batch, field, fit_frames) for batch, _ in read_rows(table, [column], utterance_ids))
    return put_in_places(found, places), utterance


def put_in_places(batches: Iterable[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Samples that come one batch after the other in one array, each in its place.

    Args:
        batches: float32 of shape (rows, ...), M rows together.
        places: of the M samples in the order in which they come, each from 0 to M - 1 once.

    Returns:
        float32 of shape (M, ...).

    Raises:
        ValueError: there is no batch, so nothing says what a sample's shape is.
    """
    x, done = None, 0
    for values in batches:
        if x is None:
            x = np.empty((len(places), *values.shape[1:]), np.float32)
        x[places[done : done + len(values)]] = values
        done += len(values)
    if x is None:
        raise ValueError("no utterance was asked for: there are no samples to read")
    return x


def matrices(batch: pa.RecordBatch, field: pa.Field, fit_frames: FitFrames | None = None) -> np.ndarray:
    """The matrices of a feature column: float32 of shape (rows, ...), as the field's metadata says.

    Args:
        batch: rows of a feature table.
        field: of the column, with `shape` in its metadata; (None, width) where lengths differ. Without it the column
            has vectors.
        fit_frames: needed where lengths differ.

    Raises:
        ValueError: lengths differ, and there is no `fit_frames`.
    """
    shape = json.loads((field.metadata or {}).get(b"shape") or f"[{field.type.list_size}]")
    column = batch[field.name]
    if shape[0] is not None:
        values = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), *shape)
        return values.astype(np.float32, copy=False)  # of float16 where they are stored so
    if fit_frames is None:
        raise ValueError(f"the matrices of {field.name} differ in length: fit_frames must say how they get one shape")
    return np.stack([fit_frames(row.values.to_numpy().reshape(-1, shape[1])) for row in column])
