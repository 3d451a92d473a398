"""What an engine is to the shard map; the engines themselves and `make_engine` lie above."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
PoolKind = Literal["threads", "processes"]


class WorkerLost(RuntimeError):
    """A task's worker ended without a result (killed, out of memory, native crash) at every attempt."""


class EngineLost(RuntimeError):
    """The engine itself is gone, or has no workers; what was finished is kept."""


class Engine(Protocol):
    """What the shard map asks of an engine."""

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], pool: PoolKind
    ) -> Iterator[tuple[Task, Result | WorkerLost]]:
        """Yield each task with its outcome, in any order, with a bounded number of tasks in flight.

        The outcome is what the function gave or, for a task that takes its worker with it again and again, a
        `WorkerLost`. Tasks are drawn as there is room for them, so whoever takes an outcome may add to the rest.

        Raises:
            EngineLost: there is no engine any more to run the rest.
        """
