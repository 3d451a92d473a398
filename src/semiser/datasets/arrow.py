"""An Arrow table in one Parquet file: schema metadata survives, and a half-written file never counts."""

from pathlib import PurePosixPath
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import url_to_fs
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from semiser.publish import publishing
from semiser.shards.utterances import UtteranceFile

_WRITTEN: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}


class ArrowDataset(AbstractDataset[pa.Table | pa.RecordBatchReader, pa.Table]):
    """Loads and saves a `pyarrow.Table`; what comes in batches is saved as it comes, a row group each.

    kedro-datasets' ParquetDataset goes through pandas, which drops the schema's metadata (label scales, protocol),
    and a kill while it saves leaves a truncated file that exists.
    """

    def __init__(self, *, filepath: str, made_by: str | None = None, metadata: dict[str, Any] | None = None):
        """Args:
        filepath: fsspec path of the Parquet file.
        made_by: command that makes the file, named in the error where it is missing.
        metadata: for kedro-viz and other plugins.
        """
        self._path, self._made_by, self.metadata = filepath, made_by, metadata
        self._filesystem, self._root = url_to_fs(filepath)

    def load(self) -> pa.Table:
        """The whole table.

        Raises:
            DatasetError: there is none, or it is damaged.
        """
        with self._open() as file:
            try:
                return pq.read_table(file, page_checksum_verification=True)
            except (OSError, pa.ArrowException) as error:
                made_anew = f": `{self._made_by}` makes it anew" if self._made_by else ""
                raise DatasetError(f"the file {self._path} is damaged ({error}){made_anew}") from error

    def save(self, data: pa.Table | pa.RecordBatchReader) -> None:
        """Publish the table under its name once it is complete."""
        with publishing(self._filesystem, self._root) as file:
            if isinstance(data, pa.Table):
                pq.write_table(data, file, **_WRITTEN)
                return
            with pq.ParquetWriter(file, data.schema, **_WRITTEN) as writer:
                for batch in data:
                    writer.write_batch(batch)

    def preview(self, nrows: int = 40) -> TablePreview:
        """The first rows for kedro-viz."""
        with self._filesystem.open(self._root, "rb") as file:
            batch = next(pq.ParquetFile(file).iter_batches(nrows), None)
        return table_preview(batch)

    def _open(self) -> IO[bytes]:
        if not self._exists():
            hint = f"; `{self._made_by}` makes it" if self._made_by else ""
            raise DatasetError(f"no file {self._path}{hint}")
        return self._filesystem.open(self._root, "rb")

    def _exists(self) -> bool:
        return self._filesystem.exists(self._root)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": PurePosixPath(self._path)}


class UtteranceFileDataset(ArrowDataset):
    """The table of utterances: saved in batches, loaded as a file that nodes read in batches or whole."""

    def load(self) -> UtteranceFile:
        """The open file; nothing but its footer is read yet."""
        return UtteranceFile(self._open())


def table_preview(batch: pa.RecordBatch | None, longest: int = 8) -> dict[str, Any]:
    """Rows as kedro-viz shows a table; long vectors are cut, so that every cell is small and JSON-safe."""
    if batch is None:
        return {"index": [], "columns": [], "data": []}
    cells = [[_cell(value.as_py(), longest) for value in column] for column in batch.columns]
    return {"index": list(range(batch.num_rows)), "columns": batch.schema.names, "data": list(zip(*cells, strict=True))}


def _cell(value: Any, longest: int) -> Any:
    if isinstance(value, list):
        shown = ", ".join(str(_cell(item, longest)) for item in value[:longest])
        return f"[{shown}, ... {len(value)} values]" if len(value) > longest else f"[{shown}]"
    if isinstance(value, float):
        return float(f"{value:.5g}") if value == value and abs(value) != float("inf") else str(value)
    return value
