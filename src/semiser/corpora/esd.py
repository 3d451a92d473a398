"""Emotional Speech Dataset (ESD): `0001/Angry/0001_000351.wav`, or with train, evaluation or test below the emotion.

Ten Mandarin (0001 to 0010) and ten English speakers (0011 to 0020), five emotions (Zhou et al., "Emotional voice
conversion: theory, databases and ESD", Speech Communication 137, 2022, and the corpus's ReadMe, which also has the
speakers' gender). `<speaker>/<speaker>.txt` has a line of identifier, text and emotion word per utterance, separated
by tabs; the files differ in encoding (UTF-8, UTF-16, GBK, and for English Windows-1252, which is taken from other
people's scripts, not from the corpus's documentation). The emotion is that of the folder.
"""

import re
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files, printable, read_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.text import UndecodableText, is_there, read_text
from semiser.corpora.transcripts import Transcripts
from semiser.corpora.utterance import Entry, Rejected, Utterance

_NAME = re.compile(r"(\d{4})_(\d{6})")
_LINE = re.compile(r"(\d{4}_\d{6})\s+(\S.*)")
_IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
_SPLITS = ("train", "evaluation", "test")
_SPEAKERS = tuple(f"{number:04d}" for number in range(1, 21))
_MALE = {"0004", "0005", "0006", "0008", "0010", "0011", "0012", "0013", "0014", "0020"}

_EMOTIONS = {
    "angry": "anger",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
    "生气": "anger",
    "快乐": "happiness",
    "中立": "neutral",
    "伤心": "sadness",
    "惊喜": "surprise",
}
# Only as the files write them, so that a sentence may end in `sad`.
_WORDS_AFTER_BLANK = {word.capitalize() for word in _EMOTIONS}


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Rows of ESD, one per wav; a transcript file that cannot be decoded is rejected, its wavs come without text."""
    for folder, paths in groupby(iter_files(root, {".wav"}), key=_speaker_folder):
        transcripts = Transcripts[str]()
        lines = folder / f"{folder.name}.txt"
        try:
            transcripts = Transcripts(_read_transcripts(root / lines), lines)
        except UndecodableText as error:
            yield Rejected(corpus, printable(lines), str(error))
        yield from read_files(corpus, paths, partial(_describe, corpus, transcripts))
        yield from transcripts.unmatched(corpus)


def _speaker_folder(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*_folders(path)[:-1])


def _folders(path: PurePosixPath) -> tuple[str, ...]:
    """Folders down to the emotion's, without the split below it."""
    return path.parts[: -1 if _split(path) is None else -2]


def _split(path: PurePosixPath) -> str | None:
    name = path.parent.name.lower()
    return name if name in _SPLITS else None


def _read_transcripts(path: Path) -> dict[str, str]:
    if not is_there(path):
        return {}
    lines = (line.strip() for line in _decode(path).splitlines())
    return {match[1]: _drop_emotion(match[2]) for match in map(_LINE.fullmatch, lines) if match}


def _decode(path: Path) -> str:
    """Text of a transcript file.

    Nearly every Windows-1252 text is also some GBK text, where its curly quotes and accents come out as ideographs;
    so GBK is believed for an English speaker only where there are none.
    """
    if path.stem <= "0010":
        return read_text(path, "gb18030")
    try:
        text = read_text(path, "gb18030")
    except UndecodableText:
        return read_text(path, "cp1252")
    return read_text(path, "cp1252") if _IDEOGRAPH.search(text) else text


def _drop_emotion(text: str) -> str:
    """The text without the emotion word behind it, which some lines have after a blank and some not at all."""
    if "\t" in text:
        head, _, last = text.rpartition("\t")
        return head.strip() if last.lower() in _EMOTIONS else text
    head, _, last = text.rpartition(" ")
    return head.strip() if head and last in _WORDS_AFTER_BLANK else text


def _describe(corpus: str, transcripts: Transcripts[str], path: PurePosixPath) -> Utterance:
    match, folders = _NAME.fullmatch(path.stem), _folders(path)
    if match is None or len(folders) < 2 or match[1] != folders[-2]:
        raise Misfit("expected <speaker>/<emotion>/<speaker>_<six digits>.wav, or train, evaluation, test in between")
    speaker, word = match[1], folders[-1]
    if speaker not in _SPEAKERS:
        raise Misfit(f"speaker {speaker} is not within 0001 to 0020")
    if word.lower() not in _EMOTIONS:
        raise Misfit(f"emotion folder {word!r} is none of Angry, Happy, Neutral, Sad, Surprise")
    return Utterance(
        utterance_id=f"{corpus}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        split=_split(path),
        speaker_id=f"{corpus}/{speaker}",
        gender="male" if speaker in _MALE else "female",
        language="zh-Hans" if speaker <= "0010" else "en",
        transcript=transcripts.get(path.stem),
        emotion=_EMOTIONS[word.lower()],
        emotion_original=word,
    )


READER = Reader(
    read=read,
    pattern="<speaker>/<emotion>/[<split>/]<speaker>_<number>.wav",
    example="0011/Angry/train/0011_000351.wav",
    options=ReaderOptions,
    expected={"utterances": 35000, "speakers": 20, "emotions": 5},
    source="its authors, on request: https://github.com/HLTSingapore/Emotional-Speech-Data",
)
