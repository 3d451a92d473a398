"""IEMOCAP: `Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav`, labels and texts per dialogue beside it.

Layout as in the release's README and in Busso et al., "IEMOCAP: interactive emotional dyadic motion capture
database", Language Resources and Evaluation 42(4), 2008. A name holds session (01), who wears the markers (F), the
dialogue (impro01), who speaks (F) and a number.

`dialog/EmoEvaluation/<dialogue>.txt` has a line `[start - end] utterance code [V, A, D]` per utterance and below it the
evaluators' lines. The means in brackets are those of the evaluators E1, E2, ...; the actors' own evaluations (F1, M1)
are not in them, so they are not among the votes either. The same lines, split by evaluator, lie in the folders
`Attribute`, `Categorical` and `Self-evaluation`, which are passed over. The code `xxx`, no agreement, gives no emotion.
Excitement and happiness stay apart: to merge them is a choice of the experiment.

The video of a dialogue, `dialog/avi/DivX/<dialogue>.avi`, shows both actors side by side. That the one who wears the
markers sits on the left is the rule of two independent public programs that crop these videos, not of the corpus's
documentation; it agrees with Figure 9 of the MSSGAN paper (frontal faces on the left). The option `marker_side` turns
it round.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby
from pathlib import Path, PurePosixPath
from typing import Literal

from semiser.corpora.emotions import canonical_emotion
from semiser.corpora.files import Misfit, iter_files, printable, read_files
from semiser.corpora.reader import PaperCount, Reader, ReaderOptions
from semiser.corpora.text import UndecodableText, is_there, read_text
from semiser.corpora.transcripts import Transcripts
from semiser.corpora.utterance import Entry, Labels, Rejected, Utterance

_NAME = re.compile(r"(?P<dialogue>Ses(?P<session>0[1-5])(?P<marker>[FM])_\w+)_(?P<speaker>[FM])(?:\d{3}|XX\d+)")
_SESSION = re.compile(r"Session[1-5]")
_CONSENSUS = re.compile(
    r"\[\s*(?P<start>[\d.]+)\s*-\s*(?P<end>[\d.]+)\s*\]\s+(?P<name>\w+)\s+(?P<code>\w+)\s+"
    r"\[\s*(?P<valence>[\d.]+)\s*,\s*(?P<arousal>[\d.]+)\s*,\s*(?P<dominance>[\d.]+)\s*\]"
)
_VOTE = re.compile(r"(?P<kind>[CA])-E\d+:\s*(?P<body>[^(]*)")
_ATTRIBUTE = re.compile(r"(val|act|dom)\s+(\d+(?:\.\d+)?)")
_SENTENCE = re.compile(r"(\w+)\s+\[[\d.\s-]+\]\s*:\s*(\S.*)")

_EMOTIONS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "oth": "other",
    "sad": "sadness",
    "sur": "surprise",
}
_NO_AGREEMENT = "xxx"
_GENDERS = {"F": "female", "M": "male"}
_OTHER_SIDE = {"left": "right", "right": "left"}


class IemocapOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        marker_side: side of the video on which the actor sits who wears the markers.
    """

    marker_side: Literal["left", "right"] = "left"


@dataclass
class _Evaluation:
    """What a file in `EmoEvaluation` says of one utterance."""

    start_s: float
    end_s: float
    code: str
    valence: float
    arousal: float
    dominance: float
    emotions: list[str] = field(default_factory=list)
    votes: dict[str, list[float]] = field(default_factory=lambda: {"val": [], "act": [], "dom": []})


@dataclass
class _Dialogue:
    """What is known of a dialogue's utterances, by their names."""

    evaluations: dict[str, _Evaluation] = field(default_factory=dict)
    transcripts: Transcripts[str] = field(default_factory=Transcripts)
    video: str | None = None


def read(corpus: str, root: Path, options: IemocapOptions) -> Iterator[Entry]:
    """Rows of IEMOCAP, one per wav below `sentences`.

    A dialogue's label or text file that is missing or cannot be decoded is rejected; its utterances come without.
    """
    for session in _list_sessions(root):
        wavs = (session / path for path in _iter_wavs(root / session))
        for name, paths in groupby(wavs, key=lambda path: path.parent.name):
            dialogue = _Dialogue(video=_find_video(root, session, name))
            yield from _read_dialogue(corpus, root, session / "dialog", name, dialogue)
            yield from read_files(corpus, paths, partial(_describe, corpus, dialogue, options))
            yield from dialogue.transcripts.unmatched(corpus)


def _list_sessions(root: Path) -> list[PurePosixPath]:
    """`Session1` to `Session5`, at the root or in a folder of it, such as `IEMOCAP_full_release`."""
    for pattern in ("Session*", "*/Session*"):
        found = [p for p in root.glob(pattern) if _SESSION.fullmatch(p.name) and p.is_dir()]
        if found:
            return sorted(PurePosixPath(p.relative_to(root).as_posix()) for p in found)
    return []


def _iter_wavs(session: Path) -> Iterator[PurePosixPath]:
    folder = PurePosixPath("sentences/wav")
    if (session / folder).is_dir():
        yield from (folder / path for path in iter_files(session / folder, {".wav"}))


def _find_video(root: Path, session: PurePosixPath, name: str) -> str | None:
    path = session / "dialog/avi/DivX" / f"{name}.avi"
    return str(path) if is_there(root / path) else None


def _read_dialogue(
    corpus: str, root: Path, folder: PurePosixPath, name: str, dialogue: _Dialogue
) -> Iterator[Rejected]:
    """Fill in the labels and texts of a dialogue, and report the files that do not serve."""
    parts = (("EmoEvaluation", _parse_evaluations, "labels"), ("transcriptions", _parse_transcripts, "text"))
    for kind, parse, lost in parts:
        path = folder / kind / f"{name}.txt"
        try:
            parse(read_text(root / path, "cp1252").splitlines(), dialogue, path)
        except FileNotFoundError:
            yield Rejected(corpus, printable(path), f"the file is not there: utterances of {name} come without {lost}")
        except UndecodableText as error:
            yield Rejected(corpus, printable(path), str(error))
        except OSError as error:
            yield Rejected(corpus, printable(path), f"cannot be read: {error.strerror}")


def _parse_evaluations(lines: list[str], dialogue: _Dialogue, path: PurePosixPath) -> None:
    current = None
    for line in lines:
        if match := _CONSENSUS.match(line):
            current = _Evaluation(
                start_s=_number(match["start"]),
                end_s=_number(match["end"]),
                code=match["code"].lower(),
                valence=_number(match["valence"]),
                arousal=_number(match["arousal"]),
                dominance=_number(match["dominance"]),
            )
            dialogue.evaluations[match["name"]] = current
        elif current is not None and (match := _VOTE.match(line)):
            _add_vote(current, match["kind"], match["body"])


def _number(text: str) -> float:
    """NaN for digits and dots that are none, for which `_labels` rejects the utterance."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _add_vote(evaluation: _Evaluation, kind: str, body: str) -> None:
    """An evaluator's words or numbers; numbers that were left out are no votes."""
    if kind == "A":
        for name, number in _ATTRIBUTE.findall(body):
            evaluation.votes[name].append(float(number))
    elif words := [_name_word(word) for word in body.split(";") if word.strip()]:
        evaluation.emotions.append("/".join(dict.fromkeys(words)))


def _name_word(word: str) -> str:
    """An evaluator's word; one beyond the list that evaluators chose from is what they call `Other`."""
    try:
        return canonical_emotion(word, {"neutral state": "neutral"})
    except ValueError:
        return "other"


def _parse_transcripts(lines: list[str], dialogue: _Dialogue, path: PurePosixPath) -> None:
    matches = (_SENTENCE.match(line.rstrip()) for line in lines)
    texts = {match[1]: match[2] for match in matches if match}
    dialogue.transcripts = Transcripts(texts, path)


def _describe(corpus: str, dialogue: _Dialogue, options: IemocapOptions, path: PurePosixPath) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if match is None or path.parent.name != match["dialogue"]:
        raise Misfit("expected <dialogue>/<dialogue>_<F or M><number>.wav, such as Ses01F_impro01/Ses01F_impro01_F000")
    marked = match["speaker"] == match["marker"]
    evaluation = dialogue.evaluations.get(path.stem)
    side = options.marker_side if marked else _OTHER_SIDE[options.marker_side]
    return Utterance(
        utterance_id=f"{corpus}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        speaker_id=f"{corpus}/Ses{match['session']}_{match['speaker']}",
        gender=_GENDERS[match["speaker"]],
        session_id=f"{corpus}/Session{int(match['session'])}",
        dialogue_id=f"{corpus}/{match['dialogue']}",
        language="en",
        transcript=dialogue.transcripts.get(path.stem),
        video_path=dialogue.video,
        video_side=side if dialogue.video else None,
        video_start_s=evaluation.start_s if evaluation else None,
        video_end_s=evaluation.end_s if evaluation else None,
        **_labels(evaluation) if evaluation else {},
    )


def _labels(evaluation: _Evaluation) -> Labels:
    code = evaluation.code
    if code not in _EMOTIONS and code != _NO_AGREEMENT:
        raise Misfit(f"emotion code {code!r} is none of {', '.join(_EMOTIONS)}, {_NO_AGREEMENT}")
    e = evaluation
    numbers = (e.start_s, e.end_s, e.valence, e.arousal, e.dominance, *chain.from_iterable(e.votes.values()))
    if not all(map(math.isfinite, numbers)):
        raise Misfit("its line in EmoEvaluation, or a vote below it, holds something that is no number")
    return {
        "emotion": _EMOTIONS.get(code),
        "emotion_original": code,
        "emotion_votes": evaluation.emotions or None,
        "valence": evaluation.valence,
        "arousal": evaluation.arousal,
        "dominance": evaluation.dominance,
        "valence_votes": evaluation.votes["val"] or None,
        "arousal_votes": evaluation.votes["act"] or None,
        "dominance_votes": evaluation.votes["dom"] or None,
    }


def _levels(dimension: str, *counts: int) -> Iterator[PaperCount]:
    """Low [1, 2], medium (2, 4) and high [4, 5] of the annotators' mean (MSSGAN, section IV-A, Table I)."""
    within = {"low": lambda x: x <= 2, "medium": lambda x: 2 < x < 4, "high": lambda x: x >= 4}
    for (level, inside), count in zip(within.items(), counts, strict=True):
        yield PaperCount("MSSGAN, Table I", f"{dimension}: {level}", count, partial(_is_within, dimension, inside))


def _is_within(dimension: str, inside: Callable[[float], bool], utterance: Utterance) -> bool:
    value = getattr(utterance, dimension)
    return value is not None and inside(value)


def _four_classes() -> Iterator[PaperCount]:
    """Of CMKT, Table 1 and section 4.1: happy utterances are happy and excited ones."""
    counts = {"anger": 1103, "happiness": 1636, "neutral": 1708, "sadness": 1084}
    words = {name: {name, "excitement"} if name == "happiness" else {name} for name in counts}
    for name, count in counts.items():
        yield PaperCount("CMKT, section 4.1", name, count, partial(_is_one_of, words[name]))
    yield PaperCount("CMKT, Table 1", "four classes", 5531, partial(_is_one_of, set().union(*words.values())))


def _is_one_of(emotions: set[str], utterance: Utterance) -> bool:
    return utterance.emotion in emotions


READER = Reader(
    read=read,
    pattern="Session<1 to 5>/sentences/wav/<dialogue>/<utterance>.wav",
    example="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
    language="en",
    expected={"utterances": 10039, "speakers": 10, "emotions": 10},
    scales={"arousal": (1, 5), "valence": (1, 5), "dominance": (1, 5)},
    options=IemocapOptions,
    source="the University of Southern California, on request: https://sail.usc.edu/iemocap",
    papers=(*_levels("arousal", 1112, 7235, 1692), *_levels("valence", 3223, 4869, 1947), *_four_classes()),
)
