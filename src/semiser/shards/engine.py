"""Engines: run one function over many tasks, a bounded number at a time.

Every engine offers `map(function, tasks, pool)`: outcomes as they come, in any order. Function, tasks and results must
be picklable; the function's errors end the map, a worker's death does not.
"""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait as wait_for_sentinel

from threadpoolctl import threadpool_limits

from semiser.options.engine import EngineOptions
from semiser.shards.engine_protocol import Engine, PoolKind, Result, Task, WorkerLost

logger = logging.getLogger(__name__)

_MAX_DEATHS = 3  # the first may be another task's fault


def make_engine(options: EngineOptions) -> Engine:
    """The engine that the options ask for.

    Raises:
        ModuleNotFoundError: `dask` is asked for and not installed; the message says what to install.
    """
    if options.kind == "local":
        return LocalEngine(options.workers or _usable_processors())
    from semiser.shards.dask_engine import DaskEngine

    return DaskEngine(options.workers or _usable_processors(), options.address, options.tls, options.dashboard)


def _usable_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalEngine:
    """Threads or spawned processes on this machine.

    Processes are spawned, never forked: a forked child of a parent whose threads hold locks hangs. They end with
    their parent. When one dies, the pool is made anew and the tasks in flight are tried again, one by one, so that
    the one to blame is known. A death among threads is the death of the run.
    """

    def __init__(self, workers: int):
        self.workers = workers

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], pool: PoolKind
    ) -> Iterator[tuple[Task, Result | WorkerLost]]:
        """See `Engine.map`; `workers` tasks run and as many wait for a free worker."""
        waiting = iter(tasks)
        suspects: list[Task] = []
        flight: dict[Future[Result], Task] = {}
        deaths: Counter[int] = Counter()
        while True:
            executor = self._executor(pool)
            try:
                while self._launch(executor, function, waiting, suspects, flight):
                    for future in wait(flight, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        task = flight.pop(future)
                        deaths.pop(id(task), None)
                        yield task, result
                return
            except BrokenProcessPool:
                broken = list(flight.values())
                flight.clear()
            except KeyboardInterrupt:
                _terminate(executor)  # what they write is complete or absent, and a shard may take minutes
                raise
            finally:
                executor.shutdown(wait=True, cancel_futures=True)
            logger.warning("a worker process died; %d tasks in flight are tried again one by one", len(broken))
            deaths.update(map(id, broken))
            suspects += [task for task in broken if deaths[id(task)] < _MAX_DEATHS]
            for task in broken:
                if deaths.get(id(task), 0) >= _MAX_DEATHS:
                    del deaths[id(task)]
                    yield task, WorkerLost(f"the worker died {_MAX_DEATHS} times with this in flight: {task}")

    def _launch(
        self,
        executor: Executor,
        function: Callable[[Task], Result],
        waiting: Iterator[Task],
        suspects: list[Task],
        flight: dict[Future[Result], Task],
    ) -> bool:
        """Fill the room in flight; False when nothing is left to wait for."""
        room = (1 if suspects else 2 * self.workers) - len(flight)
        tasks = [suspects.pop()] if suspects and room > 0 else list(islice(waiting, max(room, 0)))
        try:
            while tasks:
                flight[executor.submit(function, tasks[0])] = tasks[0]
                del tasks[0]
        finally:
            suspects += tasks  # a pool that breaks in between takes no more; they had no part in it
        return bool(flight)

    def _executor(self, pool: PoolKind) -> Executor:
        if pool == "threads":
            return ThreadPoolExecutor(self.workers)
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, context, initializer=_start_worker)


def _terminate(executor: Executor) -> None:
    """End the processes of a pool, whatever they are at."""
    for process in (getattr(executor, "_processes", None) or {}).copy().values():
        process.terminate()


def _start_worker() -> None:
    """One thread of linear algebra per worker, as there is a worker per processor; and an end with the parent.

    Ctrl-C reaches the workers, too. It is the parent's matter: a worker interrupted at its start could wait for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"  # for what is loaded from now on
    threadpool_limits(1)  # for what is loaded already
    _end_with_parent()


def _end_with_parent() -> None:
    """Leave when the parent process is gone, even by kill -9: watched from a thread of the worker."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return  # no worker

    def watch() -> None:
        with contextlib.suppress(OSError):
            wait_for_sentinel([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
