"""Frames, segments and chunks as one vector per utterance: statistics over time, computed from what was extracted."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from semiser.data.reading import read_rows
from semiser.data.tables import matrix_shape, row_arrays

STATISTICS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda x: x.mean(0, dtype=np.float64),
    "std": lambda x: x.std(0, dtype=np.float64),
    "min": lambda x: x.min(0),
    "max": lambda x: x.max(0),
    "median": lambda x: np.median(x, 0),
}


def needs_pooling(field: pa.Field) -> bool:
    """Whether a feature column holds frames or matrices and not one named vector per utterance."""
    return not (pa.types.is_fixed_size_list(field.type) and b"names" in (field.metadata or {}))


def pooling_facts(field: pa.Field, statistics: Sequence[str]) -> dict[str, Any]:
    """What it takes to pool a new utterance's values of a column alike, JSON-safe: for the model's card.

    Returns:
        `statistics`, and `time_axis` of one row's values (T, width) or (width, T).

    Raises:
        ValueError: the column holds neither frames nor matrices over time.
    """
    axes = json.loads((field.metadata or {}).get(b"axes", b'["frame", "value"]'))
    if pa.types.is_fixed_size_list(field.type) and not {b"axes", b"shape"} & (field.metadata or {}).keys():
        raise ValueError(f"the features {field.name} are a vector without `names` in their field's metadata: give them")
    if "frame" not in axes or not pa.types.is_nested(field.type):
        raise ValueError(f"the features {field.name} are no frames and no vector: they cannot be a modality")
    return {"statistics": list(statistics), "time_axis": axes.index("frame")}


def pool(values: np.ndarray, facts: Mapping[str, Any]) -> np.ndarray:
    """Statistics over the frames of an utterance.

    Args:
        values: (T, width) of a series, or (rows, *shape) of its matrices, whose frames follow each other. Frames of
            zeros at the head of a matrix are padding and no part of the statistics.
        facts: of `pooling_facts`.

    Returns:
        float32 of shape (statistics * width,): all of the first statistic, then all of the second.
    """
    rows = values[None] if values.ndim == 2 else values
    frames = np.concatenate([unpadded(np.moveaxis(row, facts["time_axis"], 0)) for row in rows])
    return np.concatenate([STATISTICS[name](frames) for name in facts["statistics"]]).astype(np.float32)


def pooled_names(column: str, values: int, statistics: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """Names of the values of `pool`: `<column>_<value>_<statistic>`."""
    of_values = names or [f"{column}_{place:03d}" for place in range(values)]
    return [f"{name}_{statistic}" for statistic in statistics for name in of_values]


def pooled_width(field: pa.Field, facts: Mapping[str, Any]) -> int:
    """How many values of a column's frames are pooled, each by every statistic.

    Args:
        field: of a column of matrices or of a series.
        facts: of `pooling_facts`.
    """
    shape = matrix_shape(field)
    return int(shape[1 - facts["time_axis"]] if shape else field.type.value_type.list_size)


def write_pooled(
    table: pyarrow.dataset.Dataset,
    column: str,
    utterance_ids: Sequence[str],
    facts: Mapping[str, Any],
    out: np.ndarray,
) -> None:
    """Put the pooled values of the given utterances into a matrix, a few megabytes of frames at a time.

    Args:
        table: feature table with `utterance_id` and the column; an utterance may have several rows, which follow each
            other in time.
        column: its name.
        utterance_ids: rows of the matrix.
        facts: of `pooling_facts`.
        out: float32 of shape (utterances, statistics * values), which is filled; may be some columns of a wider one.

    Raises:
        KeyError: an utterance has no row in the table.
    """
    field, found = table.schema.field(column), np.zeros(len(utterance_ids), bool)
    rows = (
        (number, values)
        for batch, numbers in read_rows(table, [column], utterance_ids)
        for number, values in zip(numbers.tolist(), row_arrays(field, batch[column]), strict=True)
    )
    for number, own in groupby(rows, key=itemgetter(0)):
        out[number] = pool(np.concatenate([values for _, values in own]), facts)
        found[number] = True
    if not found.all():
        missing = utterance_ids[int(np.flatnonzero(~found)[0])]
        raise KeyError(f"{(~found).sum()} utterances have no {column} features, the first is {missing}")


def unpadded(frames: np.ndarray) -> np.ndarray:
    """Frames (T, width) without the zeros at the head; all of them where there is nothing else."""
    filled = frames.any(axis=1)
    return frames[int(filled.argmax()) :] if filled.any() else frames
