"""Batches of samples that need not fit in memory: row groups of a feature table, shuffled block by block."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from torch import Tensor

from semiser.training.samples import FitFrames, matrices


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        x: feature column to its samples, float32 of shape (B, ...), on the CPU.
        utterance: number of each sample's utterance in the stream's ids, int64 of shape (B,).
    """

    x: Mapping[str, Tensor]
    utterance: Tensor


@dataclass(frozen=True)
class _Group:
    """A row group that holds wanted rows: where it is, which rows, and their utterances."""

    fragment: pa.dataset.Fragment
    rows: np.ndarray
    utterance: np.ndarray


class SampleStream:
    """The samples of some utterances, in an order drawn from a seed, with bounded memory.

    An epoch takes the row groups in random order, a block of at least `block_rows` rows at a time. The rows of a block
    are shuffled and cut into batches while a thread reads the next block; what does not fill a batch is carried into
    the next block. A table that fits in one block is read once and kept: its shuffle is complete.
    """

    def __init__(
        self,
        table: pa.dataset.Dataset,
        columns: Sequence[str],
        utterance_ids: Sequence[str],
        fit_frames: FitFrames | None = None,
        block_rows: int = 8192,
    ):
        """Args:
        table: feature table.
        columns: its columns of samples.
        utterance_ids: utterances whose rows are taken.
        fit_frames: makes matrices of one shape where lengths differ.
        block_rows: rows that are shuffled with each other; two blocks are held at a time.
        """
        self._schema, self._columns, self._fit_frames = table.schema, list(columns), fit_frames
        self._groups = list(_groups(table, utterance_ids))
        self._block_rows = block_rows

    def __len__(self) -> int:
        """Samples of an epoch."""
        return sum(len(group.rows) for group in self._groups)

    def batches(self, batch_size: int, seed: int, epoch: int = 0, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch; the last may be smaller.

        Args:
            batch_size: samples of a batch.
            seed, epoch: what the order is drawn from.
            first: number of the first batch wanted: a resumed epoch goes on there without reading what went before.
        """
        blocks = self._blocks(np.random.default_rng([seed, epoch]).permutation(len(self._groups)))
        ends = np.cumsum([0, *(sum(len(group.rows) for group in block) for block in blocks)])
        done = max(0, int(np.searchsorted(ends, first * batch_size, side="right")) - 1)  # blocks before that batch
        shuffled = (
            (block, torch.from_numpy(np.random.default_rng([seed, epoch, number]).permutation(len(block.utterance))))
            for number, block in enumerate(self._read_ahead(blocks[done:]), start=done)
        )
        return _cut(shuffled, batch_size, skipped=first * batch_size - int(ends[done]))

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Every sample once, in the order of the table."""
        blocks = self._read_ahead(self._blocks(np.arange(len(self._groups))))
        return _cut(((block, torch.arange(len(block.utterance))) for block in blocks), batch_size)

    def _blocks(self, order: np.ndarray) -> list[list[_Group]]:
        """Row groups cut into blocks: in this order, or all in one where they fit."""
        if len(self) <= self._block_rows:
            return [self._groups] if self._groups else []
        blocks, rows = [], self._block_rows
        for place in order:
            if rows >= self._block_rows:
                blocks.append([])
                rows = 0
            blocks[-1].append(self._groups[place])
            rows += len(self._groups[place].rows)
        return blocks

    def _read_ahead(self, blocks: list[list[_Group]]) -> Iterator[Batch]:
        """The blocks, each read while the one before it is in use."""
        if blocks == [self._groups]:
            yield self._whole
            return
        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(self._read, blocks[0]) if blocks else None
            for following in [*blocks[1:], None][: len(blocks)]:
                ready = coming.result()
                coming = reader.submit(self._read, following) if following else None
                yield ready

    @cached_property
    def _whole(self) -> Batch:
        return self._read(self._groups)

    def _read(self, groups: list[_Group]) -> Batch:
        parts = {name: [] for name in self._columns}
        for group in groups:
            table = group.fragment.to_table(schema=self._schema, columns=self._columns).take(pa.array(group.rows))
            batch = table.combine_chunks().to_batches()[0]
            for name in self._columns:
                parts[name].append(matrices(batch, self._schema.field(name), self._fit_frames))
        x = {name: torch.from_numpy(np.concatenate(values)) for name, values in parts.items()}
        return Batch(x, torch.from_numpy(np.concatenate([group.utterance for group in groups])))


def _groups(table: pa.dataset.Dataset, utterance_ids: Sequence[str]) -> Iterator[_Group]:
    """The row groups that hold rows of the given utterances; only the ids are read."""
    place = {name: number for number, name in enumerate(utterance_ids)}
    for shard in table.get_fragments():
        for fragment in shard.split_by_row_group():
            names = fragment.to_table(schema=table.schema, columns=["utterance_id"])["utterance_id"].to_pylist()
            utterance = np.array([place.get(name, -1) for name in names], np.int64)
            rows = np.flatnonzero(utterance >= 0)
            if len(rows):
                yield _Group(fragment, rows, utterance[rows])


def _cut(blocks: Iterator[tuple[Batch, Tensor]], batch_size: int, skipped: int = 0) -> Iterator[Batch]:
    """Batches of one size and a smaller last one.

    Args:
        blocks: one after the other, each with the order of its rows.
        batch_size: samples of a batch.
        skipped: rows that are left out at the beginning.
    """
    carried = None
    for block, order in blocks:
        order, skipped = order[skipped:], max(0, skipped - len(order))
        if carried is not None:
            missing = batch_size - len(carried.utterance)
            carried, order = _joined(carried, _take(block, order[:missing])), order[missing:]
            if len(carried.utterance) < batch_size:
                continue
            yield carried
        whole = len(order) // batch_size * batch_size
        for rows in order[:whole].split(batch_size) if whole else ():
            yield _take(block, rows)
        carried = _take(block, order[whole:]) if whole < len(order) else None
    if carried is not None:
        yield carried


def _take(batch: Batch, rows: Tensor) -> Batch:
    return Batch({name: values[rows] for name, values in batch.x.items()}, batch.utterance[rows])


def _joined(first: Batch, second: Batch) -> Batch:
    x = {name: torch.cat([values, second.x[name]]) for name, values in first.x.items()}
    return Batch(x, torch.cat([first.utterance, second.utterance]))
