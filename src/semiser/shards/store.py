"""Shards: Parquet files that are complete or absent, and never change.

<features>/<family>/<digest>/<corpus>/00000-<key>.parquet   rows of some hundred utterances
<features>/<family>/<digest>/<corpus>/.lock                 held by the run that computes shards of the corpus

The digest is that of the family's version and options. The key, whose first digits are in the name, is that of these
and of the shard's inputs; the whole of it stands in the footer. What other options, files or shard sizes give has other
names, so nothing is written over and many experiments may share a folder; `table` says which shards are whose.
"""

import hashlib
import json
import logging
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import url_to_fs
from pydantic import TypeAdapter

from semiser.errors import Unsteady, Unusable
from semiser.publish import publishing

logger = logging.getLogger(__name__)
METADATA_KEY = "semiser"
_DIGITS = 12  # of hashes in names
_ROW_GROUP_BYTES = 16 << 20


@dataclass(frozen=True)
class ShardReport:
    """A finished shard: its path below the folder, key, rows, and the utterances it could not use with the reasons."""

    path: str
    key: str
    rows: int
    unusable: list[dict[str, Any]] = field(default_factory=list)

    @property
    def place(self) -> str:
        """`<corpus>/<number>`, which is the same for all families."""
        corpus, name = posixpath.split(self.path)
        return f"{corpus}/{name.split('-')[0]}"


_REPORT = TypeAdapter(ShardReport)


def digest_of(facts: Mapping[str, Any] | Sequence[Any]) -> str:
    """The name of JSON facts: the first digits of their SHA-256."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def shard_path(place: str, key: str, unusable: Sequence[Mapping[str, Any]] = ()) -> str:
    """Path of a shard below its folder.

    One with utterances that are to be tried again has a name that no run looks for, so that it is computed again, and
    what comes of that has another name: a table that was made in between keeps the rows that it was made with.

    Args:
        place: `<corpus>/<number>`.
        key: fingerprint.
        unusable: utterances without rows, of which some may have `retry`.
    """
    again = [entry["utterance_id"] for entry in unusable if entry.get("retry")]
    return f"{place}-{key[:_DIGITS]}{f'-{digest_of(again)}' if again else ''}.parquet"


class ShardFolder:
    """Shards at an fsspec path (`data/04_feature/is10/1f0c...`, `s3://bucket/is10/...`, `memory://is10/...`)."""

    def __init__(self, path: str):
        self.path = str(path)
        # Listings are not cached: workers, and other runs, write what this process has not seen.
        self._filesystem, self._root = url_to_fs(self.path, use_listings_cache=False)

    def report(self, place: str, key: str, verify: bool = False) -> ShardReport | None:
        """What the finished shard with this key holds, None where it is absent or damaged.

        Args:
            place: `<corpus>/<number>`.
            key: fingerprint.
            verify: read it whole and compare the checksums of its pages.
        """
        path = self._at(shard_path(place, key))
        try:
            with self._filesystem.open(path, "rb") as file:
                parquet = pq.ParquetFile(file, page_checksum_verification=verify)
                facts = json.loads((parquet.metadata.metadata or {}).get(METADATA_KEY.encode(), b"{}"))
                if facts["key"] != key:
                    return None
                for _ in parquet.iter_batches() if verify else ():
                    pass
                found = {"key": key, "rows": parquet.metadata.num_rows, "unusable": facts["unusable"]}
                return _REPORT.validate_python({"path": shard_path(place, key), **found})
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, RecursionError) as error:
            logger.warning("shard %s is damaged and is computed again: %s", path, error)
            return None

    @contextmanager
    def shard(self, place: str, schema: pa.Schema, provenance: Mapping[str, Any]) -> Iterator["ShardWriter"]:
        """A writer for a shard, published when the block ends without an error; `report` then says what it holds.

        Args:
            place: `<corpus>/<number>`.
            schema: columns.
            provenance: JSON facts for the footer, among them `key`.
        """
        key = provenance["key"]
        path = self._at(shard_path(place, key))
        with publishing(self._filesystem, path, lambda: self._at(writer.report.path)) as file:
            writer = ShardWriter(file, schema, place, key)
            try:
                yield writer
                writer.close(provenance)
            except BaseException:
                writer.abandon()
                raise

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"


class ShardWriter:
    """Rows of one shard, written row group by row group, so that memory is bounded by a row group."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, place: str, key: str):
        self._schema, self._place, self._key = schema, place, key
        self._parquet = pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            # Dictionaries make float tables larger than raw; splitting their bytes makes them smaller and faster.
            use_dictionary=[field.name for field in schema if pa.types.is_string(field.type)],
            use_byte_stream_split=[leaf for field in schema if (leaf := _float_leaf(field.name, field.type))],
            write_page_checksum=True,
        )
        self._pending: list[Mapping[str, Any]] = []
        self._pending_bytes = 0
        self.rows = 0
        self.unusable: list[dict[str, Any]] = []

    @property
    def report(self) -> ShardReport:
        """What the shard holds once it is closed."""
        path = shard_path(self._place, self._key, self.unusable)
        return ShardReport(path, self._key, self.rows, self.unusable)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row: a value for each column; fixed-size lists take arrays of that size."""
        self._pending.append(row)
        self._pending_bytes += sum(value.nbytes for value in row.values() if isinstance(value, np.ndarray))
        if self._pending_bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def refuse(self, utterance_id: str, path: str, reason: Unusable) -> None:
        """Note an utterance that has no row here, and why."""
        entry = {"utterance_id": utterance_id, "path": path, "reason": str(reason)}
        self.unusable.append(entry | ({"retry": True} if isinstance(reason, Unsteady) else {}))

    def close(self, provenance: Mapping[str, Any]) -> None:
        """Write what is pending and the footer with these JSON facts."""
        self._flush()
        # What was unusable is known only now, so the facts go into the footer and not into the schema.
        text = json.dumps({**provenance, "unusable": self.unusable}, ensure_ascii=False)
        self._parquet.add_key_value_metadata({METADATA_KEY: text})
        self._parquet.close()

    def abandon(self) -> None:
        """Let go of the file, which will not be published."""
        self._parquet.close()

    def _flush(self) -> None:
        if self._pending:
            self._parquet.write_batch(_record_batch(self._pending, self._schema))
            self.rows += len(self._pending)
            self._pending, self._pending_bytes = [], 0


def _float_leaf(path: str, kind: pa.DataType) -> str | None:
    """Parquet's name of the column of floats that a field ends in; None where it does not."""
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _float_leaf(f"{path}.list.element", kind.value_type)
    return path if pa.types.is_floating(kind) else None


def _record_batch(rows: list[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([_array([row[field.name] for row in rows], field.type) for field in schema], schema=schema)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """An Arrow array; vectors are laid end to end instead of going through Python objects."""
    is_fixed = pa.types.is_fixed_size_list(kind)
    if not (is_fixed or (pa.types.is_list(kind) and all(isinstance(value, np.ndarray) for value in values))):
        return pa.array(values, kind)
    vectors = [np.asarray(value, kind.value_type.to_pandas_dtype()).ravel() for value in values]
    if not is_fixed:
        ends = np.cumsum([vector.size for vector in vectors], dtype=np.int32)
        return pa.ListArray.from_arrays(np.append(np.int32(0), ends), pa.array(np.concatenate(vectors)), type=kind)
    for vector in vectors:
        if vector.size != kind.list_size:
            raise ValueError(f"number of values must be {kind.list_size}, not {vector.size}")
    return pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(vectors)), kind.list_size)
