"""What is to be predicted, as rows of `utterances`: a file, a folder of files, or a manifest."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from semiser.corpora import manifest
from semiser.corpora.files import Misfit, printable, read_files, walk
from semiser.corpora.ingest import implausible, ingest_corpus
from semiser.corpora.options import CorpusOptions, IngestOptions
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.spool import Spool
from semiser.corpora.suffixes import AUDIO, VIDEO
from semiser.corpora.utterance import UTTERANCES_SCHEMA, Rejected, Utterance
from semiser.options.plausible import PlausibleSpeechOptions

logger = logging.getLogger(__name__)

CORPUS = "input"
MANIFESTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Sources:
    """What can be used, as a table of `UTTERANCES_SCHEMA`, what cannot, and the folder that paths are relative to."""

    utterances: pa.Table
    rejected: list[Rejected]
    root: Path


def find_sources(path: str | Path, options: Mapping[str, Any] | None = None) -> Sources:
    """The utterances at a path; every file and every line of a manifest is there or among the rejected.

    Args:
        path: an audio or video file, a folder of them, or a manifest.
        options: of the reader `manifest`, for a manifest.

    Raises:
        FileNotFoundError: nothing is at the path.
        ValueError: the folder holds no file, the manifest no line, or its columns are not understood.
    """
    path = Path(path)
    reader: Reader
    if not path.exists():
        raise FileNotFoundError(f"nothing at {path}: give an audio or video file, a folder of them, or a manifest")
    if path.is_file() and path.suffix.lower() in MANIFESTS:
        root, reader, own = path.parent, manifest.READER, {**(options or {}), "file": path.name}
    else:
        root, own = (path, {}) if path.is_dir() else (path.parent, {})
        reader = Reader(lambda *_: _read(path), "*", "a.wav", options=ReaderOptions)
    corpus = CorpusOptions.model_construct(reader="manifest", root=str(root), options=own)
    spool = Spool()
    tally = ingest_corpus(CORPUS, corpus, reader, spool, IngestOptions.model_fields["listen"].default)
    if not tally.entries:
        raise ValueError(f"no file in the folder {path}" if path.is_dir() else f"no line in the manifest {path}")
    for _, said in implausible({**tally.summary({}), "repeated": spool.repeated(CORPUS)}, PlausibleSpeechOptions()):
        logger.warning("%s", said)
    utterances = pa.Table.from_batches(spool.utterances(CORPUS), UTTERANCES_SCHEMA)
    return Sources(utterances, list(spool.rejected(CORPUS)), root)


def _read(path: Path) -> Iterator[Utterance | Rejected]:
    """A file, or all files below a folder, broken links among them, and the folders that cannot be listed."""
    unlisted: list[tuple[str, OSError]] = []
    names = walk(path, unlisted) if path.is_dir() else [path.name]
    yield from read_files(CORPUS, map(PurePosixPath, names), _describe)
    for name, error in unlisted:
        reason = f"what this folder holds cannot be listed: {error.strerror}"
        yield Rejected(CORPUS, printable(PurePosixPath(name)), reason)


def _describe(path: PurePosixPath) -> Utterance:
    suffix = path.suffix.lower()
    if suffix not in (*AUDIO, *VIDEO):
        raise Misfit(f"not an audio or video file by its name ({suffix or 'no suffix'})")
    name = path.as_posix()
    # The whole path is the id: a.wav and a.mp4 may lie side by side.
    video = name if suffix in VIDEO else None
    return Utterance(utterance_id=f"{CORPUS}/{name}", corpus=CORPUS, audio_path=name, video_path=video)
