"""A table in shards: Parquet files that are complete or absent, and a manifest that is written last.

<table>/<corpus>/00000.parquet   rows of some hundred utterances; the footer holds the shard's key
<table>/.lock                    held by the run that is at work on the table
<table>/_SUCCESS.json            which shards, with which keys, make the table; without it there is no table
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from fsspec import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from pydantic import TypeAdapter

from semiser.corpora.files import leaves_root
from semiser.errors import Unsteady, Unusable
from semiser.shards.publish import TEMPORARY_SUFFIX, publishing

if TYPE_CHECKING:  # its import loads pandas, which takes a second
    from pyarrow.dataset import Dataset, ParquetFileFragment

logger = logging.getLogger(__name__)
MANIFEST = "_SUCCESS.json"
LOCK = ".lock"
METADATA_KEY = "semiser"
_ROW_GROUP_BYTES = 16 << 20
_claims: dict[str, FileLock] = {}  # of this process


@dataclass(frozen=True)
class ShardReport:
    """A finished shard: its place below the table, key, rows, and the utterances it could not use with the reasons."""

    path: str
    key: str
    rows: int
    unusable: list[dict[str, Any]] = field(default_factory=list)

    @property
    def retry(self) -> bool:
        """Whether there are utterances that the next run is to try again."""
        return any(entry.get("retry") for entry in self.unusable)


_REPORT = TypeAdapter(ShardReport)
_REPORTS = TypeAdapter(list[ShardReport])


@dataclass(frozen=True)
class Receipt:
    """What extraction hands to the table's dataset, which commits it: the table's place, facts and shards in order."""

    table: str
    facts: Mapping[str, Any]
    shards: list[ShardReport]

    @property
    def rows(self) -> int:
        """Rows of the whole table."""
        return sum(shard.rows for shard in self.shards)


class ShardWriter:
    """Rows of one shard, written row group by row group, so that memory is bounded by a row group."""

    def __init__(self, file: IO[bytes], schema: pa.Schema):
        self._schema = schema
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


class ShardedTable:
    """A table in shards at an fsspec path (`data/04_feature/is10`, `s3://bucket/is10`, `memory://is10`)."""

    def __init__(self, path: str):
        self.path = str(path)
        # Listings are not cached: workers, and other runs, write what this process has not seen.
        self._filesystem, self._root = url_to_fs(self.path, use_listings_cache=False)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def claim(self) -> None:
        """Keep other runs away until `commit`, `release` or the end of this process; wait while another has the table.

        Only tables on a disk can be claimed: an object store has no lock that a dead holder loses.
        """
        if not isinstance(self._filesystem, LocalFileSystem) or self._root in _claims:
            return
        Path(self._root).mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._at(LOCK), thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.warning("another run is at work on %s: waiting until it ends", self.path)
            lock.acquire()
        _claims[self._root] = lock

    def release(self) -> None:
        """Give up the claim, if there is one."""
        if lock := _claims.pop(self._root, None):
            lock.release()

    def manifest(self) -> dict[str, Any] | None:
        """The manifest of the committed table, None where there is none or it cannot be read.

        One whose shards lie outside the table is damaged or made by somebody else: it cannot be read either.
        """
        try:
            manifest = json.loads(self._filesystem.cat_file(self._at(MANIFEST)))
            if "family" not in manifest:
                return None
            shards = _REPORTS.validate_python(manifest["shards"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return None if any(leaves_root(shard.path) for shard in shards) else manifest

    def report(self, name: str, key: str, verify: bool = False) -> ShardReport | None:
        """The report of a finished shard from its footer.

        Args:
            name: place below the table.
            key: that it must have.
            verify: read all of it and compare its pages with their checksums, too.

        Returns:
            None where the shard is absent, damaged or has another key.
        """
        try:
            with self._filesystem.open(self._at(name), "rb") as file:
                parquet = pq.ParquetFile(file, page_checksum_verification=verify)
                facts = json.loads((parquet.metadata.metadata or {}).get(METADATA_KEY.encode(), b"{}"))
                if facts["key"] != key:
                    return None
                for _ in parquet.iter_batches() if verify else ():
                    pass
                found = {"path": name, "key": key, "rows": parquet.metadata.num_rows, "unusable": facts["unusable"]}
                return _REPORT.validate_python(found)
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, RecursionError) as error:
            logger.warning("shard %s is damaged and is computed again: %s", self._at(name), error)
            return None

    @contextmanager
    def shard(self, name: str, schema: pa.Schema, provenance: Mapping[str, Any]) -> Iterator[ShardWriter]:
        """A writer for the shard `<corpus>/<number>.parquet`, published when the block ends without an error.

        Args:
            name: place below the table.
            schema: columns.
            provenance: JSON facts for the footer, among them `key`.
        """
        with publishing(self._filesystem, self._at(name)) as file:
            writer = ShardWriter(file, schema)
            try:
                yield writer
                writer.close(provenance)
            except BaseException:
                writer.abandon()
                raise

    def open_for_work(self) -> None:
        """Withdraw the manifest and sweep what a killed run left: from here until `commit` there is no table."""
        if self._filesystem.exists(self._at(MANIFEST)):
            self._filesystem.rm_file(self._at(MANIFEST))
        self._sweep()

    def _sweep(self) -> None:
        """Remove the files that killed workers did not finish; an upload that was cut off leaves no object."""
        if isinstance(self._filesystem, LocalFileSystem):
            for leftover in self._filesystem.glob(f"{self._root}/**/*{TEMPORARY_SUFFIX}"):
                self._filesystem.rm_file(leftover)

    def commit(self, receipt: Receipt) -> None:
        """Publish the manifest, remove shards of the same corpora that are no longer part, and give up the claim."""
        self._sweep()
        keep = {self._at(shard.path) for shard in receipt.shards}
        for corpus in {shard.path.rsplit("/", 1)[0] for shard in receipt.shards}:
            for path in self._filesystem.glob(f"{self._root}/{corpus}/*.parquet"):
                if path not in keep:
                    self._filesystem.rm_file(path)
        manifest = {**receipt.facts, "rows": receipt.rows, "shards": [asdict(shard) for shard in receipt.shards]}
        with publishing(self._filesystem, self._at(MANIFEST)) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=1).encode())
        self.release()

    def dataset(self) -> "Dataset":
        """The committed table as a pyarrow dataset: nothing is read yet.

        Raises:
            FileNotFoundError: there is no complete table here.
        """
        from pyarrow.dataset import ParquetFileFormat, ParquetFragmentScanOptions, dataset

        manifest = self.manifest()
        if manifest is None:
            raise FileNotFoundError(
                f"no complete table at {self.path} (no {MANIFEST}, or a damaged one): "
                "`kedro run --pipelines=features` makes it"
            )
        if not manifest["shards"]:
            raise FileNotFoundError(
                f"the table at {self.path} has no shard: switch its family on (features.{manifest.get('family')}) for "
                "at least one corpus and run `kedro run --pipelines=features`"
            )
        filesystem = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self._filesystem))
        paths = [self._at(shard["path"]) for shard in manifest["shards"]]
        checked = ParquetFragmentScanOptions(page_checksum_verification=True)
        return dataset(paths, format=ParquetFileFormat(default_fragment_scan_options=checked), filesystem=filesystem)


def footer_facts(shard: "ParquetFileFragment") -> dict[str, Any]:
    """What the footer of a shard says: family, version, options, key, libraries and what was unusable."""
    return json.loads((shard.metadata.metadata or {}).get(METADATA_KEY.encode(), b"{}"))


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
