"""LibriSpeech: `<split>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac` and a `.trans.txt` per chapter.

Layout and `SPEAKERS.TXT` (identifier, sex, subset, minutes, name, separated by bars) as on https://www.openslr.org/12
(Panayotov et al., ICASSP 2015). The root is `LibriSpeech` itself or a folder above it. Files converted to wav in
place of the flac serve too. There are no emotions.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath

from pydantic import Field

from semiser.corpora.files import Misfit, iter_files, printable, read_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.text import UndecodableText, is_there, read_text
from semiser.corpora.transcripts import Transcripts
from semiser.corpora.utterance import Entry, Rejected, Utterance
from semiser.errors import Unusable
from semiser.media.audio import probe_audio

SPEAKERS = "SPEAKERS.TXT"

_NAME = re.compile(r"(?P<speaker>\d+)-(?P<chapter>\d+)-\d+")
_SPLIT = re.compile(r"(?:train|dev|test)-[\w-]+")
_GENDERS = {"F": "female", "M": "male"}


class LibrispeechOptions(ReaderOptions):
    """Options of the reader: which part is read.

    Attributes:
        splits: names such as `train-clean-100`; None: all that are there.
        hours: about so many hours, by drawing chapters; None: all. A smaller draw is part of a larger one.
        seed: of the draw.
    """

    splits: tuple[str, ...] | None = None
    hours: float | None = Field(default=None, gt=0)
    seed: int = 0


def read(corpus: str, root: Path, options: LibrispeechOptions) -> Iterator[Entry]:
    """Rows of LibriSpeech, one per audio file; a transcript file that cannot be decoded is rejected.

    Raises:
        ValueError: a split that the options name is not there.
    """
    genders = _read_genders(root)
    for chapter, paths in _chosen(root, options):
        transcripts = Transcripts[str]()
        lines = chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt"
        try:
            transcripts = Transcripts(_read_transcripts(root / lines), lines)
        except UndecodableText as error:
            yield Rejected(corpus, printable(lines), str(error))
        yield from read_files(corpus, paths, partial(_describe, corpus, genders, transcripts))
        yield from transcripts.unmatched(corpus)


def _chosen(root: Path, options: LibrispeechOptions) -> Iterator[tuple[PurePosixPath, Iterable[PurePosixPath]]]:
    """The chapters that the options ask for, with their files, in the order of their names."""
    chapters = groupby(iter_files(root, {".flac", ".wav"}), key=lambda path: path.parent)
    if options.splits is None and options.hours is None:
        yield from chapters
        return
    held = {chapter: list(paths) for chapter, paths in chapters}
    if options.splits is not None:
        there = {_split_of(chapter) for chapter in held}
        if held and (missing := [name for name in options.splits if name not in there]):
            raise ValueError(
                f"librispeech: no {', '.join(missing)} below {root}; there are {', '.join(sorted(there))}: fetch it, "
                "or name others in the option `splits`"
            )
        held = {chapter: paths for chapter, paths in held.items() if _split_of(chapter) in options.splits}
    drawn = held if options.hours is None else _draw(root, held, options.hours, options.seed)
    yield from ((chapter, held[chapter]) for chapter in held if chapter in drawn)


def _split_of(chapter: PurePosixPath) -> str:
    return chapter.parts[-3] if len(chapter.parts) > 2 else ""


def _draw(
    root: Path, chapters: Mapping[PurePosixPath, list[PurePosixPath]], hours: float, seed: int
) -> set[PurePosixPath]:
    """Chapters in the order of a hash of their names, until they have so many hours by their files' headers."""

    def number(chapter: PurePosixPath) -> bytes:
        return hashlib.blake2b(f"{seed} {'/'.join(chapter.parts[-3:])}".encode(), digest_size=8).digest()

    drawn, seconds = set(), 0.0
    for chapter in sorted(chapters, key=number):
        if seconds >= 3600 * hours:
            break
        drawn.add(chapter)
        seconds += sum(map(_seconds, (root / path for path in chapters[chapter])))
    return drawn


def _seconds(path: Path) -> float:
    try:
        return probe_audio(path).duration_s
    except Unusable:  # which ingest says of it
        return 0.0


def _read_genders(root: Path) -> dict[str, str]:
    path = next((p for p in (root / SPEAKERS, root / "LibriSpeech" / SPEAKERS) if is_there(p)), None)
    if path is None:
        return {}
    rows = (line.split("|") for line in read_text(path, "cp1252").splitlines() if not line.startswith(";"))
    return {row[0].strip(): _GENDERS[row[1].strip()] for row in rows if len(row) > 1 and row[1].strip() in _GENDERS}


def _read_transcripts(path: Path) -> dict[str, str]:
    if not is_there(path):
        return {}
    pairs = (line.strip().partition(" ") for line in read_text(path).splitlines())
    return {identifier: text.strip() for identifier, _, text in pairs if text}


def _describe(corpus: str, genders: dict[str, str], transcripts: Transcripts[str], path: PurePosixPath) -> Utterance:
    match = _NAME.fullmatch(path.stem)
    if match is None or path.parts[-3:-1] != (match["speaker"], match["chapter"]):
        raise Misfit("expected <split>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac")
    split = path.parts[-4] if len(path.parts) > 3 else ""
    if not _SPLIT.fullmatch(split):
        raise Misfit(f"found {split!r} above the speaker, no split such as dev-clean: is the root a folder too low?")
    return Utterance(
        utterance_id=f"{corpus}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        split=split,
        speaker_id=f"{corpus}/{match['speaker']}",
        gender=genders.get(match["speaker"]),
        language="en",
        transcript=transcripts.get(path.stem),
    )


READER = Reader(
    read=read,
    pattern="<split>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac",
    example="dev-clean/84/121123/84-121123-0000.flac",
    language="en",
    options=LibrispeechOptions,
    expected={
        "utterances/dev-clean": 2703,
        "utterances/dev-other": 2864,
        "utterances/test-clean": 2620,
        "utterances/test-other": 2939,
        "utterances/train-clean-100": 28539,
        "utterances/train-clean-360": 104014,
        "utterances/train-other-500": 148688,
    },
    source="OpenSLR: https://www.openslr.org/12",
)
