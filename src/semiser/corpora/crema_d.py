"""Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D): `AudioWAV/1001_DFA_ANG_XX.wav`.

The name holds actor, sentence, emotion and level (Cao et al., IEEE Transactions on Affective Computing 5(4), 2014,
and https://github.com/CheyneyComputerScience/CREMA-D). `VideoDemographics.csv` at the root, as the repository has
it, gives the actors' gender. The label is the emotion that the actor was asked for. `AudioMP3` and `VideoFlash`
hold the same takes and are passed over.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.tables import read_lines
from semiser.corpora.text import is_there
from semiser.corpora.utterance import Rejected, Utterance

DEMOGRAPHICS = "VideoDemographics.csv"

# The level of one published file, 1040_ITH_SAD_X, has a single X.
_NAME = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?:LO|MD|HI|XX?)", re.IGNORECASE)
_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
_SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Utterance | Rejected]:
    """Rows of CREMA-D, one per wav.

    Raises:
        ValueError: `VideoDemographics.csv` is there but lacks the columns `ActorID` and `Sex`.
    """
    yield from read_files(corpus, iter_files(root, {".wav"}), partial(_describe, corpus, _read_genders(root)))


def _read_genders(root: Path) -> dict[str, str]:
    path = root / DEMOGRAPHICS
    if not is_there(path):
        return {}
    rows = read_lines(path, {"ActorID", "Sex"}, "cp1252")
    return {row["ActorID"]: row["Sex"].lower() for _, row in rows if row["Sex"] in ("Female", "Male")}


def _describe(corpus: str, genders: dict[str, str], path: PurePosixPath) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise Misfit("the name does not read as actor, sentence, emotion, level, such as 1001_DFA_ANG_XX")
    actor, sentence, emotion = match["actor"], match["sentence"].upper(), match["emotion"].upper()
    if emotion not in _EMOTIONS:
        raise Misfit(f"emotion code {emotion!r} is none of {', '.join(_EMOTIONS)}")
    if sentence not in _SENTENCES:
        raise Misfit(f"sentence code {sentence!r} is none of {', '.join(_SENTENCES)}")
    return Utterance(
        utterance_id=f"{corpus}/{path.stem.upper()}",
        corpus=corpus,
        audio_path=str(path),
        speaker_id=f"{corpus}/{actor}",
        gender=genders.get(actor),
        language="en",
        transcript=_SENTENCES[sentence],
        emotion=_EMOTIONS[emotion],
        emotion_original=emotion,
    )


READER = Reader(
    read=read,
    pattern="AudioWAV/<actor>_<sentence>_<emotion>_<level>.wav",
    example="AudioWAV/1001_DFA_ANG_XX.wav",
    options=ReaderOptions,
    language="en",
    expected={"utterances": 7442, "speakers": 91, "emotions": 6},
    source="its authors: https://github.com/CheyneyComputerScience/CREMA-D",
)
