"""Rows of a feature table for training: read a few megabytes at a time, straight into the place where they stay."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

_BATCH_BYTES = 4 << 20
_BUFFER_BYTES = 1 << 20


def read_rows(
    table: pa.dataset.Dataset, columns: Sequence[str], utterance_ids: Sequence[str]
) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
    """The rows of some utterances, in the order of the table.

    A shard is decoded batch by batch, so no more than a batch of some megabytes is held, whatever the size of its row
    groups.

    Args:
        table: feature table with `utterance_id`.
        columns: which of its columns.
        utterance_ids: utterances whose rows are wanted.

    Returns:
        Pairs of a batch of rows, which has the columns, and the number of each row's utterance, int64 of shape (rows,).

    Raises:
        OSError: a shard is damaged.
    """
    place = {name: number for number, name in enumerate(utterance_ids)}
    for batch in _batches(table, ["utterance_id", *columns]):
        numbers = np.array([place.get(name, -1) for name in batch["utterance_id"].to_pylist()], np.int64)
        kept = np.flatnonzero(numbers >= 0)
        if len(kept) == len(numbers):
            yield batch, numbers
        elif len(kept):
            yield batch.take(pa.array(kept)), numbers[kept]


def sample_places(
    table: pa.dataset.Dataset, column: str, utterance_ids: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows of some utterances stand when they are put in order by utterance. Only the ids are read.

    Args:
        table: feature table; an utterance may have several rows.
        column: what is read of it, for the message.
        utterance_ids: utterances whose rows are wanted.

    Returns:
        The place of each wanted row in the order of the table, and the utterance's number at each place, int64 of shape
        (M,) both.

    Raises:
        KeyError: an utterance has no row in the table.
    """
    numbers = [np.empty(0, np.int64), *(numbers for _, numbers in read_rows(table, [], utterance_ids))]
    utterance = np.concatenate(numbers)
    if len(missing := np.setdiff1d(np.arange(len(utterance_ids)), utterance)):
        raise KeyError(f"{len(missing)} utterances have no {column}, the first is {utterance_ids[missing[0]]}")
    order = np.argsort(utterance, kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places, utterance[order]


def in_batches(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Arrays (rows, ...) that come one after the other, cut into batches of so many rows; the last may be smaller."""
    waiting: list[np.ndarray] = []
    for values in parts:
        while (missing := size - sum(map(len, waiting))) <= len(values):
            yield np.concatenate([*waiting, values[:missing]])
            waiting, values = [], values[missing:]
        waiting.append(values)
    if any(map(len, waiting)):
        yield np.concatenate(waiting)


def _batches(table: pa.dataset.Dataset, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for fragment in table.get_fragments():
        if isinstance(fragment, pa.dataset.ParquetFileFragment):
            yield from _decoded(fragment, columns)
        else:  # lies in memory
            yield from fragment.to_batches(columns=columns)


def _decoded(shard: pa.dataset.ParquetFileFragment, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """A scan of the dataset would decode whole row groups, which takes several times their size."""
    opened = partial(pq.ParquetFile, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
    with shard.open() as file, opened(file) as parquet:
        groups = [parquet.metadata.row_group(number) for number in range(parquet.num_row_groups)]
        size = max(1, sum(group.total_byte_size for group in groups))
        rows = max(1, _BATCH_BYTES * parquet.metadata.num_rows // size)
        yield from parquet.iter_batches(rows, columns=columns, use_threads=False)
