"""What the kinds of data share: feature tables with the family that made them, and roles as tensors."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import torch
from torch import Tensor

from semiser.folds.rows import FoldRows
from semiser.shards.store import METADATA_KEY


def roles_as_tensors(rows: FoldRows) -> dict[str, Tensor]:
    """Role to the places of its utterances in the fold, int64."""
    return {role: torch.from_numpy(places) for role, places in rows.by_role().items()}


def matrix_shape(field: pa.Field) -> list[int | None]:
    """Shape of the matrices of a feature column, None for what differs from row to row; empty where it has vectors."""
    shape = (field.metadata or {}).get(b"shape", b"")
    return json.loads(shape) if shape.startswith(b"[") else []


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


def row_arrays(field: pa.Field, values: pa.Array) -> Sequence[np.ndarray]:
    """Each row's value: (1, D) or (1, *shape) for a fixed-size list, (T, D) for T vectors, flat or a list of lists.

    (1,) for a number, (T,) for a list of T numbers.
    """
    if not pa.types.is_nested(values.type):
        return values.to_numpy(zero_copy_only=False)[:, None]
    if pa.types.is_fixed_size_list(values.type):
        shape = json.loads((field.metadata or {}).get(b"shape", b"[-1]"))
        found = values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), 1, *shape)
        return found.astype(np.float32, copy=False) if found.dtype == np.float16 else found
    if pa.types.is_fixed_size_list(values.type.value_type):
        return [row.values.flatten().to_numpy().reshape(-1, values.type.value_type.list_size) for row in values]
    arrays = [row.values.to_numpy() for row in values]
    shape = (field.metadata or {}).get(b"shape", b"T")
    if not shape.startswith(b"["):  # T numbers
        return arrays
    return [row.reshape(-1, json.loads(shape)[1]) for row in arrays]
