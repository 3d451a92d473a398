"""Berlin Database of Emotional Speech (EmoDB): `wav/03a01Fa.wav`.

The name holds speaker (03), text (a01), emotion (F, the first letter of the German word) and version (a), as the
database's documentation describes (Burkhardt et al., "A database of German emotional speech", Interspeech 2005, and
http://emodb.bilderbar.info/docu/). Wavs may lie in any folder below the root, or at the root itself.
"""

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.utterance import Rejected, Utterance

_NAME = re.compile(r"(?P<speaker>\d\d)(?P<text>[a-z]\d\d)(?P<letter>[a-z])(?P<version>[a-z]?)", re.IGNORECASE)

# Letter: canonical name, German word.
_EMOTIONS = {
    "W": ("anger", "Wut"),
    "L": ("boredom", "Langeweile"),
    "E": ("disgust", "Ekel"),
    "A": ("fear", "Angst"),
    "F": ("happiness", "Freude"),
    "T": ("sadness", "Trauer"),
    "N": ("neutral", "neutral"),
}

_MALE = {"03", "10", "11", "12", "15"}
_FEMALE = {"08", "09", "13", "14", "16"}

_TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Utterance | Rejected]:
    """Rows of EmoDB, one per wav."""
    return read_files(corpus, iter_files(root, {".wav"}), partial(_describe, corpus))


def _describe(corpus: str, path: PurePosixPath) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise Misfit("the name does not read as speaker, text, emotion letter, version, such as 03a01Fa")
    speaker, text, letter = match["speaker"], match["text"].lower(), match["letter"].upper()
    _check_code("emotion letter", letter, _EMOTIONS)
    _check_code("text code", text, _TEXTS)
    _check_code("speaker", speaker, _MALE | _FEMALE)
    emotion, word = _EMOTIONS[letter]
    return Utterance(
        utterance_id=f"{corpus}/{speaker}{text}{letter}{match['version'].lower()}",
        corpus=corpus,
        audio_path=str(path),
        speaker_id=f"{corpus}/{speaker}",
        gender="male" if speaker in _MALE else "female",
        language="de",
        transcript=_TEXTS[text],
        emotion=emotion,
        emotion_original=word,
    )


def _check_code(kind: str, code: str, known: Collection[str]) -> None:
    if code not in known:
        raise Misfit(f"{kind} {code!r} is none of {', '.join(sorted(known))}: is the file part of EmoDB?")


READER = Reader(
    read=read,
    pattern="wav/<speaker><text><emotion letter><version>.wav",
    example="wav/03a01Fa.wav",
    options=ReaderOptions,
    language="de",
    expected={"utterances": 535, "speakers": 10, "emotions": 7},
    source="the Technical University of Berlin: http://emodb.bilderbar.info",
)
