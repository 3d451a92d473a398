"""Segments of any family: those of `segments` and `chunks` as they are, frames cut into segments; and a mel axis.

The paper's are those of `segments`. Of frames (T, width) every `frames` ones are a segment (width, frames), a remainder
is dropped as there (`semiser.features.segments`), and an utterance shorter than a segment repeats its last frame.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from semiser.data.pooling import unpadded
from semiser.data.tables import family_of, matrix_shape, row_arrays
from semiser.features.spectra import matrix_field
from semiser.options.audio_features import SegmentsOptions
from semiser.options.families import DECLARED
from semiser.shards.store import ShardFolder, shard_path
from semiser.shards.table import footer_facts
from semiser.systems.avspnet.axis import on_mel_axis
from semiser.systems.avspnet.front_end import COLUMN
from semiser.systems.avspnet.options import MelAxisOptions


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
    size = _size(table.schema.field(family), family, frames)
    return _converted(table, family, size, None, lambda _: lambda values: to_segments(values, family, frames), folder)


Convert = Callable[[np.ndarray], Iterable[np.ndarray]]  # what a row holds, as segments


def _converted(
    table: pa.dataset.Dataset,
    family: str,
    size: tuple[int, int],
    how: Mapping[str, Any] | None,
    of_shard: Callable[[pa.dataset.Fragment], Convert],
    folder: Path,
) -> pa.dataset.Dataset:
    """A feature table as one of segments of some size, made once.

    Args:
        table: of the family.
        family: the column.
        size: bins and frames of a segment.
        how: options that the values hang on, beside the size.
        of_shard: what makes segments of a shard's rows.
        folder: where it is written, in one folder of the family's name.
    """
    field, paths = table.schema.field(family), []
    schema = pa.schema([pa.field("utterance_id", pa.string()), matrix_field(COLUMN, size, ("bin", "frame"))])
    store = ShardFolder(str(folder / family))
    for shard in table.get_fragments():
        corpus, name = shard.path.split("/")[-2:]
        facts = footer_facts(shard)
        key = hashlib.sha256(json.dumps([facts["key"], *size, *([how] if how else [])]).encode()).hexdigest()
        place = f"{corpus}/{name.split('-')[0]}"
        if not store.report(place, key):
            made_by = {name: facts[name] for name in ("family", "version", "options", "libraries") if name in facts}
            convert = of_shard(shard)
            with store.shard(place, schema, made_by | {"key": key}) as writer:
                for batch in shard.to_batches(columns=["utterance_id", family], batch_size=64):
                    values = row_arrays(field, batch[family])
                    for utterance, own in zip(batch["utterance_id"].to_pylist(), values, strict=True):
                        for segment in convert(own):
                            writer.add({"utterance_id": utterance, COLUMN: np.ascontiguousarray(segment)})
        paths.append(str(folder / family / shard_path(place, key)))
    return pa.dataset.dataset(paths, format="parquet")


def mel_segments(table: pa.dataset.Dataset, axis: MelAxisOptions, folder: Path) -> pa.dataset.Dataset:
    """The table `segments` on a mel axis.

    Args:
        table: of `segments`.
        axis: bands and coefficients.
        folder: where it is written, shard by shard, once.
    """

    def convert(shard: pa.dataset.Fragment) -> Convert:
        made_by = SegmentsOptions(**footer_facts(shard)["options"])
        return lambda values: on_mel_axis(values[None], made_by, axis)

    _, frames = matrix_shape(table.schema.field(COLUMN))
    assert frames, "segments have as many frames in every row"
    return _converted(table, COLUMN, (axis.size, frames), axis.model_dump(), convert, folder / "mel")


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
