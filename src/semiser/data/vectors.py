"""The data of one fold as tensors: what a system's `fit` gets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import torch
from torch import Tensor

from semiser.folds.table import ROLES
from semiser.shards.store import METADATA_KEY

if TYPE_CHECKING:
    from semiser.data.streamed import VectorStream


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
    """

    x: Tensor
    y: Tensor
    rows: dict[str, Tensor]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unlabelled: "VectorStream | None" = None

    def to(self, device: torch.device) -> "FoldData":
        """The same data on a device."""
        rows = {role: index.to(device) for role, index in self.rows.items()}
        unlabelled = self.unlabelled and self.unlabelled.to(device)
        return replace(self, x=self.x.to(device), y=self.y.to(device), rows=rows, unlabelled=unlabelled)


@dataclass(frozen=True)
class FoldRows:
    """The N utterances of one fold, without their features.

    Attributes:
        numbers: of each in the experiment's utterances, (N,).
        roles: role of each, (N,) strings.
        labels: class that training may see, None where it gives none.
        corpora: corpus of each, (N,) strings.
        speakers: speaker of each, (N,); None where unknown.
        classes: class names in the order of their numbers.
    """

    numbers: np.ndarray
    roles: np.ndarray
    labels: list[str | None]
    corpora: np.ndarray
    speakers: np.ndarray
    classes: tuple[str, ...]

    def y(self) -> Tensor:
        """Class numbers, int64 of shape (N,); -1 where there is no label."""
        found = pc.fill_null(pc.index_in(pa.array(self.labels, pa.string()), pa.array(self.classes, pa.string())), -1)
        return torch.from_numpy(found.to_numpy(zero_copy_only=False).astype(np.int64))

    def by_role(self) -> dict[str, Tensor]:
        """Role to the places of its utterances in the fold, int64."""
        return {role: torch.from_numpy(np.flatnonzero(self.roles == role)) for role in ROLES}


def family_of(table: pa.dataset.Dataset) -> dict[str, Any]:
    """The family that made a feature table, as its shards' footers have it: family, version, options, libraries.

    Returns:
        What it takes to compute the features of a new utterance alike; empty for a table that is in no shards.
    """
    fragment = next(iter(table.get_fragments()), None)
    if not isinstance(fragment, pa.dataset.ParquetFileFragment):
        return {}
    facts = json.loads((fragment.metadata.metadata or {}).get(METADATA_KEY.encode(), b"{}"))
    return {name: facts[name] for name in ("family", "version", "options", "libraries") if name in facts}


def with_features(utterances: pa.Table, table: pa.dataset.Dataset) -> pa.Table:
    """The utterances that have a row in a feature table; those without are in `features_quarantine`."""
    found = table.to_table(columns=["utterance_id"])["utterance_id"]
    return utterances.filter(pc.is_in(utterances["utterance_id"], found))
