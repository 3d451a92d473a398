"""kedro-datasets' datasets whose files are complete or absent: what they write is published once it is whole."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import pandas as pd
from fsspec import AbstractFileSystem
from kedro.io.core import get_filepath_str
from kedro_datasets import pandas, text

from semiser.publish import publishing

# What a spreadsheet program takes for the beginning of a formula (OWASP, "CSV Injection"), unless it is a number.
_FORMULA = re.compile(r"(?![-+]?[\d.,]+(?:[eE][-+]?\d+)?%?$)[=+\-@\t\r]")


class _Whole:
    """A filesystem whose files appear under their names when they are closed without an error."""

    def __init__(self, filesystem: AbstractFileSystem):
        self._filesystem = filesystem

    def __getattr__(self, name: str) -> Any:
        if name == "_filesystem":  # not there yet: it is being copied
            raise AttributeError(name)
        return getattr(self._filesystem, name)

    def open(self, path: str, mode: str = "rb", **arguments: Any) -> Any:
        """As the filesystem's own; a file that is written is a context manager and nothing else."""
        if "w" not in mode:
            return self._filesystem.open(path, mode=mode, **arguments)
        return _written(self._filesystem, path, "b" in mode, arguments)


@contextmanager
def _written(filesystem: AbstractFileSystem, path: str, binary: bool, arguments: dict[str, Any]) -> Iterator[IO[Any]]:
    with publishing(filesystem, path) as file:
        if binary:
            yield file
            return
        lines = io.TextIOWrapper(file, arguments.get("encoding") or "utf-8", newline=arguments.get("newline", ""))
        yield lines
        lines.flush()
        lines.detach()


class _Published:
    """Mixed in before a dataset of kedro-datasets that writes by its `_fs`."""

    _fs: Any

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._fs = _Whole(self._fs)


class TextDataset(_Published, text.TextDataset):
    """A text."""


class TableDataset(_Published, pandas.CSVDataset):
    """A data frame as CSV, in which no text begins a formula of a spreadsheet program: a `'` stands before it."""

    def save(self, data: pd.DataFrame) -> None:
        """Publish the table once it is complete."""
        path, safe = get_filepath_str(self._get_save_path(), self._protocol), without_formulas(data)
        arguments = dict(self._save_args)
        if any("\r" in str(value) for name in _texts(safe) for value in safe[name]):
            arguments["quoting"] = csv.QUOTE_NONNUMERIC  # pandas quotes no carriage return, which ends a line elsewhere
        with self._fs.open(path, **self._fs_open_args_save) as file:
            safe.to_csv(file, **arguments)
        self._invalidate_cache()


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a `'` before every text that a spreadsheet program would evaluate; numbers stay as they are."""
    safe = {name: table[name].map(_safe).where(table[name].notna()) for name in _texts(table)}
    return table.assign(**safe).rename(columns=_safe)


def _texts(table: pd.DataFrame) -> list[Any]:
    return list(table.select_dtypes(include=["object", "string", "category"]).columns)


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
