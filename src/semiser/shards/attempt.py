"""One utterance through the families that miss it: within a time limit, and from files that hold still."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from semiser.errors import Unsteady, Unusable
from semiser.features.family import BatchedFamily, Family, Source
from semiser.media.content import modified_ns

Rows = list[Mapping[str, Any]]


@dataclass(frozen=True)
class Prepared:
    """What `BatchedFamily.prepare` made of an utterance, which is to be computed with others."""

    value: Any


# Column of a file's path, and those that say what it was when it was ingested.
_FILES = (("audio_path", "audio_bytes", "audio_modified_ns"), ("video_path", "video_bytes", "video_modified_ns"))


def attempt(
    families: Sequence[Family], source: Source, timeout_s: float | None
) -> Iterator[Rows | Prepared | Unusable]:
    """Compute an utterance for families, one after the other; prepare it for those that take several at once.

    Args:
        families: that are to have the utterance.
        source: the utterance.
        timeout_s: time for all families together; None waits for ever.

    Yields:
        For each family the utterance's rows, all of them, or what they are computed from, or why there are none. A
        file that is gone, has changed since ingest or does not give its data in time is `Unsteady`: what was computed
        from it does not count.
    """
    end = None if timeout_s is None else time.monotonic() + timeout_s
    for family in families:
        try:
            outcome = _in_time(partial(_outcome, family, source), end)
        except _TimeUp:
            outcome = too_late(timeout_s)
        yield outcome


def too_late(timeout_s: float | None) -> Unsteady:
    """Why an utterance whose time is up has no rows."""
    return Unsteady(f"no result in {timeout_s:g} s (features.shards.timeout_s): its file stalls, or it is long")


def _outcome(family: Family, source: Source) -> Rows | Prepared | Unusable:
    found: Rows | Prepared | Unusable
    try:
        found = Prepared(family.prepare(source)) if isinstance(family, BatchedFamily) else list(family.rows(source))
    except MemoryError as error:
        return Unsteady(f"not enough memory: {str(error) or 'allocation failed'}")
    except Unusable as error:
        found = error
    except OSError:
        if disturbance := _disturbance(family, source):
            return disturbance
        raise
    return _disturbance(family, source) or found


def _disturbance(family: Family, source: Source) -> Unsteady | None:
    """Why the family's files are not those that were ingested; None where they are."""
    for path, size, modified in _FILES:
        if modified not in family.inputs or source.row.get(modified) is None:
            continue
        try:
            found = os.stat(Path(source.root) / source.row[path])
        except OSError as error:
            return Unsteady(f"gone since it was ingested: {error.strerror}")
        if (found.st_size, modified_ns(found)) != (source.row[size], source.row[modified]):
            return Unsteady("changed since it was ingested: run again, with ingest")
    return None


class _TimeUp(Exception):
    """Not TimeoutError, which a file on a network raises itself."""


class Helper:
    """A thread that makes one call after the other, and can be given up.

    Where waiting for a result is interrupted (Ctrl-C), its call goes on, and its answer is not that of the next one.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue = SimpleQueue()
        self._answers: SimpleQueue = SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()

    def begin(self, function: Callable[[], Any]) -> None:
        """Let the thread call the function, and go on."""
        self._answers = SimpleQueue()  # of this call alone
        self._calls.put((function, self._answers))

    def result(self, timeout_s: float | None) -> Any:
        """The result or error of the function that was begun. Raises `queue.Empty` when the time is up."""
        value, error = self._answers.get(timeout=timeout_s)
        if error is not None:
            raise error
        return value

    def dismiss(self) -> None:
        """Let the thread end when its call does, should it ever."""
        self._calls.put(None)

    def _serve(self) -> None:
        while call := self._calls.get():
            function, answers = call
            answer: tuple[Any, BaseException | None]
            try:
                answer = function(), None
            except BaseException as error:
                answer = None, error
            answers.put(answer)
            del call, function, answers, answer  # results are large, and this thread waits long


_own = threading.local()


def _in_time(function: Callable[[], Any], end: float | None) -> Any:
    """The function's result or error. Raises `_TimeUp` at the monotonic time `end`; the call is then left to itself.

    Python cannot stop a thread that waits for a file. Calls run in one thread, since engines are kept per thread; one
    that is given up stays behind, and the next call gets a new one.
    """
    left_s = None if end is None else end - time.monotonic()
    if left_s is not None and left_s <= 0:
        raise _TimeUp
    if not hasattr(_own, "helper"):
        _own.helper = Helper()
    try:
        _own.helper.begin(function)
        return _own.helper.result(left_s)
    except Empty:
        _own.helper.dismiss()
        del _own.helper
        raise _TimeUp from None
