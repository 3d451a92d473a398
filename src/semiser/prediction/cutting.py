"""Long recordings in segments: by voice activity, or by windows of one length."""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from semiser.corpora.utterance import UTTERANCES_SCHEMA, Rejected
from semiser.errors import Unusable
from semiser.media.audio import decode_audio
from semiser.options.predict import CutOptions
from semiser.prediction.sources import Sources

logger = logging.getLogger(__name__)
Bounds = tuple[float, float]  # seconds
Voices = Callable[[Path, float], Iterator[Bounds]]  # path, duration -> where somebody speaks

RATE_HZ, SAMPLES = 16_000, 512  # what Silero's network takes at a time
BLOCK_S = SAMPLES * 1875 / RATE_HZ  # 60 s, of which that is a whole number, are in memory at a time
PAUSE_MS, PADDING_MS = 500, 100  # a shorter pause ends no segment; what is left on both sides of one
SHORTEST_S = 0.5  # a shorter burst of voice is no utterance


@dataclass(frozen=True)
class Cut:
    """Sources with segments in the place of long recordings.

    Attributes:
        sources: with a row per segment, whose id is that of the recording with `#` and its number.
        by: how recordings were cut; None where none was.
    """

    sources: Sources
    by: Literal["voice", "windows"] | None


def cut_long(sources: Sources, options: CutOptions) -> Cut:
    """Every recording longer than `options.longest_s`, whose bounds are not given, as segments.

    A segment is never longer than `longest_s`: voice that goes on is cut into equal parts. What is said in a segment is
    not known, so it has no transcript. One block of a recording is in memory at a time.

    Raises:
        ModuleNotFoundError: `by: voice` without the extra `vad`.
    """
    long = [_is_long(row, options) for row in sources.utterances.select(["start_s", "end_s", "duration_s"]).to_pylist()]
    if options.by == "none" or not any(long):
        return Cut(sources, None)
    by = _how(options)
    voices = _voices() if by == "voice" else None
    rows, rejected = [], list(sources.rejected)
    for row, cut in zip(sources.utterances.to_pylist(), long, strict=True):
        if not cut:
            rows.append(row)
            continue
        try:
            found = list(_segments(sources.root / row["audio_path"], row["duration_s"], options, voices))
        except Unusable as error:
            rejected.append(Rejected(row["corpus"], row["audio_path"], str(error)))
            continue
        if not found:
            reason = "no speech was found in it: predict.cut.by=windows takes it all"
            rejected.append(Rejected(row["corpus"], row["audio_path"], reason))
        rows += [_segment(row, number, bounds) for number, bounds in enumerate(found, start=1)]
    logger.info("%d recordings longer than %g s were cut by %s", sum(long), options.longest_s, by)
    utterances = pa.Table.from_pylist(rows, UTTERANCES_SCHEMA)
    return Cut(replace(sources, utterances=utterances, rejected=rejected), by)


def _is_long(row: dict[str, Any], options: CutOptions) -> bool:
    given = row["start_s"] is not None or row["end_s"] is not None
    return not given and (row["duration_s"] or 0) > options.longest_s


def _how(options: CutOptions) -> Literal["voice", "windows"]:
    if options.by == "windows" or (options.by == "auto" and not find_spec("silero_vad")):
        return "windows"
    if not find_spec("silero_vad"):
        raise ModuleNotFoundError(
            "predict.cut.by is voice, which needs `pip install 'semiser[vad]'`; windows needs nothing"
        )
    return "voice"


def _segments(path: Path, duration_s: float, options: CutOptions, voices: Voices | None) -> Iterator[Bounds]:
    if voices is None:
        yield from equal_parts(0.0, duration_s, options.window_s)
        return
    for start, end in voices(path, duration_s):
        if end - start >= SHORTEST_S:
            yield from equal_parts(start, end, options.longest_s)


def equal_parts(start_s: float, end_s: float, longest_s: float) -> Iterator[Bounds]:
    """The fewest equal parts that are no longer than `longest_s`."""
    count = max(1, math.ceil((end_s - start_s) / longest_s - 1e-9))
    bounds = [start_s + (end_s - start_s) * place / count for place in range(count + 1)]
    yield from pairwise(bounds)


def _voices() -> Voices:
    """Silero's voice activity detector, whose weights come with its package."""
    import torch
    from silero_vad import VADIterator, load_silero_vad

    network = load_silero_vad()

    def find(path: Path, duration_s: float) -> Iterator[Bounds]:
        detector = VADIterator(
            network, sampling_rate=RATE_HZ, min_silence_duration_ms=PAUSE_MS, speech_pad_ms=PADDING_MS
        )
        began: float | None = None
        for block in range(math.ceil(duration_s / BLOCK_S)):
            first = block * BLOCK_S
            signal = torch.from_numpy(decode_audio(path, RATE_HZ, first, min(first + BLOCK_S, duration_s)))
            for part in signal.split(SAMPLES):
                padded = torch.nn.functional.pad(part, (0, SAMPLES - len(part)))  # the last one is shorter
                change = detector(padded) or {}
                if "start" in change:
                    began = change["start"] / RATE_HZ
                elif "end" in change and began is not None:
                    yield began, min(change["end"] / RATE_HZ, duration_s)
                    began = None
        if began is not None:
            yield began, duration_s

    return find


def _segment(row: dict[str, Any], number: int, bounds: Bounds) -> dict[str, Any]:
    start, end = (round(bound, 3) for bound in bounds)
    faces = {"video_start_s": start, "video_end_s": end} if row["video_path"] else {}
    own = {"utterance_id": f"{row['utterance_id']}#{number:04}", "start_s": start, "end_s": end, "transcript": None}
    return row | own | faces | {"duration_s": end - start, "words": None}
