"""Rows on their way from readers to tables: they wait on disk, so that memory does not grow with the corpora."""

import errno
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

import pyarrow as pa

from semiser.corpora.utterance import UTTERANCES_SCHEMA, Rejected, Utterance

_CHUNK = 1_000  # rows that are Python objects at a time
_BATCH_CHUNKS = 5

# Rows are appended, whatever the order of their ids; the index alone is in that order.
_TABLES = """
    PRAGMA journal_mode = OFF;
    CREATE TABLE utterances (corpus TEXT, utterance_id TEXT, audio_path TEXT, row TEXT, UNIQUE (corpus, utterance_id));
    CREATE TABLE rejected (corpus TEXT, path TEXT, reason TEXT, stage TEXT);
"""


class Spool:
    """Utterances and rejected entries of corpora, added one by one and read in batches.

    They lie in a private SQLite database among the temporary files of this machine (`TMPDIR`), some 400 bytes an
    utterance, and are gone with this object or its process.
    """

    def __init__(self) -> None:
        # Its own thread is the only one that uses it at a time, but not always the same: a runner saves in another.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.executescript(_TABLES)

    def add(self, entry: Utterance | Rejected) -> bool:
        """Keep an entry; an utterance whose id its corpus has already becomes a rejected one.

        Returns:
            Whether it was kept as an utterance.
        """
        if isinstance(entry, Utterance):
            row = {name: value for name, value in asdict(entry).items() if value is not None}
            values = (entry.corpus, entry.utterance_id, entry.audio_path, json.dumps(row, ensure_ascii=False))
            if self._execute("INSERT OR IGNORE INTO utterances VALUES (?, ?, ?, ?)", values).rowcount:
                return True
            reason = f"duplicate utterance_id {entry.utterance_id!r}, already taken by {self._path_of(entry)}"
            entry = Rejected(entry.corpus, entry.audio_path, reason)
        self._execute("INSERT INTO rejected VALUES (?, ?, ?, ?)", (entry.corpus, entry.path, entry.reason, entry.stage))
        return False

    def _path_of(self, entry: Utterance) -> str:
        query = "SELECT audio_path FROM utterances WHERE corpus = ? AND utterance_id = ?"
        return self._execute(query, (entry.corpus, entry.utterance_id)).fetchone()[0]

    def utterances(self, corpus: str) -> Iterator[pa.RecordBatch]:
        """Rows of `UTTERANCES_SCHEMA` in the order of their ids, which is that of their UTF-8 bytes, as Arrow sorts."""
        rows = self._execute("SELECT row FROM utterances WHERE corpus = ? ORDER BY utterance_id", (corpus,))
        chunks = iter(lambda: [json.loads(row) for (row,) in rows.fetchmany(_CHUNK)], [])
        batches = (pa.RecordBatch.from_pylist(chunk, UTTERANCES_SCHEMA) for chunk in chunks)
        while several := list(islice(batches, _BATCH_CHUNKS)):
            yield pa.concat_batches(several)

    def rejected(self, corpus: str) -> Iterator[Rejected]:
        """What was rejected, in the order in which it was added."""
        for row in self._execute("SELECT * FROM rejected WHERE corpus = ? ORDER BY rowid", (corpus,)):
            yield Rejected(*row)

    def reasons(self, corpus: str, most: int) -> dict[str, int]:
        """The most common reasons for which entries were rejected and their counts; of equals the first one first."""
        query = """SELECT reason, count(*) AS times FROM rejected WHERE corpus = ?
                   GROUP BY reason ORDER BY times DESC, min(rowid) LIMIT ?"""
        return dict(self._execute(query, (corpus, most)).fetchall())

    def repeated(self, corpus: str) -> dict[str, Any]:
        """How many `utterances` are the same part of the same file as one before, and the `first` such file."""
        query = """SELECT audio_path, count(*) - 1 FROM utterances WHERE corpus = ?
                   GROUP BY audio_path, json_extract(row, '$.start_s'), json_extract(row, '$.end_s')
                   HAVING count(*) > 1 ORDER BY audio_path"""
        found = self._execute(query, (corpus,)).fetchall()
        return {"utterances": sum(times for _, times in found), "first": found[0][0] if found else None}

    def _execute(self, query: str, values: tuple) -> sqlite3.Cursor:
        try:
            return self._database.execute(query, values)
        except sqlite3.OperationalError as error:
            what = f"{error}: rows wait among the temporary files until ingest has them all; make room, or set TMPDIR"
            raise OSError(errno.ENOSPC, what) from error
