"""Small trainings side by side: a worker per core, each with one training at a time, as this process would do it.

A training draws from the random state that its seed sets, so it gives in a worker what it gives here. Workers are
spawned once and stay for all trainings of a run, which ends them.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from multiprocessing.connection import wait as wait_for_sentinel
from multiprocessing.sharedctypes import Synchronized
from typing import Generic, TypeVar

import psutil

from semiser import torchrun
from semiser.options.training import TrainingOptions

logger = logging.getLogger(__name__)
Task = TypeVar("Task")
Result = TypeVar("Result")

_START_S = 5.0  # what it takes to start workers: a run that has trained for so long will go on
_SHARED = "/dev/shm"  # where tensors lie that go to workers

_pool: list[ProcessPoolExecutor] = []  # one at most
_pool_lock = threading.Lock()
_trained_s = 0.0  # processor time of trainings in this process


class Trainings(Generic[Task, Result]):
    """Trainings under way: in workers where that pays, else here one after the other."""

    def __init__(self, prepare: Callable[[Task], Callable[[], Result]], training: TrainingOptions, long: bool = False):
        """Args:
        prepare: what makes a task a call without arguments; called shortly before it is done, so that only the data of
            those under way are held. Call and result can be pickled where there are workers.
        training: how many at once.
        long: whether each is known to take longer than the start of workers.
        """
        self._prepare, self._training, self._long = prepare, training, long
        self._flight: dict[Future[Result], Task] = {}

    def finish(self, waiting: Iterator[Task]) -> tuple[Task, Result]:
        """Begin as many as there is room for, one in each worker and the data of one more ready, and wait for one.

        Args:
            waiting: what may begin, in this order.

        Returns:
            A task, one of these or of an earlier call, and its result.

        Raises:
            IndexError: none is under way, and none waits.
        """
        workers = _workers(self._training, self._long)
        if not self._flight:
            first = list(islice(waiting, 2 if workers > 1 else 1))
            if len(first) < 2:
                return self._here(first[0])
            waiting = chain(first, waiting)
        try:
            pool = _executor(workers)
            for task in islice(waiting, max(0, workers + 1 - len(self._flight))):
                self._flight[pool.submit(self._prepare(task))] = task
            future = wait(self._flight, return_when=FIRST_COMPLETED).done.pop()
            return self._flight.pop(future), future.result()
        except BrokenProcessPool as error:
            self._flight.clear()
            stop()
            raise RuntimeError(
                "a process that trained one of several folds side by side was killed, as a system does when memory is "
                "short: run again, which goes on at the checkpoints, with training.side_by_side=1"
            ) from error

    def _here(self, task: Task) -> tuple[Task, Result]:
        global _trained_s
        call, started = self._prepare(task), time.process_time()
        result = call()
        _trained_s += time.process_time() - started
        return task, result

    def close(self) -> None:
        """Nobody wants the rest: what runs keeps its checkpoint."""
        if self._flight:
            self._flight.clear()
            stop()


def _workers(training: TrainingOptions, long: bool) -> int:
    """How many trainings there are at once: as many as asked for, or as cores and memory allow."""
    if training.devices > 1 or torchrun.processes() is not None or multiprocessing.parent_process() is not None:
        return 1  # others share the training, or this is one of a runner's processes
    if training.side_by_side is not None:
        return training.side_by_side
    if (
        not (_pool or long or _trained_s > _START_S)
        or training.accelerator not in ("auto", "cpu")
        or _has_gpu(training)
    ):
        return 1
    cores = len(usable_cores()) // (training.threads or len(usable_cores()))
    return max(1, min(cores, _room()))


def _has_gpu(training: TrainingOptions) -> bool:
    from semiser.training.run import device_of

    return device_of(training).type != "cpu"


def _room() -> int:
    """How many processes like this one fit into half of what memory is free."""
    free = psutil.virtual_memory().available
    if os.path.isdir(_SHARED):
        free = min(free, psutil.disk_usage(_SHARED).free)
    return int(free / 2 / psutil.Process().memory_info().rss)


def usable_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _executor(workers: int) -> ProcessPoolExecutor:
    """The workers, started where there are none; the first number of them stays."""
    with _pool_lock:
        if not _pool:
            context = multiprocessing.get_context("spawn")
            cores = usable_cores() if workers == len(usable_cores()) else []
            given = (context.Value("i", 0), cores)
            _pool.append(ProcessPoolExecutor(workers, context, initializer=_start, initargs=given))
            logger.info("from now on %d trainings run at once (training.side_by_side)", workers)
        return _pool[0]


def stop() -> None:
    """End the workers, at once."""
    while _pool:
        pool = _pool.pop()
        processes = list(pool._processes.values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


def _start(number: "Synchronized[int]", cores: list[int]) -> None:
    """A core for the worker, where there is one for each; it ends with its parent, even by kill -9, and no sooner."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends the workers
    if cores and hasattr(os, "sched_setaffinity"):
        with number.get_lock():
            os.sched_setaffinity(0, {cores[number.value % len(cores)]})
            number.value += 1
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait_for_sentinel([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
