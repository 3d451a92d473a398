"""Crops of frames: audio features and face features of utterances at one width, on one clock (MSSGAN, section IV-B).

The clock ticks every 10 ms from the utterance's start, as audio frames do. A face is seen at the tick of every audio
frame: the latest sampled picture at or before it (`features.face_track.align_to_audio`), so a picture taken every
0.24 s is repeated for 24 frames, and audio before the first face takes the first face.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from semiser.data.pooling import unpadded
from semiser.data.reading import read_rows
from semiser.data.samples import SampleFeatures
from semiser.data.tables import family_of, matrix_shape, row_arrays
from semiser.options.training import ScalingOptions
from semiser.systems.mssgan.options import FACES, CropOptions

TIMES = "frame_time_s"
STEP_S, WINDOW_S = 0.010, 0.025


def read_crops(
    tables: Mapping[str, pa.dataset.Dataset],
    utterances: pa.Table,
    options: CropOptions,
    scaling: ScalingOptions | None = None,
    about: Mapping[str, np.ndarray] | None = None,
) -> SampleFeatures:
    """The middle of every utterance, one sample each.

    Args:
        tables: feature column to the table that has it, frames x bands in as many rows as the utterance has frames or
            in a fixed number padded at its head, or faces with their times.
        utterances: whose crops are read, in this order.
        options: width, and what is averaged.
        scaling, about: of `SampleFeatures`.

    Raises:
        KeyError: an utterance has no row in a table.
    """
    x: dict[str, np.ndarray] = {}
    families: dict[str, Mapping[str, Any]] = {}
    for column, table in tables.items():
        read = _read_faces if column == FACES else _read_audio
        x[column] = averaged(column, read(table, column, utterances, options.kept_frames), options)
        families |= dict.fromkeys((column, TIMES) if column == FACES else (column,), family_of(table))
    return SampleFeatures(x, np.arange(len(utterances)), dict(about or {}), scaling, families=families)


def averaged(column: str, values: np.ndarray, options: CropOptions) -> np.ndarray:
    """`average` as the options say it for a column; the values of a face are no bands."""
    return average(values, options.frames_averaged, 1 if column == FACES else options.bands_averaged)


def require_frames(tables: Mapping[str, pa.dataset.Dataset]) -> None:
    """Refuse tables of which no crops are cut.

    Args:
        tables: feature column to its table.

    Raises:
        ValueError: a table of sound has a vector per utterance; or its frames are to go with faces and do not lie 10 ms
            apart all through the utterance, as those of the clock do.
    """
    for column, table in tables.items():
        if column == FACES:
            continue
        shape = matrix_shape(table.schema.field(column))
        if len(shape) != 2:
            raise ValueError(
                f"train_mssgan.features names {column}, which was extracted as one vector per utterance: set "
                f"features.{column}.pooling to frames and run `kedro run --pipelines=features`, or name another family"
            )
        step_s = frame_step(table, column) if family_of(table) else STEP_S  # what lies in no shards is taken as it is
        if FACES not in tables or (shape[0] is None and step_s == STEP_S):
            continue
        apart = "lie at a distance that is not said" if step_s is None else f"lie {1000 * step_s:g} ms apart"
        found = "are cut to a fixed length" if shape[0] else apart
        raise ValueError(
            f"train_mssgan.features names {column}+{FACES}, and the frames of {column} {found}: beside faces they must "
            f"lie {1000 * STEP_S:g} ms apart all through the utterance, as those of fbank, fft and openSMILE's "
            f"descriptors do; alone, {column} can be taken"
        )


def frame_step(table: pa.dataset.Dataset, column: str) -> float | None:
    """Seconds from frame to frame, as the column says, or the options that it was made with; None: not known."""
    stated = (table.schema.field(column).metadata or {}).get(b"step_s")
    if stated is not None:
        return float(stated)
    step_ms = family_of(table).get("options", {}).get("step_ms")
    return None if step_ms is None else step_ms / 1000


def crop_audio(frames: np.ndarray, kept: int) -> np.ndarray:
    """The middle of an utterance's frames, (T, bands), or of its one matrix (1, T, bands): (kept, bands)."""
    if frames.ndim == 3:
        frames = unpadded(frames[0])
    return frames[middle_rows(len(frames), kept)]


def crop_faces(faces: np.ndarray, times_s: np.ndarray, row: Mapping[str, Any], kept: int) -> np.ndarray:
    """The faces at the ticks of an utterance's middle.

    Args:
        faces: vectors of the sampled pictures, (V, W).
        times_s: their times from the utterance's start, (V,).
        row: of `utterances`.
        kept: ticks.

    Returns:
        (kept, W).
    """
    from semiser.features.face_track import align_to_audio

    return faces[align_to_audio(times_s, middle_rows(frame_count(row), kept) * STEP_S)]


def middle_rows(frames: int, kept: int) -> np.ndarray:
    """Numbers of the `kept` frames around the middle of so many; the first and last are repeated where they are fewer.

    Returns:
        (kept,) int64.
    """
    return np.clip(np.arange(kept) + (frames - kept) // 2, 0, frames - 1)


def average(values: np.ndarray, frames: int, bands: int) -> np.ndarray:
    """Means over so many neighbouring frames and bands: (N, T, W) -> (N, T / frames, W / bands).

    Raises:
        ValueError: the bands are no multiple of `bands`.
    """
    count, length, width = values.shape
    if width % bands:
        raise ValueError(f"crop.bands_averaged must divide the {width} bands, not be {bands}")
    if frames == bands == 1:
        return values
    return values.reshape(count, length // frames, frames, width // bands, bands).mean(axis=(2, 4))


def frame_count(row: Mapping[str, Any]) -> int:
    """How many audio frames fit into an utterance, at least one, from its bounds in the video or its duration."""
    from semiser.features.face_track import video_bounds  # loads OpenCV, which audio alone does not need

    start_s, end_s = video_bounds(row)
    seconds = row["duration_s"] if start_s is None or end_s is None else end_s - start_s
    return max(1, 1 + int((seconds - WINDOW_S) / STEP_S + 1e-6))


_BOUNDS = ("audio_path", "video_path", "start_s", "end_s", "video_start_s", "video_end_s", "duration_s")


def _read_audio(table: pa.dataset.Dataset, column: str, utterances: pa.Table, kept: int) -> np.ndarray:
    field, ids = table.schema.field(column), utterances["utterance_id"].to_pylist()
    _, width = matrix_shape(field)
    assert width is not None, "the number of bands differs from row to row"
    x, found = np.empty((len(ids), kept, width), np.float32), np.zeros(len(ids), bool)
    for batch, numbers in read_rows(table, [column], ids):
        for number, frames in zip(numbers.tolist(), row_arrays(field, batch[column]), strict=True):
            x[number] = crop_audio(frames, kept)
        found[numbers] = True
    _require(found, column, ids)
    return x


def _read_faces(table: pa.dataset.Dataset, column: str, utterances: pa.Table, kept: int) -> np.ndarray:
    ids, bounds = utterances["utterance_id"].to_pylist(), utterances.select(_BOUNDS).to_pylist()
    width = table.schema.field(column).type.value_type.list_size
    x, found = np.empty((len(ids), kept, width), np.float32), np.zeros(len(ids), bool)
    for batch, numbers in read_rows(table, [column, TIMES], ids):
        for number, faces, times in zip(numbers.tolist(), batch[column], batch[TIMES], strict=True):
            pictures = faces.values.flatten().to_numpy().reshape(-1, width)
            x[number] = crop_faces(pictures, times.values.to_numpy(), bounds[number], kept)
        found[numbers] = True
    _require(found, column, ids)
    return x


def _require(found: np.ndarray, column: str, ids: list[str]) -> None:
    if not found.all():
        raise KeyError(f"{(~found).sum()} utterances have no {column}, the first is {ids[int(np.argmin(found))]}")
