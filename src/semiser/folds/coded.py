"""Columns of names as integer codes, which numpy compares and counts."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ABSENT = -1  # the code of what is missing: a null in a column, a row that is not in a fold


@dataclass(frozen=True)
class Coded:
    """A column as codes into its names.

    Attributes:
        codes: int64 of shape (N,), ABSENT where the column is null.
        names: the name of each code.
    """

    codes: np.ndarray
    names: list[str]


def encode_column(table: pa.Table, name: str) -> Coded:
    """The codes of a table's column; all ABSENT where the table has no such column."""
    if name not in table.column_names:
        return Coded(np.full(len(table), ABSENT), [])
    return encode(table[name])


def encode(column: pa.Array | pa.ChunkedArray) -> Coded:
    """The codes of a column into its sorted names."""
    names = pc.unique(column).drop_null()
    names = names.take(pc.sort_indices(names))
    codes = pc.fill_null(pc.index_in(column, value_set=names), ABSENT)
    return Coded(to_numpy(codes).astype(np.int64), names.to_pylist())


def to_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A column as numpy array, copied where need be."""
    if isinstance(column, pa.ChunkedArray):
        return column.to_numpy()
    return column.to_numpy(zero_copy_only=False)
