"""Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS): `Actor_01/03-01-06-01-02-01-12.wav`.

The seven numbers are modality, vocal channel, emotion, intensity, statement, repetition and actor (Livingstone and
Russo, PLoS ONE 13(5), 2018, and https://zenodo.org/record/1188976). The audio-only files are read; the published
zips may be unpacked into one root (`Audio_Speech_Actors_01-24/Actor_01/...`). Videos are passed over. The copy on
Kaggle holds every file twice, at the root and below `audio_speech_actors_01-24`; the second is passed over.
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.utterance import Rejected, Utterance

_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_AUDIO_ONLY = "03"
_CHANNELS = {"01": "speech", "02": "song"}
# Number: canonical name, the corpus's word.
_EMOTIONS = {
    "01": ("neutral", "neutral"),
    "02": ("calm", "calm"),
    "03": ("happiness", "happy"),
    "04": ("sadness", "sad"),
    "05": ("anger", "angry"),
    "06": ("fear", "fearful"),
    "07": ("disgust", "disgust"),
    "08": ("surprise", "surprised"),
}
_INTENSITIES = {"01": "normal", "02": "strong"}
_STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_ACTORS = {f"{number:02d}": "male" if number % 2 else "female" for number in range(1, 25)}


class RavdessOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        include_song: read the song files too (1,012 more, from 23 actors); otherwise they are passed over.
    """

    include_song: bool = False


def read(corpus: str, root: Path, options: RavdessOptions) -> Iterator[Utterance | Rejected]:
    """Rows of RAVDESS, one per audio-only file."""

    def describe(path: PurePosixPath) -> Utterance | None:
        return None if _is_second_copy(root, path) else _describe(corpus, path, options.include_song)

    return read_files(corpus, iter_files(root, {".wav"}), describe)


def _is_second_copy(root: Path, path: PurePosixPath) -> bool:
    return len(path.parts) > 2 and root.joinpath(*path.parts[-2:]).exists()


def _describe(corpus: str, path: PurePosixPath, include_song: bool) -> Utterance | None:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise Misfit("the name is not seven two-digit numbers, such as 03-01-06-01-02-01-12")
    modality, channel, emotion, intensity, statement, _, actor = match.groups()
    if modality != _AUDIO_ONLY:
        raise Misfit(f"modality {modality} is not {_AUDIO_ONLY} (audio only): the same take is among the audio files")
    _check_code("vocal channel", channel, _CHANNELS)
    _check_code("emotion", emotion, _EMOTIONS)
    _check_code("intensity", intensity, _INTENSITIES)
    _check_code("statement", statement, _STATEMENTS)
    _check_code("actor", actor, _ACTORS)
    if _CHANNELS[channel] == "song" and not include_song:
        return None
    return _row(corpus, path, emotion, statement, actor)


def _check_code(kind: str, code: str, known: Collection[str]) -> None:
    if code not in known:
        raise Misfit(f"{kind} {code} is not within {min(known)} to {max(known)}: is the file part of the corpus?")


def _row(corpus: str, path: PurePosixPath, emotion: str, statement: str, actor: str) -> Utterance:
    canonical, word = _EMOTIONS[emotion]
    return Utterance(
        utterance_id=f"{corpus}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        speaker_id=f"{corpus}/{actor}",
        gender=_ACTORS[actor],
        language="en",
        transcript=_STATEMENTS[statement],
        emotion=canonical,
        emotion_original=word,
    )


READER = Reader(
    read=read,
    pattern="Actor_<actor>/<modality>-<channel>-<emotion>-<intensity>-<statement>-<repetition>-<actor>.wav",
    example="Actor_12/03-01-06-01-02-01-12.wav",
    language="en",
    expected={"utterances": 1440, "speakers": 24, "emotions": 8},
    options=RavdessOptions,
    source="Zenodo: https://zenodo.org/record/1188976",
)
