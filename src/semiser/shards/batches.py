"""Utterances of a family that takes several at once: gathered, cut into batches by length, computed beside decoding."""

import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from queue import Empty
from typing import Any

from semiser.errors import Unsteady, Unusable
from semiser.features.family import BatchedFamily
from semiser.shards.attempt import Helper, Prepared, Rows, too_late

_BATCHES = 4  # that are gathered before they are computed: the more, the more alike in length are those of a batch

Outcome = tuple[dict[str, Any], Rows | Unusable]


def cut_batches(sizes: Sequence[float], budget: float) -> list[list[int]]:
    """Places of batches, the largest utterances first, each with its likes.

    Args:
        sizes: of the utterances.
        budget: a batch's utterances times the size of its largest are at most this. One that is larger is alone.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        if batches and (len(batches[-1]) + 1) * sizes[batches[-1][0]] <= budget:
            batches[-1].append(place)
        else:
            batches.append([place])
    return batches


def compute_batches(family: BatchedFamily, prepared: Sequence[Any]) -> list[Rows | Unusable]:
    """The rows of each utterance, in the order given; where a batch cannot be computed, its utterances one by one."""
    found: dict[int, Rows | Unusable] = {}
    for places in cut_batches([family.size(one) for one in prepared], family.budget):
        found |= zip(places, _compute(family, [prepared[place] for place in places]), strict=True)
    return [found[place] for place in range(len(prepared))]


def _compute(family: BatchedFamily, batch: list[Any]) -> list[Rows | Unusable]:
    try:
        return [[row] for row in family.compute(batch)]
    except (MemoryError, Unusable) as error:
        if len(batch) == 1:
            return [error if isinstance(error, Unusable) else Unsteady(f"not enough memory: {error or 'no more'}")]
    return [outcome for one in batch for outcome in _compute(family, [one])]


class Gathered:
    """Utterances of one family between decoding and writing: some wait, those before them are being computed.

    Outcomes come in the order in which the utterances did.
    """

    def __init__(self, family: BatchedFamily, timeout_s: float | None):
        """Begin with none.

        Args:
            family: that computes them.
            timeout_s: time for one utterance; those computed together have as much each. None: no limit.
        """
        self._family, self._timeout_s = family, timeout_s
        self._waiting: list[tuple[dict[str, Any], Prepared | Rows | Unusable]] = []
        self._computed: list[tuple[dict[str, Any], Prepared | Rows | Unusable]] = []
        self._size, self._end, self._running = 0.0, 0.0, False

    def add(self, row: dict[str, Any], outcome: Prepared | Rows | Unusable) -> Iterator[Outcome]:
        """One more utterance; gives those that are finished by now."""
        self._waiting.append((row, outcome))
        if isinstance(outcome, Prepared):
            self._size += self._family.size(outcome.value)
        if self._size >= _BATCHES * self._family.budget:
            yield from self._next()

    def rest(self) -> Iterator[Outcome]:
        """All that are left."""
        yield from self._next()
        yield from self._next()

    def _next(self) -> Iterator[Outcome]:
        """Take what was computed, and let what waits be computed meanwhile."""
        finished = self._taken()
        self._computed, self._waiting, self._size = self._waiting, [], 0.0
        prepared = [outcome.value for _, outcome in self._computed if isinstance(outcome, Prepared)]
        if prepared:
            if self._timeout_s is not None:
                self._end = time.monotonic() + self._timeout_s * len(prepared)
            self._helper().begin(partial(compute_batches, self._family, prepared))
            self._running = True
        yield from finished

    def _taken(self) -> list[Outcome]:
        count = sum(isinstance(outcome, Prepared) for _, outcome in self._computed)
        found = iter(self._result(count) if count else [])
        return [(row, next(found) if isinstance(outcome, Prepared) else outcome) for row, outcome in self._computed]

    def _result(self, count: int) -> list[Rows | Unusable]:
        left_s = None if self._timeout_s is None else max(0.001, self._end - time.monotonic())
        try:
            found: list[Rows | Unusable] = self._helper().result(left_s)
        except Empty:
            self.close()
            return [too_late(self._timeout_s)] * count
        except BaseException:
            self._running = False
            raise
        self._running = False
        return found

    def close(self) -> None:
        """Leave what is still being computed to itself, with the thread that does it."""
        if self._running:
            self._helper().dismiss()
            del _computing()[self._family.name]
            self._running = False

    def _helper(self) -> Helper:
        """This thread's own for the family: networks stay in it, and the others' results are not mistaken for its."""
        helpers = _computing()
        if self._family.name not in helpers:
            helpers[self._family.name] = Helper()
        return helpers[self._family.name]


_own = threading.local()


def _computing() -> dict[str, Helper]:
    if not hasattr(_own, "computing"):
        _own.computing = {}
    found: dict[str, Helper] = _own.computing
    return found
