"""Folders that nodes work in, and the sharded feature tables of an experiment."""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from semiser.datasets.arrow import table_preview
from semiser.shards.table import Receipt, ShardedTable

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


class FolderDataset(AbstractDataset[None, str]):
    """A folder that nodes work in fold by fold (models): loads as its path."""

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None):
        """Args:
        path: path of the folder.
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
    """An experiment's feature table: `save` commits the receipt of finished work, `load` gives a pyarrow dataset."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Args:
        filepath: fsspec path of the table's manifest.
        metadata: for kedro-viz and other plugins.
        """
        self._table, self.metadata = ShardedTable(filepath), metadata

    def load(self) -> "Dataset | None":
        """The committed table; nothing is read yet. None where its family is switched off."""
        if self._is_off():
            return None
        try:
            return self._table.dataset()
        except FileNotFoundError as error:
            raise DatasetError(str(error)) from error

    def save(self, data: Receipt) -> None:
        """Write the manifest, last of all."""
        self._table.commit(data)

    def withdraw(self) -> None:
        """Remove the manifest: there is no table until one is saved."""
        self._table.withdraw()

    def preview(self, nrows: int = 5) -> TablePreview:
        """A few rows of the first shard for kedro-viz; none of a family that is switched off."""
        try:
            table = self._table.dataset()
        except FileNotFoundError:
            return table_preview(None)
        return table_preview(next(iter(table.scanner(batch_size=nrows).to_batches()), None))

    def _is_off(self) -> bool:
        return (self._table.manifest() or {}).get("shards") == []

    def _exists(self) -> bool:
        return self._table.manifest() is not None

    def _describe(self) -> dict[str, Any]:
        return {"filepath": PurePosixPath(self._table.path)}
