"""NNIME: utterances cut from dyadic interactions, and each rater's continuous traces of arousal and valence.

The corpus (Chou et al., "NNIME: the NTHU-NTUA Chinese interactive multimodal emotion corpus", ACII 2017) is given out
on request, and no public page describes its files: the layout below is a default that nobody has confirmed. Every
name in it is an option. Expected are

* `utterances.csv` with a line per utterance: `utterance, audio, dialogue, speaker, start, end` and, if there,
  `gender, transcript, emotion, video`; `start` and `end` in seconds of the dialogue;
* the utterances' wavs, named in the column `audio` relative to the root;
* a table per dialogue and rater with the columns `time, arousal, valence`, such as `traces/01/rater1.csv`.

A rater's vote is the mean of the trace from `start` (included) to `end`, scaled to [-1, 1]; the utterance's value is
the mean of the votes (AV-SpNET, AVEC 2018, section 2). A rater whose trace has no sample there has no vote.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from statistics import fmean
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from semiser.corpora.emotions import canonical_emotion
from semiser.corpora.files import Misfit
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.tables import describe_lines, read_lines, to_number
from semiser.corpora.text import check_encoding, is_there
from semiser.corpora.utterance import Rejected, Utterance

_NEEDED = ("utterance", "audio", "dialogue", "speaker", "start", "end")
_FREE = ("gender", "transcript", "emotion", "video")
_GENDERS = {"f": "female", "female": "female", "女": "female", "m": "male", "male": "male", "男": "male"}
_DIALOGUES_HELD = 4  # lines of a dialogue stand together, as a rule

Trace = list[tuple[float, float]]  # time in seconds, value within [-1, 1]


class TraceOptions(ReaderOptions):
    """Where the traces of one dimension are.

    Attributes:
        files: pattern below the root, one file per rater, with `{dialogue}` and, if need be, `{speaker}` in it.
        time: column of the time in seconds of the dialogue.
        value: column of the value.
        lowest, highest: the tool's scale, which becomes [-1, 1].
    """

    files: str = "traces/{dialogue}/*.csv"
    time: str = "time"
    value: str
    lowest: float = -1.0
    highest: float = 1.0

    @model_validator(mode="after")
    def _check_values(self) -> "TraceOptions":
        if not self.lowest < self.highest:
            raise ValueError(f"lowest {self.lowest:g} is not below highest {self.highest:g}")
        parts = PurePosixPath(self.files).parts
        if not parts or parts[0] == "/" or ".." in parts:
            raise ValueError(f"files {self.files!r}: give a pattern relative to the root, without ..")
        return self


class NnimeOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        table: the table of utterances below the root.
        columns: our names of its columns (`utterance`, `audio`, ...) to the table's own, where they differ.
        arousal, valence: where the traces are.
        encoding: encoding of tables that are not UTF-8.
    """

    table: str = "utterances.csv"
    columns: dict[str, str] = Field(default_factory=dict)
    arousal: TraceOptions = TraceOptions(value="arousal")
    valence: TraceOptions = TraceOptions(value="valence")
    encoding: Annotated[str, AfterValidator(check_encoding)] = "big5"

    @field_validator("columns")
    @classmethod
    def _check_names(cls, columns: dict[str, str]) -> dict[str, str]:
        if wrong := sorted(set(columns) - {*_NEEDED, *_FREE}):
            raise ValueError(f"columns: {', '.join(wrong)} is none of {', '.join((*_NEEDED, *_FREE))}")
        return columns


def read(corpus: str, root: Path, options: NnimeOptions) -> Iterator[Utterance | Rejected]:
    """Rows of NNIME, one per line of the table.

    Raises:
        ValueError: a table lacks columns or is in no known encoding.
    """
    names = {name: options.columns.get(name, name) for name in (*_NEEDED, *_FREE)}
    if is_there(root / options.table):
        lines = read_lines(root / options.table, {names[name] for name in _NEEDED}, options.encoding)
        ours = ((number, {name: cells.get(names[name], "") for name in names}) for number, cells in lines)
        traces = lru_cache(_DIALOGUES_HELD)(partial(_read_traces, root, options))
        yield from describe_lines(corpus, options.table, ours, partial(_describe, corpus, traces))


def _read_traces(root: Path, options: NnimeOptions, dialogue: str, speaker: str) -> dict[str, list[Trace]]:
    """Every rater's trace of a dialogue, by dimension, in the order of the files' names."""
    found = {}
    for dimension in ("arousal", "valence"):
        place: TraceOptions = getattr(options, dimension)
        pattern = place.files.replace("{dialogue}", dialogue).replace("{speaker}", speaker)
        try:
            paths = [path for path in sorted(root.glob(pattern)) if not path.name.startswith(".")]
        except OSError as error:  # a name too long for a file
            raise Misfit(f"traces {pattern!r} cannot be looked for: {error.strerror}") from error
        found[dimension] = [_read_trace(path, place, options.encoding) for path in paths]
    return found


def _read_trace(path: Path, place: TraceOptions, encoding: str) -> Trace:
    trace = []
    for line, cells in read_lines(path, {place.time, place.value}, encoding):
        time, value = (to_number(name, cells[name]) for name in (place.time, place.value))
        if value is not None and not place.lowest <= value <= place.highest:
            raise Misfit(
                f"{path.name}:{line}: {place.value} {value:g} is outside {place.lowest:g} to {place.highest:g}: "
                "set the options lowest and highest"
            )
        if time is not None and value is not None:
            trace.append((time, 2 * (value - place.lowest) / (place.highest - place.lowest) - 1))
    return trace


def _describe(corpus: str, traces: Callable[[str, str], dict[str, list[Trace]]], cells: dict[str, str]) -> Utterance:
    if missing := [name for name in _NEEDED if not cells[name]]:
        raise Misfit(f"{', '.join(missing)} is empty")
    start_s, end_s = (to_number(name, cells[name]) for name in ("start", "end"))
    if start_s is None or end_s is None or not 0 <= start_s < end_s:
        raise Misfit(f"start {cells['start']} and end {cells['end']}: expected 0 <= start < end, in seconds")
    rated = traces(_plain("dialogue", cells["dialogue"]), _plain("speaker", cells["speaker"]))
    arousal, valence = (_average(rated[name], start_s, end_s) for name in ("arousal", "valence"))
    emotion = _emotion(cells["emotion"])
    return Utterance(
        utterance_id=f"{corpus}/{cells['utterance']}",
        corpus=corpus,
        audio_path=cells["audio"].replace("\\", "/"),
        speaker_id=f"{corpus}/{cells['speaker']}",
        gender=_GENDERS.get(cells["gender"].lower()),
        session_id=f"{corpus}/{cells['dialogue']}",
        dialogue_id=f"{corpus}/{cells['dialogue']}",
        language="zh-Hant",
        transcript=cells["transcript"] or None,
        video_path=cells["video"].replace("\\", "/") or None,
        video_start_s=start_s,
        video_end_s=end_s,
        emotion=emotion,
        emotion_original=cells["emotion"] or None,
        arousal_votes=arousal or None,
        valence_votes=valence or None,
        arousal=fmean(arousal) if arousal else None,
        valence=fmean(valence) if valence else None,
    )


def _plain(name: str, text: str) -> str:
    """A name that may stand in a pattern of files: one part of a path, nothing that `glob` reads as a sign."""
    if text in (".", "..") or not set(text).isdisjoint("/\\*?[\0"):
        raise Misfit(f"{name} {text!r} cannot stand in the name of a file")
    return text


def _average(traces: list[Trace], start_s: float, end_s: float) -> list[float]:
    parts = ([value for time, value in trace if start_s <= time < end_s] for trace in traces)
    return [fmean(part) for part in parts if part]


def _emotion(word: str) -> str | None:
    if not word:
        return None
    try:
        return canonical_emotion(word)
    except ValueError as error:
        raise Misfit(str(error)) from error


READER = Reader(
    read=read,
    pattern="utterances.csv (option `table`), the wavs that it names, and traces/<dialogue>/<rater>.csv",
    example="utterances.csv, wav/01_A_001.wav and traces/01/rater1.csv",
    language="zh-Hant",
    expected={"utterances": 6699, "speakers": 44},
    scales={"arousal": (-1, 1), "valence": (-1, 1)},
    options=NnimeOptions,
    source="National Tsing Hua University, on request: https://nnime.ee.nthu.edu.tw",
)
