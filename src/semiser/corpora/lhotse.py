"""Lhotse manifests: `<name>_recordings_<split>.jsonl.gz` and `<name>_supervisions_<split>.jsonl.gz`, packed or not.

Fields as in Lhotse's `Recording`, `AudioSource`, `SupervisionSegment` and `AlignmentItem`
(https://lhotse.readthedocs.io). A supervision is an utterance; where a file of recordings has no supervisions beside
it, every recording is one. Where a folder has no manifest of recordings, `<name>_cuts_<split>.jsonl.gz` is read: every
supervision of a cut is an utterance, as far as it lies in the cut, and a cut without one is one itself; mixed cuts are
refused. Emotion, arousal, valence and dominance are looked for in `custom`. Sources other than files
(commands, addresses, bytes) are refused, and so are recordings with `transforms`, whose file is not what they mean.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import Field

from semiser.corpora.files import Misfit, iter_files
from semiser.corpora.lists import (
    ListOptions,
    number_of,
    read_objects,
    text_of,
    to_emotion,
    to_gender,
    to_language,
    to_path,
)
from semiser.corpora.reader import Reader
from semiser.corpora.tables import describe_lines
from semiser.corpora.text import is_there
from semiser.corpora.utterance import Labels, Rejected, Utterance, Word

_ENDINGS = (".jsonl", ".jsonl.gz")


class LhotseOptions(ListOptions):
    """Options of the reader.

    Attributes:
        emotion: the key of `custom` that holds the emotion.
    """

    emotion: str = Field(default="emotion", min_length=1)


@dataclass(frozen=True)
class _Recording:
    """A recording: its files by their channels, and its length in seconds."""

    sources: list[tuple[list[int], str]]
    duration_s: float


def read(corpus: str, root: Path, options: LhotseOptions) -> Iterator[Utterance | Rejected]:
    """Rows of all manifests, sorted by their names, each in its order; the end of the name is the split.

    Raises:
        ValueError: a manifest is not UTF-8 or cannot be unpacked.
    """
    paths = [path for path in iter_files(root, {".jsonl", ".gz"}) if path.name.lower().endswith(_ENDINGS)]
    recorded = {path.parent for path in paths if "recordings" in path.name}
    for path in paths:
        kind = "cuts" if path.parent not in recorded else "recordings"
        if kind not in path.name:
            continue
        supervisions = path.with_name(path.name.replace("recordings", "supervisions"))
        split = path.name.partition(".")[0].rpartition(kind)[2].strip("_") or None
        if kind == "cuts":
            describe = partial(_describe_cut, corpus, root, path, split, options)
            yield from describe_lines(corpus, str(path), _supervised(read_objects(root / path)), describe)
            continue
        if not is_there(root / supervisions):
            describe = partial(_describe_recording, corpus, root, path, split, options)
            yield from describe_lines(corpus, str(path), read_objects(root / path), describe)
            continue
        recordings: dict[str, _Recording | Misfit] = {}
        for _, cells in read_objects(root / path):
            if isinstance(cells, dict) and isinstance(key := cells.get("id"), str):
                recordings[key] = _try_recording(cells)
        describe = partial(_describe, corpus, root, path, split, options, recordings)
        yield from describe_lines(corpus, str(supervisions), read_objects(root / supervisions), describe)


def _try_recording(cells: dict[str, Any]) -> _Recording | Misfit:
    try:
        return _read_recording(cells)
    except Misfit as misfit:
        return misfit


def _read_recording(cells: dict[str, Any]) -> _Recording:
    name = text_of(cells, "id")
    if cells.get("transforms"):
        raise Misfit(f"recording {name!r} has transforms, which are not applied: save the sound as it is meant")
    try:
        sources = [(source["type"], source["channels"], source["source"]) for source in cells["sources"]]
        duration = float(cells["duration"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Misfit(
            f"recording {name!r}: expected sources with type, channels, source, and duration: {error!r}"
        ) from error
    if kinds := sorted({str(kind) for kind, _, _ in sources if kind != "file"}):
        raise Misfit(f"recording {name!r} comes from a {kinds[0]}, which is not read: save it to a file and name that")
    if not sources or not all(isinstance(channels, list) and isinstance(path, str) for _, channels, path in sources):
        raise Misfit(f"recording {name!r}: expected sources with a list of channels and a path")
    return _Recording([(channels, path) for _, channels, path in sources], duration)


def _describe_recording(
    corpus: str, root: Path, file: PurePosixPath, split: str | None, options: LhotseOptions, cells: dict[str, Any]
) -> Utterance:
    recording, name = _read_recording(cells), text_of(cells, "id")
    return Utterance(
        utterance_id=f"{corpus}/{name}",
        corpus=corpus,
        audio_path=to_path(root, _choose_source(recording, None), options, str(file.parent)),
        split=split,
        language=options.language,
    )


def _describe(
    corpus: str,
    root: Path,
    file: PurePosixPath,
    split: str | None,
    options: LhotseOptions,
    recordings: dict[str, _Recording | Misfit],
    cells: dict[str, Any],
) -> Utterance:
    name, recording_id, speaker = (text_of(cells, key) for key in ("id", "recording_id", "speaker"))
    recording = recordings.get(recording_id or "")
    if recording is None:
        raise Misfit(f"{file.name} has no recording {recording_id!r}")
    if isinstance(recording, Misfit):
        raise Misfit(str(recording))
    if not name:
        raise Misfit("no id")
    custom = cells.get("custom") or {}
    if not isinstance(custom, dict):
        raise Misfit(f"custom {custom!r} is no object")
    start, end = _read_times(cells, recording)
    labels: Labels = {
        "arousal": number_of(custom, "arousal"),
        "valence": number_of(custom, "valence"),
        "dominance": number_of(custom, "dominance"),
    }
    labels.update(to_emotion(text_of(custom, options.emotion), options))
    return Utterance(
        utterance_id=f"{corpus}/{name}",
        corpus=corpus,
        audio_path=to_path(root, _choose_source(recording, cells.get("channel")), options, str(file.parent)),
        split=split,
        speaker_id=f"{corpus}/{speaker}" if speaker else None,
        gender=to_gender(text_of(cells, "gender")),
        language=to_language(text_of(cells, "language"), options),
        start_s=start,
        end_s=end,
        transcript=text_of(cells, "text"),
        words=_read_words(cells.get("alignment")),
        **labels,
    )


def _supervised(cuts: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Each supervision with its cut; of a cut without one, the cut alone."""
    for number, cut in cuts:
        if isinstance(cut, Misfit) or not isinstance(cut.get("supervisions") or [], list):
            yield number, cut
        else:
            yield from ((number, {"cut": cut, "supervision": own}) for own in cut.get("supervisions") or [{}])


def _describe_cut(
    corpus: str, root: Path, file: PurePosixPath, split: str | None, options: LhotseOptions, cells: dict[str, Any]
) -> Utterance:
    cut, own = cells.get("cut"), cells.get("supervision")
    if not isinstance(cut, dict) or not isinstance(own, dict) or not isinstance(cut.get("recording"), dict):
        raise Misfit("expected a cut with its recording and a list of supervisions")
    if cut.get("type", "MonoCut") not in ("MonoCut", "MultiCut"):
        raise Misfit(f"a {cut['type']} is no part of a recording: save it as sound and name that")
    start, duration = number_of(cut, "start"), number_of(cut, "duration")
    if start is None or duration is None:
        raise Misfit("the cut lacks start or duration")
    begin, length = number_of(own, "start") or 0.0, number_of(own, "duration")
    end = min(duration, begin + (duration if length is None else length))
    begin = max(0.0, begin)
    words = (own.get("alignment") or {}).get("word") or [] if isinstance(own.get("alignment") or {}, dict) else []
    in_recording = {
        "id": own.get("id") or cut.get("id"),
        "recording_id": (name := text_of(cut["recording"], "id")),
        "start": start + begin,
        "duration": end - begin,
        "channel": own.get("channel", cut.get("channel")),
        "alignment": {"word": [[item[0], start + item[1], item[2]] for item in words]},
    }
    recordings: dict[str, _Recording | Misfit] = {name or "": _read_recording(cut["recording"])}
    return _describe(corpus, root, file, split, options, recordings, own | in_recording)


def _choose_source(recording: _Recording, channel: Any) -> str:
    """The file of a channel; None: the file of all channels.

    Raises:
        Misfit: the channel is one of several in a file, or no file has it.
    """
    every = sorted({number for channels, _ in recording.sources for number in channels})
    wanted = every if channel is None else sorted(channel) if isinstance(channel, list) else [channel]
    for channels, path in recording.sources:
        if sorted(channels) == wanted:
            return path
    raise Misfit(
        f"no file has the channel {channel if channel is not None else every} alone: save each to its own file"
    )


def _read_times(cells: dict[str, Any], recording: _Recording) -> tuple[float | None, float | None]:
    start, duration = number_of(cells, "start"), number_of(cells, "duration")
    if start is None or duration is None or start < 0 or duration <= 0:
        raise Misfit(f"start {start} and duration {duration}: expected seconds of the recording, duration above 0")
    if start == 0 and math.isclose(duration, recording.duration_s, abs_tol=1e-3):
        return None, None
    return start, start + duration


def _read_words(alignment: Any) -> list[Word] | None:
    if not alignment or not isinstance(alignment, dict) or not alignment.get("word"):
        return None
    try:
        words = [Word(str(item[0]), float(item[1]), float(item[1]) + float(item[2])) for item in alignment["word"]]
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise Misfit(f"alignment: expected words as [symbol, start, duration]: {error!r}") from error
    if any(not 0 <= word.start_s <= word.end_s < math.inf for word in words):
        raise Misfit("alignment: expected 0 <= start and 0 <= duration of every word")
    return words


READER = Reader(
    read=read,
    pattern="<name>_recordings_<split>.jsonl[.gz], and <name>_supervisions_<split>.jsonl[.gz] beside it, or "
    "<name>_cuts_<split>.jsonl[.gz]",
    example="manifests/iemocap_recordings_train.jsonl.gz",
    options=LhotseOptions,
    signs=tuple(
        f"{folder}*{kind}*.jsonl{end}"
        for folder in ("", "*/")
        for kind in ("recordings", "cuts")
        for end in ("", ".gz")
    ),
)
