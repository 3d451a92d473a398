"""Which utterances of a shard kill the worker that computes them: found by bisection."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from semiser.shards.engine_protocol import Engine, PoolKind, WorkerLost
from semiser.shards.task import ShardTask, probe_shard

logger = logging.getLogger(__name__)
_MOST = 10  # per shard: more are hardly the utterances' fault


@dataclass
class _Stack:
    """Tasks, last in, first out; it may be filled again after it was empty."""

    tasks: list[ShardTask]

    def __iter__(self) -> Iterator[ShardTask]:
        return self

    def __next__(self) -> ShardTask:
        if not self.tasks:
            raise StopIteration
        return self.tasks.pop()


def find_poison(task: ShardTask, engine: Engine, pool: PoolKind) -> frozenset[tuple[str, str]]:
    """Halve what killed its worker, compute the halves without keeping anything, and halve on those that kill.

    Args:
        task: a shard whose worker died at every attempt.
        engine, pool: which ran it.

    Returns:
        Pairs of family and utterance id that kill on their own; none where only the whole shard does.

    Raises:
        WorkerLost: too many do.
    """
    logger.warning("%s: its worker died again and again; looking for the utterance that does it", task)
    halves = task.halves()
    if not halves:
        return task.pairs()
    stack = _Stack([*halves])
    found: set[tuple[str, str]] = set()
    for probe, outcome in engine.map(probe_shard, stack, pool):
        if not isinstance(outcome, WorkerLost):
            continue
        if halves := probe.halves():
            stack.tasks += halves
            continue
        found |= probe.pairs()
        if len(found) >= _MOST:
            raise WorkerLost(
                f"{task}: the worker died over each of {len(found)} utterances, the first {sorted(found)[0]}. This "
                "many are hardly at fault: look at the machine's memory and at what is installed, then run again"
            )
    return frozenset(found)
