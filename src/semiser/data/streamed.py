"""Vectors of which the unlabelled utterances are not read into memory: they come from their shards in every epoch."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import torch

from semiser.data.matrix import MatrixFeatures, read_matrix
from semiser.data.pooling import needs_pooling
from semiser.data.scaling import Moments, Scaler, scaling_groups
from semiser.data.stream import SampleStream
from semiser.data.vector_stream import VectorStream
from semiser.data.vectors import FoldData
from semiser.folds.rows import FoldRows
from semiser.folds.table import ids_of
from semiser.options.training import ScalingOptions
from semiser.provenance import Provenance


@dataclass(frozen=True)
class StreamedFeatures:
    """Vectors of all utterances of an experiment, in memory where they are ever anything else than unlabelled.

    Attributes:
        resident: the vectors in memory.
        place: row there of each utterance of the experiment, (N,); -1 where it is unlabelled in every fold.
        samples: all utterances, to be read from shards.
    """

    resident: MatrixFeatures
    place: np.ndarray
    samples: SampleStream
    _fitted: dict[bytes, list[Scaler]] = field(default_factory=dict, compare=False)

    def facts(self) -> dict[str, Any]:
        """Where the columns lie, how they are scaled, and what the order of the unlabelled utterances hangs on."""
        return {**self.resident.facts(), "block_rows": self.samples.block_rows}

    def digest(self, numbers: np.ndarray) -> bytes:
        """Hash of the vectors in memory and of the keys of the other utterances' shards."""
        places = self.place[numbers]
        digest = hashlib.sha256(self.resident.digest(places[places >= 0]))
        if (places < 0).any():
            digest.update("\n".join(self.samples.only(numbers[places < 0]).keys()).encode())
        return digest.digest()

    def of_fold(self, rows: FoldRows, device: torch.device) -> tuple[FoldData, Provenance]:
        """The fold's tensors on the device, with its unlabelled utterances as a stream; how they were scaled.

        Raises:
            ValueError: the scaling asks for statistics over labelled and unlabelled utterances together.
        """
        unlabelled = rows.roles == "unlabelled"
        kept = _some(rows, ~unlabelled)
        data, provenance = self.resident.of_fold(replace(kept, numbers=self.place[kept.numbers]), device)
        if not unlabelled.any():
            return data, provenance
        of_training = Scaler(provenance.scaling["mean"], provenance.scaling["std"])
        labelled_corpora = np.unique(kept.corpora[kept.roles == "train"])
        group, scalers = self._scalers(_some(rows, unlabelled), labelled_corpora, of_training)
        stream = VectorStream(
            samples=self.samples.only(rows.numbers[unlabelled]),
            columns=tuple(self.resident.ranges),
            group=torch.from_numpy(group),
            mean=np.stack([scaler.mean for scaler in scalers]),
            std=np.stack([scaler.std for scaler in scalers]),
        )
        return replace(data, unlabelled=stream.to(device)), provenance

    def _scalers(
        self, rows: FoldRows, labelled_corpora: np.ndarray, of_training: Scaler
    ) -> tuple[np.ndarray, list[Scaler]]:
        """Scaler of every utterance by number, and the scalers, as `semiser.data.scaling.scale` has them."""
        scaling, foreign = self.resident.scaling, ~np.isin(rows.corpora, labelled_corpora)
        if scaling.unlabelled == "combine" or (scaling.strategy == "speaker" and not foreign.all()):
            raise ValueError(
                f"scaling.strategy {scaling.strategy} with scaling.unlabelled {scaling.unlabelled} needs statistics "
                "over labelled and unlabelled utterances together, which streamed ones cannot be part of: raise "
                "train_mmmd.unlabelled_in_memory_mb, or choose another scaling"
            )
        group, scalers = np.zeros(len(self.place), np.int64), [of_training]
        if scaling.unlabelled == "none" and foreign.any():
            group[rows.numbers[foreign]] = 1
            scalers.append(Scaler(np.zeros_like(scalers[0].mean), np.ones_like(scalers[0].std)))
        if scaling.unlabelled == "self" and foreign.any():
            names = (rows.speakers if scaling.strategy == "speaker" else rows.corpora)[foreign]
            group[rows.numbers[foreign]], own = self._fit(rows.numbers[foreign], names, rows.corpora[foreign])
            group[rows.numbers[foreign]] += 1
            scalers += own
        return group, scalers

    def _fit(self, numbers: np.ndarray, names: np.ndarray, corpora: np.ndarray) -> tuple[np.ndarray, list[Scaler]]:
        """Number of each utterance's group, and the groups' scalers from a pass through the shards, made once."""
        known, codes = np.unique(scaling_groups(names, corpora), return_inverse=True)
        if (key := numbers.tobytes()) not in self._fitted:
            moments, code = [Moments() for _ in known], np.full(len(self.place), -1)
            code[numbers] = codes
            for batch in self.samples.only(numbers).in_order(1024):
                x = np.concatenate([batch.x[column].numpy() for column in self.resident.ranges], axis=1)
                of_batch = code[batch.utterance.numpy()]
                for found in np.unique(of_batch):
                    moments[found].add(x[of_batch == found])
            self._fitted[key] = [self._but_as_is(part.scaler()) for part in moments]
        return codes, self._fitted[key]

    def _but_as_is(self, scaler: Scaler) -> Scaler:
        for first, end in (self.resident.ranges[column] for column in self.resident.as_is):
            scaler.mean[first:end], scaler.std[first:end] = 0, 1
        return scaler


def _some(rows: FoldRows, kept: np.ndarray) -> FoldRows:
    """The rows that are marked."""
    chosen = {name: getattr(rows, name)[kept] for name in ("numbers", "roles", "corpora", "speakers")}
    return replace(rows, **chosen, labels=[label for label, keep in zip(rows.labels, kept, strict=True) if keep])


def read_vectors(
    tables: Mapping[str, pyarrow.dataset.Dataset],
    utterance_ids: Sequence[str],
    folds: pa.Table,
    scaling: ScalingOptions,
    as_is: Collection[str] = (),
    in_memory_mb: float = math.inf,
    block_rows: int = 4096,
    pooling: Sequence[str] = (),
) -> MatrixFeatures | StreamedFeatures:
    """The vectors of the given utterances; the unlabelled ones are streamed where they are too large for memory.

    Args:
        tables, utterance_ids, scaling, as_is, pooling: as for `read_matrix`. Pooled vectors are made where frames are
            read, and stay in memory.
        folds: the `folds` table, which says who is ever anything else than unlabelled.
        in_memory_mb: what those who are not may take in memory.
        block_rows: streamed utterances that are shuffled with each other.
    """
    labelled = ids_of(folds.filter(pc.not_equal(folds["role"], "unlabelled")))
    used = pc.is_in(pa.array(utterance_ids), labelled).to_numpy(zero_copy_only=False)
    fields = [table.schema.field(column) for column, table in tables.items()]
    pooled = any(map(needs_pooling, fields))
    if pooled or np.sum(~used) * sum(field.type.list_size for field in fields) * 4 <= in_memory_mb * 1e6:
        return read_matrix(tables, utterance_ids, scaling, as_is, pooling)
    place = np.where(used, np.cumsum(used) - 1, -1)
    resident = read_matrix(
        tables, [name for name, kept in zip(utterance_ids, used, strict=True) if kept], scaling, as_is
    )
    (column, table), *others = tables.items()
    samples = SampleStream(table, [column], utterance_ids, block_rows=block_rows, beside=dict(others))
    return StreamedFeatures(resident, place, samples)
