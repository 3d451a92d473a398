"""What a training takes: time, processor time, memory."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

_EVERY_S = 0.02  # between two looks at the memory


@contextmanager
def measuring() -> Iterator[dict[str, float]]:
    """Fills in, when it ends, what was taken meanwhile.

    Yields:
        A dictionary that then has `seconds`, `processor_s` (of this process and of those that it started and that have
        ended, all threads), `memory_mib`, the most that was resident in this process (with libraries and features,
        which are there before), and on a GPU `gpu_mib`, the most that torch had allocated on it.
    """
    cost: dict[str, float] = {}
    process, ended, highest = psutil.Process(), threading.Event(), 0

    def look() -> None:
        nonlocal highest
        while True:
            highest = max(highest, process.memory_info().rss)
            if ended.wait(_EVERY_S):
                return

    on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    watcher = threading.Thread(target=look, daemon=True, name="semiser-memory")
    seconds, processor = time.perf_counter(), _processor_seconds()
    watcher.start()
    try:
        yield cost
    finally:
        ended.set()
        watcher.join()
    cost |= {"seconds": time.perf_counter() - seconds, "processor_s": _processor_seconds() - processor}
    cost["memory_mib"] = highest / 2**20
    if on_gpu:
        cost["gpu_mib"] = torch.cuda.max_memory_allocated() / 2**20


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
