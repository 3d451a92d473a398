"""Kaldi data folders: `wav.scp` and, where they are there, `segments`, `utt2spk`, `spk2gender`, `text`, `utt2emo`.

The files are as on https://kaldi-asr.org/doc/data_prep.html: an identifier, a blank, what belongs to it. `segments` has
utterance, recording, start and end in seconds (-1: to the end of the recording); without it every recording is an
utterance. `utt2emo` and `utt2lang` have the form of `utt2spk`. Commands (`sox a.mp3 -t wav - |`) and archives
(`raw.ark:512`) in `wav.scp` are refused: nothing that a list says is run.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files
from semiser.corpora.lists import ListOptions, to_emotion, to_gender, to_language, to_path
from semiser.corpora.reader import Reader
from semiser.corpora.tables import describe_lines
from semiser.corpora.text import find_encoding, is_there, iter_lines
from semiser.corpora.transcripts import Transcripts
from semiser.corpora.utterance import Entry, Utterance

_ARCHIVE = re.compile(r".*\.ark(:\d+)?(\[.*\])?")


class KaldiOptions(ListOptions):
    """Options of the reader.

    Attributes:
        folders: data folders below the root, such as `[data/train, data/dev]`; None: all that have a `wav.scp`.
    """

    folders: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _Tables:
    """The tables of a data folder by utterance (genders by speaker); a table that is not there is empty."""

    recordings: dict[str, str]
    speakers: dict[str, str]
    genders: dict[str, str]
    texts: Transcripts[str]
    emotions: dict[str, str]
    languages: dict[str, str]


def read(corpus: str, root: Path, options: KaldiOptions) -> Iterator[Entry]:
    """Rows of all data folders, in the order of `segments`, else of `wav.scp`; the folder's name is the split.

    Raises:
        FileNotFoundError: a folder that is named has no `wav.scp`.
        ValueError: a file is not UTF-8.
    """
    for folder in _find_folders(root, options):
        names = ("wav.scp", "utt2spk", "spk2gender", "text", "utt2emo", "utt2lang")
        recordings, speakers, genders, texts, emotions, languages = (
            dict(line for _, line in _read_pairs(root / folder / name)) for name in names
        )
        said = Transcripts(texts, folder / "text")
        tables = _Tables(recordings, speakers, genders, said, emotions, languages)
        cut = is_there(root / folder / "segments")
        name = str(folder / ("segments" if cut else "wav.scp"))
        describe = partial(_describe, corpus, root, folder, options, tables, cut)
        yield from describe_lines(corpus, name, _read_pairs(root / name), describe)
        yield from said.unmatched(corpus)


def _find_folders(root: Path, options: KaldiOptions) -> list[PurePosixPath]:
    if options.folders is None:
        return [path.parent for path in iter_files(root, {".scp"}) if path.name == "wav.scp"]
    if missing := [folder for folder in options.folders if not (root / folder / "wav.scp").is_file()]:
        raise FileNotFoundError(f"no wav.scp in {', '.join(missing)} below {root}: see the option `folders`")
    return [PurePosixPath(folder) for folder in options.folders]


def _read_pairs(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    if not is_there(path):
        return
    with path.open(encoding=find_encoding(path)) as file:
        for number, line in enumerate(iter_lines(file, path), start=1):
            if line.strip():
                key, _, value = line.strip().replace("\t", " ").partition(" ")
                yield number, (key, value.strip())


def _describe(
    corpus: str,
    root: Path,
    folder: PurePosixPath,
    options: KaldiOptions,
    tables: _Tables,
    cut: bool,
    line: tuple[str, str],
) -> Utterance:
    utterance, rest = line
    recording, start, end = _read_segment(rest) if cut else (utterance, None, None)
    if recording not in tables.recordings:
        raise Misfit(f"wav.scp has no recording {recording!r}")
    speaker = tables.speakers.get(utterance)
    return Utterance(
        utterance_id=f"{corpus}/{utterance}",
        corpus=corpus,
        audio_path=to_path(root, _check_plain(tables.recordings[recording]), options, str(folder)),
        split=folder.name or None,
        speaker_id=f"{corpus}/{speaker}" if speaker else None,
        gender=to_gender(tables.genders.get(speaker or "")),
        language=to_language(tables.languages.get(utterance), options),
        start_s=start,
        end_s=end,
        transcript=tables.texts.get(utterance) or None,
        **to_emotion(tables.emotions.get(utterance), options),
    )


def _check_plain(path: str) -> str:
    if path.endswith("|") or path.startswith("|") or path == "-":
        raise Misfit(f"wav.scp has the command {path!r}, which is not run: write its sound to a file and name that")
    if _ARCHIVE.fullmatch(path):
        raise Misfit(f"wav.scp has the archive {path!r}, which is not read: write its sound to files and name these")
    return path


def _read_segment(text: str) -> tuple[str, float | None, float | None]:
    try:
        recording, first, last = text.split()
        start, end = float(first), float(last)
    except ValueError:
        raise Misfit("expected utterance, recording, start and end in seconds") from None
    if start == 0 and end == -1:
        return recording, None, None
    if end == -1:
        raise Misfit(f"the segment from {first} s has no end (-1): write the recording's")
    if not 0 <= start < end:
        raise Misfit(f"start {first} and end {last}: expected 0 <= start < end")
    return recording, start, end


READER = Reader(
    read=read,
    pattern="data folders with wav.scp and, if there, segments, utt2spk, spk2gender, text, utt2emo, utt2lang",
    example="data/train/wav.scp",
    options=KaldiOptions,
    signs=("wav.scp", "*/wav.scp", "*/*/wav.scp"),
)
