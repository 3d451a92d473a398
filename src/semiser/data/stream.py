"""Batches of samples that need not fit in memory: row groups of a feature table, shuffled block by block."""

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from torch import Tensor

from semiser.data.samples import FitFrames, matrices
from semiser.devices import sent
from semiser.shards.store import METADATA_KEY

_READERS = min(8, os.cpu_count() or 1)


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

    def only(self, kept: np.ndarray) -> Self:
        """The rows that are marked."""
        return replace(self, rows=self.rows[kept], utterance=self.utterance[kept])


class _Beside:
    """A column of a table with one row per utterance, which is put beside the samples of another table."""

    def __init__(self, table: pa.dataset.Dataset, column: str, utterance_ids: Sequence[str]):
        self._schema, self._column = table.schema, column
        self._groups = list(_groups(table, utterance_ids))
        self._place = np.full((2, len(utterance_ids)), -1, np.int64)  # row group of each utterance, and row among ours
        for number, group in enumerate(self._groups):
            self._place[:, group.utterance] = np.stack([np.full(len(group.rows), number), np.arange(len(group.rows))])

    def require(self, utterances: np.ndarray, utterance_ids: Sequence[str]) -> None:
        missing = utterances[self._place[0, utterances] < 0]
        if len(missing):
            raise KeyError(
                f"{len(missing)} utterances have no {self._column}, the first is {utterance_ids[missing[0]]}"
            )

    def groups_of(self, utterances: np.ndarray) -> list[_Group]:
        return [self._groups[number] for number in np.unique(self._place[0, utterances])]

    def read(self, utterances: np.ndarray) -> np.ndarray:
        """Values of these utterances, in this order; tables of the same order share most of their row groups."""
        numbers, rows = self._place[:, utterances]
        needed = np.unique(numbers)
        found = _read_groups([self._groups[number] for number in needed], self._schema, [self._column], None)
        start = np.zeros(len(self._groups), np.int64)  # of each row group in what was found
        start[needed] = np.cumsum([0, *(len(self._groups[number].rows) for number in needed[:-1])])
        return found[self._column][start[numbers] + rows]


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
        beside: Mapping[str, pa.dataset.Dataset] | None = None,
    ):
        """Args:
        table: feature table.
        columns: its columns of samples.
        utterance_ids: utterances whose rows are taken.
        fit_frames: makes matrices of one shape where lengths differ.
        block_rows: rows that are shuffled with each other; two blocks are held at a time.
        beside: further columns, each with a table that has one row per utterance. Rows are joined by utterance, so
            that quarantined rows may differ; tables whose rows have the same order are read once.
        """
        self._schema, self._columns, self._fit_frames = table.schema, list(columns), fit_frames
        self._ids, self._groups = utterance_ids, list(_groups(table, utterance_ids))
        self._beside = {column: _Beside(other, column, utterance_ids) for column, other in (beside or {}).items()}
        self.block_rows = block_rows

    def __len__(self) -> int:
        """Samples of an epoch."""
        return sum(len(group.rows) for group in self._groups)

    def only(self, utterances: np.ndarray) -> Self:
        """The stream of some utterances alone.

        Args:
            utterances: their numbers in the stream's ids.

        Raises:
            KeyError: one of them has no sample, or no row in a table beside.
        """
        wanted = np.zeros(len(self._ids), bool)
        wanted[utterances] = True
        parts = [group.only(wanted[group.utterance]) for group in self._groups]
        chosen = copy.copy(self)
        chosen._groups = [part for part in parts if len(part.rows)]
        chosen.__dict__.pop("_whole", None)
        missing = np.setdiff1d(utterances, chosen.utterances)
        if len(missing):
            named = f"{', '.join(self._columns)}, the first is {self._ids[missing[0]]}"
            raise KeyError(f"{len(missing)} utterances have no {named}")
        for other in self._beside.values():
            other.require(utterances, self._ids)
        return chosen

    @property
    def utterances(self) -> np.ndarray:
        """Numbers of the utterances that have samples here, sorted."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *(group.utterance for group in self._groups)]))

    def keys(self) -> list[str]:
        """The keys of all shards that are read from (`semiser.shards.store`), which change when their values do."""
        groups = [self._groups, *(other.groups_of(self.utterances) for other in self._beside.values())]
        return [_key(path, group) for of in groups for path, group in {g.fragment.path: g for g in of}.items()]

    def batches(
        self,
        batch_size: int,
        seed: int,
        epoch: int = 0,
        first: int = 0,
        prepare: Callable[[Batch], Batch] | None = None,
    ) -> Iterator[Batch]:
        """The batches of an epoch; the last may be smaller.

        Args:
            batch_size: samples of a batch.
            seed, epoch: what the order is drawn from.
            first: number of the first batch wanted: a resumed epoch goes on there without reading what went before.
            prepare: what is done to a block, with all its rows, once it is read, such as moving it to a device.
        """
        blocks = self._blocks(np.random.default_rng([seed, epoch]).permutation(len(self._groups)))
        ends = np.cumsum([0, *(sum(len(group.rows) for group in block) for block in blocks)])
        done = max(0, int(np.searchsorted(ends, first * batch_size, side="right")) - 1)  # blocks before that batch
        shuffled = (
            (block, torch.from_numpy(np.random.default_rng([seed, epoch, number]).permutation(len(block.utterance))))
            for number, block in enumerate(self._read_ahead(blocks[done:], prepare), start=done)
        )
        return _cut(shuffled, batch_size, skipped=first * batch_size - int(ends[done]))

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Every sample once, in the order of the table."""
        blocks = self._read_ahead(self._blocks(np.arange(len(self._groups))))
        return _cut(((block, torch.arange(len(block.utterance))) for block in blocks), batch_size)

    def _blocks(self, order: np.ndarray) -> list[list[_Group]]:
        """Row groups cut into blocks: in this order, or all in one where they fit."""
        if len(self) <= self.block_rows:
            return [self._groups] if self._groups else []
        blocks: list[list[_Group]] = []
        rows = self.block_rows
        for place in order:
            if rows >= self.block_rows:
                blocks.append([])
                rows = 0
            blocks[-1].append(self._groups[place])
            rows += len(self._groups[place].rows)
        return blocks

    def _read_ahead(
        self, blocks: list[list[_Group]], prepare: Callable[[Batch], Batch] | None = None
    ) -> Iterator[Batch]:
        """The blocks, each read and prepared while the one before it is in use."""
        if blocks == [self._groups]:
            yield prepare(self._whole) if prepare else self._whole
            return

        if not blocks:
            return

        def read(block: list[_Group]) -> Batch:
            return prepare(self._read(block)) if prepare else self._read(block)

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, blocks[0])
            for following in blocks[1:]:
                ready, coming = coming.result(), reader.submit(read, following)
                yield ready
            yield coming.result()

    @cached_property
    def _whole(self) -> Batch:
        return self._read(self._groups)

    def _read(self, groups: list[_Group]) -> Batch:
        utterance = np.concatenate([group.utterance for group in groups])
        x = _read_groups(groups, self._schema, self._columns, self._fit_frames)
        x |= {name: other.read(utterance) for name, other in self._beside.items()}
        return Batch({name: torch.from_numpy(values) for name, values in x.items()}, torch.from_numpy(utterance))


def _read_groups(
    groups: list[_Group], schema: pa.Schema, columns: list[str], fit_frames: FitFrames | None
) -> dict[str, np.ndarray]:
    """The wanted rows of row groups, one after the other; several groups are read at a time."""

    def read(group: _Group) -> dict[str, np.ndarray]:
        table = group.fragment.to_table(schema=schema, columns=columns)
        if len(group.rows) < table.num_rows:
            table = table.take(pa.array(group.rows))
        batch = table.combine_chunks().to_batches()[0]
        return {name: matrices(batch, schema.field(name), fit_frames) for name in columns}

    with ThreadPoolExecutor(_READERS) as readers:
        parts = list(readers.map(read, groups))
    return {name: np.concatenate([part[name] for part in parts]) for name in columns}


def _key(path: str, group: _Group) -> str:
    facts = json.loads((group.fragment.metadata.metadata or {}).get(METADATA_KEY.encode(), b"{}"))
    if "key" not in facts:
        raise ValueError(f"{path} has no key in its footer: it is no shard of the features pipeline")
    return facts["key"]


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
    return Batch({name: values[sent(rows, values.device)] for name, values in batch.x.items()}, batch.utterance[rows])


def _joined(first: Batch, second: Batch) -> Batch:
    x = {name: torch.cat([values, second.x[name]]) for name, values in first.x.items()}
    return Batch(x, torch.cat([first.utterance, second.utterance]))
