"""Utterances as matrices of frames, padded at the head: in memory, or unlabelled ones streamed from shards."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from torch import Tensor
from torch.nn import functional as F

from semiser.data.reading import read_rows
from semiser.data.samples import FitFrames, matrices
from semiser.data.scaling import Moments, Scaler
from semiser.data.stream import Batch, SampleStream
from semiser.data.tables import family_of, roles_as_tensors
from semiser.devices import free_bytes, sent
from semiser.features.spectra import fit_frames
from semiser.folds.rows import FoldRows
from semiser.provenance import Provenance
from semiser.shards.store import METADATA_KEY

FRAMES = "frames"  # column: how many of an utterance's frames hold audio


class FrameBatch(NamedTuple):
    """Utterances of one step, on the device.

    Attributes:
        x: float32 of shape (B, T, D), T the longest of the batch.
        frames: number of last frames that hold audio, int64 of shape (B,).
        rows: places of the utterances in the fold, int64 of shape (B,).
    """

    x: Tensor
    frames: Tensor
    rows: Tensor


def joined(batches: Sequence[FrameBatch]) -> FrameBatch:
    """One batch of several, padded at the head to one length."""
    longest = max(batch.x.shape[1] for batch in batches)
    x = torch.cat([F.pad(batch.x, (0, 0, longest - batch.x.shape[1], 0)) for batch in batches])
    return FrameBatch(x, torch.cat([batch.frames for batch in batches]), torch.cat([batch.rows for batch in batches]))


def pool_frames(x: Tensor, frames: Tensor, size: int) -> Tensor:
    """Mean of every `size` frames, counted from the end; padding is not part of a mean.

    Args:
        x: (B, T, D), 0 where it is padding.
        frames: number of last frames that hold audio, (B,).
        size: frames that become one; 1 changes nothing.

    Returns:
        (B, ceil(T / size), D); its last ceil(frames / size) frames hold audio.
    """
    if size == 1:
        return x
    groups = F.pad(x, (0, 0, -x.shape[1] % size, 0)).unflatten(1, (-1, size)).sum(2)  # (B, T / size, D)
    following = torch.arange(groups.shape[1] - 1, -1, -1, device=x.device) * size  # frames after each group
    return groups / (frames[:, None] - following).clamp(1, size)[..., None]


class Source(Protocol):
    """Samples of some utterances: pairs of x (B, T, D) and the utterances' places among them, (B,)."""

    def batches(self, batch_size: int, seed: int, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch in an order drawn from seed and epoch, from number `first` on."""

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every sample once."""


@dataclass(frozen=True)
class InMemory:
    """Samples in memory: those of x (M, T, D), on any device, with the numbers `taken`."""

    x: Tensor
    taken: Tensor

    def batches(self, batch_size: int, seed: int, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Source`."""
        order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(self.taken)))
        return self._cut(order[first * batch_size :], batch_size)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Source`."""
        return self._cut(torch.arange(len(self.taken)), batch_size)

    def _cut(self, order: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        return (
            (self.x[sent(self.taken[places], self.x.device)], places)
            for places in order.split(batch_size)
            if len(places)
        )


@dataclass(frozen=True)
class Streamed:
    """Samples from shards, pooled batch by batch; `frames` are those of the stream's utterances in the table."""

    stream: SampleStream
    column: str
    frames: Tensor
    pool: int

    def batches(self, batch_size: int, seed: int, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Source`."""
        return map(self._pooled, self.stream.batches(batch_size, seed, epoch, first))

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """See `Source`."""
        return map(self._pooled, self.stream.in_order(batch_size))

    def _pooled(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return pool_frames(batch.x[self.column], self.frames[batch.utterance], self.pool), batch.utterance


@dataclass(frozen=True)
class FrameData:
    """One fold's N utterances; their samples come batch by batch.

    Attributes:
        features: of the experiment.
        numbers: of the fold's utterances in it, int64 of shape (N,).
        y: class numbers, int64 of shape (N,); -1 where the fold gives no label.
        rows: role to the places of its utterances, int64.
        classes: class names in the order of their numbers.
        device: where batches go, and samples that are in memory lie where it has room for them.
    """

    features: "FrameFeatures"
    numbers: Tensor
    y: Tensor
    rows: dict[str, Tensor]
    classes: tuple[str, ...]
    device: torch.device

    def to(self, device: torch.device) -> "FrameData":
        """The same data with its batches on another device."""
        return replace(self, device=device)

    @cached_property
    def visual(self) -> Tensor:
        """p_v of the unlabelled utterances, float32 of shape (N, C); NaN where there is none, and of all others."""
        found, rows = torch.full((len(self.y), len(self.classes)), torch.nan), self.rows["unlabelled"]
        found[rows] = torch.from_numpy(self.features.visual)[self.numbers[rows]]
        return found

    def batches(self, rows: Tensor, batch_size: int, seed: int, first: int = 0) -> Iterator[FrameBatch]:
        """Batches without end from number `first` on, shuffled by the seed anew each time that all rows are through.

        The last batch of a pass may be smaller.
        """
        source = self._source(rows)
        passes, first = divmod(first, math.ceil(len(rows) / batch_size))
        while True:
            for x, places in source.batches(batch_size, seed, passes, first):
                yield self._batch(x, rows[places])
            passes, first = passes + 1, 0

    def in_order(self, rows: Tensor, batch_size: int) -> Iterator[FrameBatch]:
        """Every row once."""
        for x, places in self._source(rows).in_order(batch_size):
            yield self._batch(x, rows[places])

    @cached_property
    def _x(self) -> Tensor:
        """The samples in memory, on the device if they take at most half of what is free there."""
        x = self.features.x
        return x.to(self.device) if x.nbytes <= free_bytes(self.device) / 2 else x

    def _source(self, rows: Tensor) -> "Source":
        return self.features.source(self.numbers[rows], self._x)

    def _batch(self, x: Tensor, rows: Tensor) -> FrameBatch:
        frames = self.features.pooled_frames[self.numbers[rows]]
        trimmed = x[:, -int(frames.max()) :]
        return FrameBatch(*(sent(part, self.device) for part in (trimmed, frames, rows)))


@dataclass(frozen=True)
class FrameFeatures:
    """Frames of the U utterances of an experiment; `of_fold` gives `FrameData`.

    Attributes:
        table: feature table with `frames` and the column.
        column: its matrices.
        shape: frames of the longest input after pooling, and values of a frame.
        utterance_ids: of the experiment.
        frames: number of last frames that hold audio, before pooling, int64 of shape (U,).
        x: samples in memory, pooled and without padding that none of them needs, float32 of shape (M, T, D).
        place: number of each utterance's sample in x, int64 of shape (U,); -1: it is streamed.
        visual: p_v of each utterance, float32 of shape (U, C); NaN where there is none.
        pool: frames that are averaged into one.
        fit_frames: of a stream whose matrices differ in length.
        block_rows: of a stream.
        longest: frames of an utterance before pooling; more are cut at the end.
        scalers: of each utterance's speaker, which x is standardised with, U of them; None: x is as extracted.
    """

    table: pa.dataset.Dataset
    column: str
    shape: tuple[int, int]
    utterance_ids: Sequence[str]
    frames: Tensor
    x: Tensor
    place: Tensor
    visual: np.ndarray
    pool: int
    fit_frames: FitFrames
    block_rows: int
    longest: int
    scalers: Sequence[Scaler] | None

    @property
    def by_speaker(self) -> bool:
        """Whether x is standardised by speaker."""
        return self.scalers is not None

    def statistics(self, numbers: Tensor) -> Scaler:
        """Of the audio frames of some utterances as they were before they were standardised by speaker."""
        assert self.scalers is not None, "x is as extracted"
        moments = Moments()
        for number in numbers.tolist():
            x, own = self.x[self.place[number], -int(self.pooled_frames[number]) :].numpy(), self.scalers[number]
            moments.add(x * own.std + own.mean)
        return moments.scaler()

    @cached_property
    def pooled_frames(self) -> Tensor:
        """Number of last frames that hold audio after pooling, int64 of shape (U,)."""
        return (self.frames + self.pool - 1) // self.pool

    def source(self, numbers: Tensor, x: Tensor) -> Source:
        """The samples of utterances of which all are in memory, or else all are read from the shards.

        Args:
            numbers: of the utterances.
            x: the samples in memory, on any device.
        """
        taken = self.place[numbers]
        if (taken >= 0).all():
            return InMemory(x, taken)
        ids = [self.utterance_ids[number] for number in numbers]
        stream = SampleStream(self.table, [self.column], ids, self.fit_frames, self.block_rows)
        return Streamed(stream, self.column, self.frames[numbers], self.pool)

    def facts(self) -> dict[str, Any]:
        """The column, how it is pooled and scaled, and what the order of what is streamed hangs on."""
        facts = {"column": self.column, "pool_frames": self.pool, "shape": self.shape, "by_speaker": self.by_speaker}
        return facts | ({"block_rows": self.block_rows} if (self.place < 0).any() else {})

    def digest(self, numbers: np.ndarray) -> bytes:
        """Hash of samples, frames and visual knowledge; of what is streamed the keys of the table's shards count."""
        digest = hashlib.sha256()
        for number in numbers:
            digest.update(self._digests[number])
        return digest.digest()

    @cached_property
    def _digests(self) -> list[bytes]:
        digests = []
        for number, place in enumerate(self.place.tolist()):
            digest = hashlib.blake2b(self.x[place].numpy().data if place >= 0 else self._shard_keys, digest_size=16)
            digest.update(str(int(self.frames[number])).encode())
            digest.update(self.visual[number])
            digests.append(digest.digest())
        return digests

    @cached_property
    def _shard_keys(self) -> bytes:
        footers = [shard.metadata.metadata[METADATA_KEY.encode()] for shard in self.table.get_fragments()]
        return "".join(sorted(json.loads(footer)["key"] for footer in footers)).encode()

    def of_fold(self, rows: FoldRows, device: torch.device) -> tuple[FrameData, Provenance]:
        """The fold's utterances by role."""
        families = dict.fromkeys((self.column, FRAMES), family_of(self.table))
        numbers, y = torch.tensor(rows.numbers), torch.from_numpy(rows.y())
        return FrameData(self, numbers, y, roles_as_tensors(rows), rows.classes, device), Provenance({}, families)


def read_frames(
    table: pa.dataset.Dataset,
    column: str,
    utterance_ids: Sequence[str],
    kept: np.ndarray,
    visual: np.ndarray,
    *,
    longest: int = 555,
    pool: int = 1,
    speakers: Sequence[str | None] | None = None,
    memory_mib: int = 4096,
    block_rows: int = 2048,
) -> FrameFeatures:
    """The frames of the given utterances, all in memory where they fit.

    Args:
        table: feature table with `frames` and the column.
        column: matrices of one size, padded with 0 at the head, or with as many rows as the utterance has frames.
        utterance_ids: the experiment's utterances.
        kept: which of them are in memory in any case, bool of shape (U,).
        visual: p_v of each, (U, C), NaN where there is none.
        longest: frames of an utterance, where matrices differ in length; more are cut at the end.
        pool: frames that are averaged into one.
        speakers: of the utterances; each speaker's frames are then standardised band by band with their own mean and
            deviation, which is transductive. None: as extracted.
        memory_mib: what all may take together; where they take more, those that are not `kept` are streamed.
        block_rows: of a stream.

    Raises:
        KeyError: an utterance has no row in the table.
        ValueError: speakers are to be scaled, but not all are known, or not all utterances fit into memory.
    """
    rows, width = json.loads(table.schema.field(column).metadata[b"shape"])
    longest = rows or longest
    frames = _read_frame_counts(table, column, utterance_ids).clamp(max=longest)
    length = -(-int(frames.max()) // pool)
    needed_mib = len(utterance_ids) * length * width * 4 / 2**20
    if needed_mib <= memory_mib:
        kept = np.ones(len(utterance_ids), bool)
    elif speakers is not None:
        raise ValueError(
            f"scaling by speaker needs all utterances in memory: they take {needed_mib:.0f} MiB, memory_mib is "
            f"{memory_mib}; raise it, or set scaling to none"
        )
    fit, numbers = partial(fit_frames, frames=longest), np.flatnonzero(kept)
    x = torch.zeros(len(numbers), length, width)
    field, of_kept = table.schema.field(column), frames[numbers]
    for batch, places in read_rows(table, [column], [utterance_ids[number] for number in numbers.tolist()]):
        samples = pool_frames(torch.tensor(matrices(batch, field, fit)), of_kept[places], pool)
        x[places] = samples[:, -length:]
    scalers = None if speakers is None else _scale_speakers(x, -(-frames // pool), speakers)
    place = torch.full((len(utterance_ids),), -1)
    place[numbers] = torch.arange(len(numbers))
    shape = (math.ceil(longest / pool), width)
    return FrameFeatures(
        table, column, shape, utterance_ids, frames, x, place, visual, pool, fit, block_rows, longest, scalers
    )


def _read_frame_counts(table: pa.dataset.Dataset, column: str, utterance_ids: Sequence[str]) -> Tensor:
    found = table.to_table(columns=["utterance_id", FRAMES])
    counts = dict(zip(found["utterance_id"].to_pylist(), found[FRAMES].to_pylist(), strict=True))
    if missing := [name for name in utterance_ids if name not in counts]:
        raise KeyError(f"{len(missing)} utterances have no {column}, the first is {missing[0]}")
    return torch.tensor([counts[name] for name in utterance_ids])


def _scale_speakers(x: Tensor, frames: Tensor, speakers: Sequence[str | None]) -> list[Scaler]:
    """Standardise every speaker's audio frames of x (U, T, D) in place; padding stays 0, which is then the mean.

    Returns:
        The scaler of each utterance's speaker.
    """
    known = [name for name in speakers if name is not None]
    if unknown := len(speakers) - len(known):
        raise ValueError(
            f"scaling by speaker needs speaker_id, which is null for {unknown} utterances; set scaling to none"
        )
    audio = torch.arange(x.shape[1]) >= x.shape[1] - frames[:, None]  # (U, T)
    scalers, values = {}, x.flatten(0, 1).numpy()  # the values of x, not a copy
    for name in sorted(set(known)):
        own = torch.tensor([speaker == name for speaker in speakers])[:, None] & audio
        of_speaker = own.flatten().nonzero().flatten().numpy()  # numbers of the speaker's frames
        scalers[name] = Scaler.fit(values, of_speaker)
        scalers[name].write(values, of_speaker, values)
    return [scalers[name] for name in known]
