"""The table of utterances as a Parquet file, read shard by shard where it need not be held."""

from collections.abc import Iterator
from functools import cache
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_ROW_GROUP_ROWS = 5_000


class UtteranceFile:
    """Utterances in a Parquet file as ingest writes it: row groups of one corpus each, in the order of ids.

    What is kept is the footer, some bytes an utterance; a row group at a time is read.
    """

    def __init__(self, file: IO[bytes] | pa.NativeFile):
        """Args:
        file: opened, and open as long as this is in use.

        Raises:
            ValueError: a row group has utterances of several corpora.
        """
        self._parquet = pq.ParquetFile(file, page_checksum_verification=True)
        self._leaves = {leaf.path: place for place, leaf in enumerate(self._parquet.schema)}
        self._groups: dict[str, list[int]] = {}
        for number in range(self._parquet.num_row_groups):
            corpus = self._column(number, "corpus").statistics
            if corpus.min != corpus.max:
                raise ValueError(f"utterances: rows of {corpus.min} and {corpus.max} in one row group: ingest again")
            self._groups.setdefault(corpus.min, []).append(number)

    @classmethod
    def in_memory(cls, utterances: pa.Table) -> "UtteranceFile":
        """A table of utterances, in any order, as such a file."""
        ordered = utterances.sort_by([("corpus", "ascending"), ("utterance_id", "ascending")])
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, ordered.schema) as writer:
            for corpus in ordered["corpus"].unique():
                rows = ordered.filter(pc.equal(ordered["corpus"], corpus))
                writer.write_table(rows, _ROW_GROUP_ROWS)
        return cls(pa.BufferReader(sink.getvalue()))

    @property
    def corpora(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self._groups)

    def count(self, corpus: str) -> int:
        """Utterances of a corpus."""
        return sum(self._parquet.metadata.row_group(number).num_rows for number in self._groups[corpus])

    def nulls(self, corpus: str, column: str) -> int:
        """Utterances of a corpus that a column says nothing of."""
        return sum(self._column(number, column).statistics.null_count for number in self._groups[corpus])

    def lacks(self, corpus: str, column: str) -> bool:
        """Whether a column of a corpus holds nothing but nulls."""
        return self.nulls(corpus, column) == self.count(corpus)

    def shards(self, corpus: str, size: int) -> Iterator[pa.Table]:
        """The utterances of a corpus in the order of their ids, so many at a time, the last fewer.

        Raises:
            ValueError: the ids are not in order.
        """
        held = self._parquet.schema_arrow.empty_table()
        last = ""
        for number in self._groups[corpus]:
            group = self._held(number)
            last = _check_order(group["utterance_id"], last)
            held = pa.concat_tables([held, group])
            while held.num_rows >= size:
                yield held.slice(0, size)
                held = held.slice(size)
        if held.num_rows:
            yield held

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Some columns of all utterances, or the whole table; a column that holds nothing takes next to nothing."""
        schema = self._parquet.schema_arrow
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns], schema.metadata)
        groups = [self._read_group(number, schema) for number in range(self._parquet.num_row_groups)]
        return pa.concat_tables(groups) if groups else schema.empty_table()

    def _read_group(self, number: int, schema: pa.Schema) -> pa.Table:
        """A row group, whose columns of nothing but nulls are not read: they are the same nulls in every group."""
        empty = {name for name in schema.names if self._is_empty(number, name)}
        held = self._held(number, [name for name in schema.names if name not in empty])
        rows = self._parquet.metadata.row_group(number).num_rows
        arrays = [
            self._nulls(rows, field.type) if field.name in empty else held[field.name].combine_chunks()
            for field in schema
        ]
        return pa.table(arrays, schema=schema)

    def _held(self, number: int, columns: list[str] | None = None) -> pa.Table:
        try:
            return self._parquet.read_row_group(number, columns)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"utterances: the table is damaged ({error}): ingest again") from error

    def _is_empty(self, number: int, name: str) -> bool:
        """Whether a row group's column is known to hold nothing but nulls; lists are not asked."""
        if name not in self._leaves:
            return False
        found = self._column(number, name)
        return found.statistics is not None and found.statistics.null_count == found.num_values

    @cache  # noqa: B019 as long as the file is open
    def _nulls(self, rows: int, kind: pa.DataType) -> pa.Array:
        return pa.nulls(rows, kind)

    def _column(self, group: int, name: str) -> pq.ColumnChunkMetaData:
        return self._parquet.metadata.row_group(group).column(self._leaves[name])


def _check_order(ids: pa.ChunkedArray, last: str) -> str:
    """The last of some ids, which must follow each other and an earlier one."""
    ids = pa.concat_arrays([pa.array([last]), *ids.chunks])
    if not pc.all(pc.less_equal(ids[:-1], ids[1:])).as_py():
        raise ValueError("utterances: the ids of a corpus are not in order: ingest again")
    return ids[-1].as_py()
