"""What is to be predicted, as rows of `utterances`: a file, a folder of files, or a manifest."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from semiser.corpora import manifest
from semiser.corpora.files import Misfit, read_files
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
        names = sorted(_files(path)) if path.is_dir() else [PurePosixPath(path.name)]
        reader = Reader(lambda corpus, _, __: read_files(corpus, names, _describe), "*", "a.wav", options=ReaderOptions)
        if not names:
            raise ValueError(f"no file in the folder {path}")
    corpus = CorpusOptions.model_construct(reader="manifest", root=str(root), options=own)
    spool = Spool()
    tally = ingest_corpus(CORPUS, corpus, reader, spool, IngestOptions.model_fields["listen"].default)
    if not tally.entries:
        raise ValueError(f"no line in the manifest {path}")
    for _, said in implausible({**tally.summary({}), "repeated": spool.repeated(CORPUS)}, PlausibleSpeechOptions()):
        logger.warning("%s", said)
    utterances = pa.Table.from_batches(spool.utterances(CORPUS), UTTERANCES_SCHEMA)
    return Sources(utterances, list(spool.rejected(CORPUS)), root)


def _files(folder: Path) -> Iterator[PurePosixPath]:
    """Files below a folder, relative to it, broken links among them; hidden ones are passed over."""
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if not path.is_dir() and not any(part.startswith(".") for part in relative.parts):
            yield PurePosixPath(relative)


def _describe(path: PurePosixPath) -> Utterance:
    suffix = path.suffix.lower()
    if suffix not in (*AUDIO, *VIDEO):
        raise Misfit(f"not an audio or video file by its name ({suffix or 'no suffix'})")
    name = path.as_posix()
    # The whole path is the id: a.wav and a.mp4 may lie side by side.
    video = name if suffix in VIDEO else None
    return Utterance(utterance_id=f"{CORPUS}/{name}", corpus=CORPUS, audio_path=name, video_path=video)
