"""Frames, segments and chunks as one vector per utterance: statistics over time, computed from what was extracted."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from semiser.data.tables import row_arrays

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


def pooled_matrix(
    table: pyarrow.dataset.Dataset, column: str, utterance_ids: Sequence[str], facts: Mapping[str, Any]
) -> np.ndarray:
    """Pooled values of the given utterances, read batch by batch.

    Args:
        table: feature table with `utterance_id` and the column; an utterance may have several rows, which follow each
            other in time.
        column: its name.
        utterance_ids: rows of the result.
        facts: of `pooling_facts`.

    Returns:
        float32 of shape (utterances, values).

    Raises:
        KeyError: an utterance has no row in the table.
    """
    field, wanted = table.schema.field(column), set(utterance_ids)
    pooled: dict[str, np.ndarray] = {}
    waiting: dict[str, list[np.ndarray]] = {}  # the last utterance, whose rows may go on in the next batch

    def finish() -> None:
        for name, rows in waiting.items():
            pooled[name] = pool(np.concatenate(rows), facts)
        waiting.clear()

    for batch in table.to_batches(columns=["utterance_id", column], batch_size=256):
        batch = batch.filter(pc.is_in(batch["utterance_id"], pa.array(list(wanted), pa.string())))
        for name, values in zip(batch["utterance_id"].to_pylist(), row_arrays(field, batch[column]), strict=True):
            if name not in waiting:
                finish()
            waiting.setdefault(name, []).append(values)
    finish()
    if missing := [name for name in utterance_ids if name not in pooled]:
        raise KeyError(f"{len(missing)} utterances have no {column} features, the first is {missing[0]}")
    return np.stack([pooled[name] for name in utterance_ids])


def unpadded(frames: np.ndarray) -> np.ndarray:
    """Frames (T, width) without the zeros at the head; all of them where there is nothing else."""
    filled = frames.any(axis=1)
    return frames[int(filled.argmax()) :] if filled.any() else frames
