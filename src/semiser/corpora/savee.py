"""Surrey Audio-Visual Expressed Emotion (SAVEE): `AudioData/DC/a01.wav`, or flat `DC_a01.wav` in any folder.

Letters and speakers as in `AudioData/Info.txt` of the corpus: 15 sentences for each of six emotions and 30 neutral
ones from each of four male speakers. The flat form is that of the copy on Kaggle. The texts differ between the
emotions and the copies, so transcripts stay empty.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.utterance import Rejected, Utterance

_NAME = re.compile(r"(?:(?P<speaker>[a-z]{2})_)?(?P<code>[a-z]{1,2})(?P<number>\d\d)", re.IGNORECASE)
_SPEAKERS = ("DC", "JE", "JK", "KL")
_EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Utterance | Rejected]:
    """Rows of SAVEE, one per wav."""
    return read_files(corpus, iter_files(root, {".wav"}), partial(_describe, corpus))


def _describe(corpus: str, path: PurePosixPath) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise Misfit("the name is neither emotion and number in a speaker's folder (DC/a01) nor DC_a01")
    speaker, code = (match["speaker"] or path.parent.name).upper(), match["code"].lower()
    if speaker not in _SPEAKERS:
        raise Misfit(f"speaker {speaker!r} is none of {', '.join(_SPEAKERS)}: expected DC/a01.wav or DC_a01.wav")
    if code not in _EMOTIONS:
        raise Misfit(f"emotion code {code!r} is none of {', '.join(_EMOTIONS)}")
    return Utterance(
        utterance_id=f"{corpus}/{speaker}_{code}{match['number']}",
        corpus=corpus,
        audio_path=str(path),
        speaker_id=f"{corpus}/{speaker}",
        gender="male",
        language="en",
        emotion=_EMOTIONS[code],
        emotion_original=_EMOTIONS[code],
    )


READER = Reader(
    read=read,
    pattern="AudioData/<speaker>/<emotion code><number>.wav or <speaker>_<emotion code><number>.wav",
    example="AudioData/DC/a01.wav",
    options=ReaderOptions,
    language="en",
    expected={"utterances": 480, "speakers": 4, "emotions": 7},
    source="the University of Surrey, on registration",
)
