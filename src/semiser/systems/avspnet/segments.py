"""Segments of any family: those of `segments` and `chunks` as they are, frames cut into segments.

The paper's are those of `segments`. Of frames (T, width) every `frames` ones are a segment (width, frames), a remainder
is dropped as there (`semiser.features.segments`), and an utterance shorter than a segment repeats its last frame.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from semiser.data.pooling import unpadded
from semiser.data.tables import family_of, matrix_shape, row_arrays
from semiser.features.spectra import matrix_field
from semiser.options.families import DECLARED
from semiser.shards.store import ShardFolder, shard_path
from semiser.shards.table import footer_facts
from semiser.systems.avspnet.front_end import COLUMN


def segments_of(table: pa.dataset.Dataset, family: str, frames: int, folder: Path) -> pa.dataset.Dataset:
    """A feature table as one of segments: the column `segments`, a row each.

    Args:
        table: of the family; that of `segments` is given back as it is.
        family: its name.
        frames: of a segment that is cut from frames.
        folder: where what is cut is written, shard by shard, once.

    Raises:
        ValueError: the table has a vector per utterance.
    """
    if family == COLUMN:
        return table
    field, paths = table.schema.field(family), []
    size = _size(field, family, frames)
    schema = pa.schema([pa.field("utterance_id", pa.string()), matrix_field(COLUMN, size, ("bin", "frame"))])
    store = ShardFolder(str(folder / family))
    for shard in table.get_fragments():
        corpus, name = shard.path.split("/")[-2:]
        facts = footer_facts(shard)
        key = hashlib.sha256(json.dumps([facts["key"], *size]).encode()).hexdigest()
        place = f"{corpus}/{name.split('-')[0]}"
        if not store.report(place, key):
            made_by = {name: facts[name] for name in ("family", "version", "options", "libraries") if name in facts}
            with store.shard(place, schema, made_by | {"key": key}) as writer:
                for batch in shard.to_batches(columns=["utterance_id", family], batch_size=64):
                    values = row_arrays(field, batch[family])
                    for utterance, own in zip(batch["utterance_id"].to_pylist(), values, strict=True):
                        for segment in to_segments(own, family, frames):
                            writer.add({"utterance_id": utterance, COLUMN: np.ascontiguousarray(segment)})
        paths.append(str(folder / family / shard_path(place, key)))
    return pa.dataset.dataset(paths, format="parquet")


def to_segments(values: np.ndarray, family: str, frames: int) -> np.ndarray:
    """The segments of an utterance, or of one of its matrices.

    Args:
        values: matrices (S, bins, frames) of a family of segments, which are segments; else frames, (T, width), or
            (1, T, width) with zeros at its head.
        family: its name.
        frames: of a segment that is cut.

    Returns:
        (segments, bins, frames).
    """
    if DECLARED[family].gives == "segments":
        return values
    series = unpadded(values[0]) if values.ndim == 3 else values
    if len(series) < frames:
        series = series[np.minimum(np.arange(frames), len(series) - 1)]
    count = len(series) // frames
    return series[: count * frames].reshape(count, frames, -1).transpose(0, 2, 1)


def family_of_segments(table: pa.dataset.Dataset) -> str:
    """The family that segments are of."""
    return family_of(table).get("family", COLUMN)


def _size(field: pa.Field, family: str, frames: int) -> tuple[int, int]:
    """Bins and frames of a segment.

    Raises:
        ValueError: the column holds a vector per utterance.
    """
    shape = matrix_shape(field)
    if len(shape) != 2:
        raise ValueError(
            f"train_avspnet.input names {family}, which was extracted as one vector per utterance: set "
            f"features.{family}.pooling to frames and run `kedro run --pipelines=features`, or name another family"
        )
    bins, length = shape if DECLARED[family].gives == "segments" else (shape[1], frames)
    assert bins and length, "bands, and the frames of segments, are as many in every row"
    return bins, length
