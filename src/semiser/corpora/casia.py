"""CASIA Chinese emotional speech, public subset: `<speaker>/<emotion>/<number>.wav` and a transcript file.

Four speakers say the sentences 201 to 250 in six emotions, the same text in each, so an utterance is known by its
path only. Above the speakers' folders a text file (GBK in the published copy) has a line `201. <sentence>` per
sentence. Label, peak and tag files, `_desktop.ini` and two wavs at the root come with the published copy. No official
description of this layout is public; it is that of the copies in circulation. They do not state the speakers'
gender, so it stays empty.
"""

import re
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath

from semiser.corpora.emotions import canonical_emotion
from semiser.corpora.files import Misfit, iter_files, printable, read_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.text import UndecodableText, is_there, read_text
from semiser.corpora.transcripts import Transcripts
from semiser.corpora.utterance import Entry, Rejected, Utterance

# A number, a full stop of any width or a blank, the sentence. Of a stripped line: no two parts can take the same
# blanks, so that a line of many blanks takes no longer than another.
_LINE = re.compile(r"(\d{1,9})(?:\s*[.．。、:：]|\s)\s*(\S.*)")

_WORDS = {
    "netural": "neutral",
    "平静": "neutral",
}  # a misspelling met in copies; the word for calm names the sixth class


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Entry]:
    """Rows of CASIA, one per wav; a text file that cannot be decoded is rejected, and gives no transcripts."""
    for folder, paths in groupby(iter_files(root, {".wav"}), key=_folder_of_speakers):
        texts: dict[int, str] = {}
        path = None
        for path in _list_texts(root / folder):
            try:
                texts = _read_sentences(path) | texts
            except UndecodableText as error:
                yield Rejected(corpus, printable(folder / path.name), str(error))
        sentences = Transcripts(texts, path and folder / path.name)
        yield from read_files(corpus, paths, partial(_describe, corpus, sentences))
        yield from sentences.unmatched(corpus)


def _folder_of_speakers(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*path.parts[:-3])


def _list_texts(folder: Path) -> list[Path]:
    texts = (p for p in folder.iterdir() if p.suffix.lower() == ".txt" and not p.name.startswith("."))
    return sorted(p for p in texts if is_there(p))


def _read_sentences(path: Path) -> dict[int, str]:
    lines = (line.strip() for line in read_text(path, "gb18030").splitlines())
    return {int(match[1]): match[2] for match in map(_LINE.fullmatch, lines) if match}


def _describe(corpus: str, sentences: Transcripts[int], path: PurePosixPath) -> Utterance:
    if len(path.parts) < 3 or not path.stem.isdecimal():
        raise Misfit("expected <speaker>/<emotion>/<number>.wav: without these folders speaker and emotion are unknown")
    speaker, word, number = *path.parts[-3:-1], path.stem
    try:
        emotion = canonical_emotion(word, _WORDS)
    except ValueError as error:
        raise Misfit(f"folder {word!r} in <speaker>/<emotion>/<number>.wav: {error}") from error
    return Utterance(
        utterance_id=f"{corpus}/{speaker}/{word}/{number}",
        corpus=corpus,
        audio_path=str(path),
        speaker_id=f"{corpus}/{speaker}",
        language="zh-Hans",
        transcript=sentences.get(int(number)),
        emotion=emotion,
        emotion_original=word,
    )


READER = Reader(
    read=read,
    pattern="<speaker>/<emotion>/<number>.wav",
    example="liuchanhg/angry/201.wav",
    options=ReaderOptions,
    language="zh-Hans",
    expected={"utterances": 1200, "speakers": 4, "emotions": 6},
    source="the Institute of Automation of the Chinese Academy of Sciences",
)
