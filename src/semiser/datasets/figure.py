"""A figure of matplotlib as two files: PNG for previews, SVG for the report."""

import hashlib
from pathlib import PurePosixPath
from typing import Any, NoReturn

from fsspec import url_to_fs
from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import ImagePreview
from matplotlib.figure import Figure

from semiser.publish import publishing


class FigureDataset(AbstractDataset[Figure, NoReturn]):
    """Saves a figure under two names, `<name>.png` and `<name>.svg`, each complete or absent.

    The PNG says which SVG it shows. Where both are there and the SVG would be the same, the PNG, which takes three
    times as long to draw, is not drawn again.
    """

    def __init__(self, *, filepath: str, dpi: int = 150, metadata: dict[str, Any] | None = None):
        """Args:
        filepath: fsspec path of the PNG.
        dpi: its dots per inch.
        metadata: for kedro-viz and other plugins.
        """
        self._path, self._dpi, self.metadata = filepath, dpi, metadata
        self._filesystem, self._root = url_to_fs(filepath)

    def load(self) -> NoReturn:
        """A figure is no input."""
        raise DatasetError(f"{self._path} is a picture, which is not read again")

    def save(self, data: Figure) -> None:
        """Publish both files."""
        from semiser.evaluation.vector import as_svg_file

        svg, path = as_svg_file(data).encode(), f"{self._root.removesuffix('.png')}.svg"
        shown = f"{hashlib.sha256(svg).hexdigest()} at {self._dpi} dpi"
        if svg == self._found(path) and shown.encode() in self._found(self._root):
            return
        with publishing(self._filesystem, path) as file:
            file.write(svg)
        with publishing(self._filesystem, self._root) as file:
            data.savefig(file, format="png", dpi=self._dpi, metadata={"Source": shown})

    def preview(self) -> ImagePreview:
        """The PNG for kedro-viz."""
        from base64 import b64encode

        return ImagePreview(b64encode(self._filesystem.cat_file(self._root)).decode())

    def _found(self, path: str) -> bytes:
        return self._filesystem.cat_file(path) if self._filesystem.exists(path) else b""

    def _exists(self) -> bool:
        return self._filesystem.exists(self._root)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": PurePosixPath(self._path)}
