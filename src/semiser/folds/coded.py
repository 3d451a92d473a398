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
    names = pc.cast(pc.unique(column).drop_null(), pa.string())
    names = names.take(pc.sort_indices(names))
    codes = pc.fill_null(pc.index_in(column, value_set=names), ABSENT)
    return Coded(to_numpy(codes).astype(np.int64), names.to_pylist())


def split_names(column: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """A column's names in no order, and the place among them of each of its values: without a copy where it is
    dictionary-encoded and all chunks have the same names.
    """
    column = column.dictionary_encode()
    names = [chunk.dictionary for chunk in column.chunks]
    if any(not each.equals(names[0]) for each in names[1:]):
        return split_names(column.unify_dictionaries())
    if not names:
        return pa.array([], column.type.value_type), pa.array([], column.type.index_type)
    return names[0], pa.concat_arrays([chunk.indices for chunk in column.chunks])


def to_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A column as numpy array, copied where need be."""
    if isinstance(column, pa.ChunkedArray):
        return column.to_numpy()
    return column.to_numpy(zero_copy_only=False)
