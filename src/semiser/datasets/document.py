"""A small JSON document, complete or absent, which may be optional."""

import json
from pathlib import PurePosixPath
from typing import Any

from fsspec import url_to_fs
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from semiser.publish import publishing


class DocumentDataset(AbstractDataset[Any, Any]):
    """Loads and saves what JSON can hold.

    kedro-datasets' JSONDataset fails where there is no file; the report shows what is there and leaves out the rest.
    """

    def __init__(
        self,
        *,
        filepath: str,
        optional: bool = False,
        made_by: str | None = None,
        metadata: dict[str, Any] | None = None,
    ):
        """Args:
        filepath: fsspec path of the file.
        optional: a file that is not there loads as None.
        made_by: command that makes the file, named in the error where it is missing.
        metadata: for kedro-viz and other plugins.
        """
        self._path, self._optional, self._made_by, self.metadata = filepath, optional, made_by, metadata
        self._filesystem, self._root = url_to_fs(filepath)

    def load(self) -> Any:
        """The document, None where it is optional and absent."""
        if self._exists():
            return json.loads(self._filesystem.cat_file(self._root))
        if self._optional:
            return None
        hint = f"; `{self._made_by}` makes it" if self._made_by else ""
        raise DatasetError(f"no file {self._path}{hint}")

    def save(self, data: Any) -> None:
        """Publish the document under its name once it is complete."""
        with publishing(self._filesystem, self._root) as file:
            file.write(json.dumps(data, ensure_ascii=False, indent=1).encode())

    def preview(self) -> JSONPreview:
        """The whole document for kedro-viz."""
        return JSONPreview(json.dumps(self.load(), ensure_ascii=False))

    def _exists(self) -> bool:
        return self._filesystem.exists(self._root)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": PurePosixPath(self._path)}
