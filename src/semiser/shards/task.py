"""One shard of utterances for the families that miss it: what a worker computes and writes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import BatchedFamily, Family, Source
from semiser.shards.attempt import Prepared, Rows, attempt
from semiser.shards.batches import Gathered
from semiser.shards.store import ShardFolder, ShardReport, ShardWriter, digest_of

_KILLS = Unusable("its worker died over it again and again (killed, out of memory or a native crash): left out")


@dataclass(frozen=True)
class Part:
    """One family's share of a task: the shard it is to write.

    Attributes:
        family: with its options.
        folder: of its shards.
        place: of this one, `<corpus>/<number>`.
        key: fingerprint.
    """

    family: Family
    folder: str
    place: str
    key: str


@dataclass(frozen=True)
class ShardTask:
    """One shard of utterances for the families that miss it.

    Attributes:
        utterances: rows of `utterances`.
        root: folder of the corpus.
        parts: a family's share each.
        timeout_s: time for one utterance; None for no limit.
        poison: pairs of family and utterance id that are not to be tried, because they kill their worker.
    """

    utterances: pa.Table
    root: Path
    parts: tuple[Part, ...]
    timeout_s: float | None = None
    poison: frozenset[tuple[str, str]] = frozenset()

    def __str__(self) -> str:
        ids = self.utterances["utterance_id"]
        families = ", ".join(part.family.name for part in self.parts)
        return f"{families} of shard {self.parts[0].place} (utterances {ids[0]} to {ids[-1]})"

    def compact(self) -> "ShardTask":
        """The task with its own copy of its rows: a pickled slice would carry the whole table along."""
        return replace(self, utterances=self.utterances.take(np.arange(self.utterances.num_rows)))

    def halves(self) -> tuple["ShardTask", ...]:
        """Two tasks of half the utterances each, or of half the families of a single utterance; none of one pair."""
        if (rows := self.utterances.num_rows) > 1:
            sides = self.utterances.slice(0, rows // 2), self.utterances.slice(rows // 2)
            return tuple(replace(self, utterances=side).compact() for side in sides)
        if (count := len(self.parts)) > 1:
            return tuple(replace(self, parts=side) for side in (self.parts[: count // 2], self.parts[count // 2 :]))
        return ()

    def pairs(self) -> frozenset[tuple[str, str]]:
        """All pairs of family and utterance id."""
        ids = self.utterances["utterance_id"].to_pylist()
        return frozenset((part.family.name, utterance_id) for part in self.parts for utterance_id in ids)


def extract_shard(task: ShardTask) -> list[ShardReport]:
    """Compute and write the parts of one task, in one pass over its utterances; runs in a worker."""
    with ExitStack() as shards:
        writers = {part.family.name: shards.enter_context(_open_shard(part)) for part in task.parts}
        for row, family, outcome in _outcomes(task):
            _write(row, outcome, writers[family.name])
    pa.default_memory_pool().release_unused()  # else a worker keeps the buffers of its shards, in time more of them
    return [writer.report for writer in writers.values()]


def probe_shard(task: ShardTask) -> None:
    """Compute one task and keep nothing, to see whether the worker lives through it."""
    for _ in _outcomes(task):
        pass


def _outcomes(task: ShardTask) -> Iterator[tuple[dict[str, Any], Family, Rows | Unusable]]:
    """What comes of each utterance and family, of a family in the order of the utterances."""
    with ExitStack() as stack:
        gathered = {
            part.family.name: stack.enter_context(closing(Gathered(part.family, task.timeout_s)))
            for part in task.parts
            if isinstance(part.family, BatchedFamily)
        }
        for row, family, outcome in _attempts(task):
            if family.name in gathered:
                yield from ((row, family, found) for row, found in gathered[family.name].add(row, outcome))
            else:
                assert not isinstance(outcome, Prepared), "its family takes several at once"
                yield row, family, outcome
        for part in task.parts:
            if part.family.name in gathered:
                yield from ((row, part.family, found) for row, found in gathered[part.family.name].rest())


def _attempts(task: ShardTask) -> Iterator[tuple[dict[str, Any], Family, Rows | Prepared | Unusable]]:
    for row in task.utterances.to_pylist():
        families = []
        for part in task.parts:
            if (part.family.name, row["utterance_id"]) in task.poison:
                yield row, part.family, _KILLS
            else:
                families.append(part.family)
        outcomes = attempt(families, Source(row, task.root), task.timeout_s)
        yield from ((row, family, outcome) for family, outcome in zip(families, outcomes, strict=True))


def _write(row: dict[str, Any], outcome: Rows | Unusable, writer: ShardWriter) -> None:
    if isinstance(outcome, Unusable):
        writer.refuse(row["utterance_id"], row["audio_path"], outcome)
        return
    for values in outcome:
        writer.add({"utterance_id": row["utterance_id"], **values})


def _open_shard(part: Part) -> AbstractContextManager[ShardWriter]:
    libraries = {name: version(name) for name in part.family.libraries}
    provenance = family_facts(part.family) | {"key": part.key, "libraries": libraries}
    return ShardFolder(part.folder).shard(part.place, table_schema(part.family), provenance)


def table_schema(family: Family) -> pa.Schema:
    """The family's columns after `utterance_id`."""
    return pa.schema([pa.field("utterance_id", pa.string()), *family.fields()])


def family_facts(family: Family) -> dict[str, Any]:
    """What decides a family's values beside its inputs: name, version of the code, options."""
    return {
        "family": family.name,
        "version": family.version,
        "options": family.options.model_dump(mode="json"),
    }


def folder_of(family: Family, features: str) -> str:
    """Where a family's shards lie below the folder of all features: what decides its values names the folder."""
    return f"{features}/{family.name}/{digest_of(family_facts(family))}"
