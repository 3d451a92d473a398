"""Ingest: readers' rows, checked against the files on disk, become the tables `utterances` and `quarantine`."""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from semiser.corpora.files import leaves_root
from semiser.corpora.reader import Reader
from semiser.corpora.refusal import refuse_unusable
from semiser.corpora.registry import get_reader
from semiser.corpora.utterance import QUARANTINE_SCHEMA, UTTERANCES_SCHEMA, Rejected, Utterance
from semiser.errors import Unusable
from semiser.media.audio import probe_audio
from semiser.options.ingest import CorpusOptions, IngestOptions

logger = logging.getLogger(__name__)

_CHUNK = 1_000  # rows probed at a time: bounds memory and keeps the threads busy
_PROBE_THREADS = 8  # headers wait for the disk, not for a processor


@dataclass(frozen=True)
class Ingested:
    """The tables `utterances` and `quarantine`, and a summary per corpus that is JSON-safe."""

    utterances: pa.Table
    quarantine: pa.Table
    summary: dict[str, Any]


def ingest(options: IngestOptions) -> Ingested:
    """Read every corpus that is switched on.

    Raises:
        FileNotFoundError: a root is no folder.
        Unusable: nothing at a root fits the reader's layout.
        TooManyUnusable: more than `max_quarantined_share` of a corpus's entries cannot be used.
    """
    utterances: list[pa.RecordBatch] = []
    rejected: list[Rejected] = []
    summary, facts = {}, {}
    for name, corpus in options.active.items():
        reader = get_reader(corpus.reader)
        batches, bad = ingest_corpus(name, corpus, reader)
        table = pa.Table.from_batches(batches, UTTERANCES_SCHEMA)
        looked_for = (
            f"{corpus.root}; the reader {corpus.reader!r} looks for {reader.pattern} (such as {reader.example})"
        )
        allowed = options.max_quarantined_share
        refuse_unusable(f"corpus {name!r}", looked_for, table.num_rows, bad, allowed, "ingest.max_quarantined_share")
        summary[name] = summarise(table, bad, reader.expected if corpus.expected is None else corpus.expected)
        facts[name] = {"reader": corpus.reader, "scales": _scales(reader, corpus)}
        utterances += batches
        rejected += bad
        _log(name, summary[name])
    schema = UTTERANCES_SCHEMA.with_metadata({"semiser": json.dumps({"corpora": facts})})
    return Ingested(
        pa.Table.from_batches(utterances, UTTERANCES_SCHEMA).cast(schema),
        pa.Table.from_pylist([asdict(row) for row in rejected], QUARANTINE_SCHEMA),
        summary,
    )


def _scales(reader: Reader, corpus: CorpusOptions) -> dict[str, tuple[float, float]]:
    """Ranges of the dimensional labels: the user's, where the reader takes them as an option, else the published."""
    return dict(getattr(reader.options(**corpus.options), "scales", None) or reader.scales)


def ingest_corpus(name: str, corpus: CorpusOptions, reader: Reader) -> tuple[list[pa.RecordBatch], list[Rejected]]:
    """The utterances of one corpus, each file probed.

    Args:
        name: of the corpus, for messages.
        corpus: its root and the reader's options.
        reader: lists its files with what they are about.

    Returns:
        Rows of `UTTERANCES_SCHEMA` in the reader's order, and what cannot be used, with the reason.

    Raises:
        FileNotFoundError: the root is not a folder.
    """
    root = Path(corpus.root)
    if not root.is_dir():
        raise FileNotFoundError(f"corpus {name!r}: ingest.corpora.{name}.root = {corpus.root} is not a folder")
    entries = reader.read(name, root, reader.options(**corpus.options))
    batches, rejected, seen = [], [], {}
    with ThreadPoolExecutor(_PROBE_THREADS) as pool:
        while chunk := list(islice(entries, _CHUNK)):
            checked = pool.map(lambda entry: _check(entry, root, reader.language), chunk)
            rows = list(_without_duplicates(checked, seen, rejected))
            batches.append(pa.RecordBatch.from_pylist([asdict(row) for row in rows], UTTERANCES_SCHEMA))
    return batches, rejected


def _check(entry: Utterance | Rejected, root: Path, language: str | None) -> Utterance | Rejected:
    """Fill in what the file says, or say why it cannot be used."""
    if isinstance(entry, Rejected):
        return entry
    try:
        _refuse_escape(entry.audio_path)
        if entry.video_path:
            _refuse_escape(entry.video_path)
        info = probe_audio(root / entry.audio_path)
        if entry.end_s is not None and entry.end_s > info.duration_s + 1e-3:
            raise Unusable(f"the segment ends at {entry.end_s} s, the file at {info.duration_s:.3f} s")
    except Unusable as error:
        return Rejected(entry.corpus, entry.audio_path, str(error))
    for key, value in asdict(info).items():
        setattr(entry, key, value)
    video = root / entry.video_path if entry.video_path else None
    if video and os.path.isfile(video):  # without it the voice is still of use; the face families say what is missing
        entry.video_bytes, entry.video_modified_ns = video.stat().st_size, video.stat().st_mtime_ns
    if entry.end_s is not None:
        entry.duration_s = entry.end_s - (entry.start_s or 0.0)
    entry.language = entry.language or language
    return entry


def _refuse_escape(path: str) -> None:
    """A path from a list must stay below the root; links on the user's own disk may lead anywhere."""
    if leaves_root(path):
        raise Unusable("the path leaves the corpus root: give it relative to the root, without ..")


def _without_duplicates(
    entries: Iterator[Utterance | Rejected], seen: dict[str, str], rejected: list[Rejected]
) -> Iterator[Utterance]:
    for entry in entries:
        if isinstance(entry, Rejected):
            rejected.append(entry)
        elif entry.utterance_id in seen:
            first = seen[entry.utterance_id]
            reason = f"duplicate utterance_id {entry.utterance_id!r}, already taken by {first}"
            rejected.append(Rejected(entry.corpus, entry.audio_path, reason))
        else:
            seen[entry.utterance_id] = entry.audio_path
            yield entry


def summarise(utterances: pa.Table, rejected: list[Rejected], expected: dict[str, int]) -> dict[str, Any]:
    """Counts of one corpus, JSON-safe: found and expected, hours, speakers, labels, what was quarantined."""
    emotions = Counter(utterances["emotion"].to_pylist())
    splits = Counter(utterances["split"].to_pylist())
    found = {
        "utterances": utterances.num_rows,
        "speakers": len(set(utterances["speaker_id"].to_pylist()) - {None}),
        "emotions": len(set(emotions) - {None}),
    } | {f"utterances/{split}": count for split, count in splits.items() if split}
    differs = {
        key: {"found": found.get(key, 0), "expected": count}
        for key, count in expected.items()
        if found.get(key, 0) != count and (key in found or "/" not in key)
    }
    return {
        "found": found,
        "expected": dict(expected),
        "differs": differs,
        "hours": round(sum(utterances["duration_s"].to_pylist()) / 3600, 4),
        "emotions": {str(word or "unlabelled"): count for word, count in emotions.most_common()},
        "with_transcript": utterances.num_rows - utterances["transcript"].null_count,
        "quarantined": len(rejected),
        "quarantined_reasons": dict(Counter(row.reason for row in rejected).most_common(10)),
    }


def _log(name: str, summary: dict[str, Any]) -> None:
    found = summary["found"]
    logger.info(
        "%s: %d utterances, %.2f h, %d speakers, %d quarantined",
        name, found["utterances"], summary["hours"], found["speakers"], summary["quarantined"],
    )  # fmt: skip
    for key, count in summary["differs"].items():
        logger.warning("%s: %d %s found, %d expected", name, count["found"], key, count["expected"])
