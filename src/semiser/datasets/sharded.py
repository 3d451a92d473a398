"""Work that grows in a folder, and the sharded feature table that finished work becomes."""

from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from semiser.datasets.arrow import table_preview
from semiser.shards.store import Receipt, ShardedTable

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


class FolderDataset(AbstractDataset[None, str]):
    """A folder that nodes work in shard by shard or fold by fold (feature tables, models): loads as its path."""

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None):
        """Args:
        path: path of the folder; an fsspec path for feature tables.
        metadata: for kedro-viz and other plugins.
        """
        self._path, self.metadata = path, metadata

    def load(self) -> str:
        """The folder's path."""
        return self._path

    def save(self, data: Any) -> None:
        """Nothing is saved here: what is in the folder has its own datasets."""
        raise DatasetError(f"the folder {self._path} is an input of nodes, not an output")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": self._path}


class ShardedTableDataset(AbstractDataset[Receipt, "Dataset | None"]):
    """A feature table in shards: `save` commits the receipt of finished work, `load` gives a pyarrow dataset."""

    def __init__(self, *, path: str, optional: bool = False, metadata: dict[str, Any] | None = None):
        """Args:
        path: fsspec path of the table's folder.
        optional: a table whose family was switched off loads as None, for nodes that can do without it.
        metadata: for kedro-viz and other plugins.
        """
        self._table, self._optional, self.metadata = ShardedTable(path), optional, metadata

    def load(self) -> "Dataset | None":
        """The committed table; nothing is read yet. None where it is optional and switched off."""
        if self._optional and (self._table.manifest() or {}).get("shards") == []:
            return None
        try:
            return self._table.dataset()
        except FileNotFoundError as error:
            raise DatasetError(str(error)) from error

    def save(self, data: Receipt) -> None:
        """Write the manifest, last of all."""
        if data.table.rstrip("/") != self._table.path.rstrip("/"):
            raise DatasetError(f"the receipt is for the table at {data.table}, this dataset is at {self._table.path}")
        self._table.commit(data)

    def preview(self, nrows: int = 5) -> TablePreview:
        """A few rows of the first shard for kedro-viz; none of a family that is switched off."""
        try:
            table = self._table.dataset()
        except FileNotFoundError:
            return table_preview(None)
        return table_preview(next(iter(table.scanner(batch_size=nrows).to_batches()), None))

    def _exists(self) -> bool:
        return self._table.manifest() is not None

    def _describe(self) -> dict[str, Any]:
        return {"path": self._table.path}
