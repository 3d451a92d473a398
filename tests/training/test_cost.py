"""What a training takes."""

import os
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from semiser.training.cost import measuring


def test_time_and_processor_time_are_those_between_begin_and_end(monkeypatch):
    clock = iter([100.0, 103.5])
    taken = iter([(1.0, 2.0, 4.0, 8.0), (2.0, 4.0, 8.0, 16.0)])  # user, system, and of ended processes
    names = ("user", "system", "children_user", "children_system")
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(os, "times", lambda: SimpleNamespace(**dict(zip(names, next(taken), strict=True))))
    with measuring() as cost:
        assert cost == {}
    assert cost["seconds"] == 3.5 and cost["processor_s"] == 15.0 and "gpu_mib" not in cost


def test_memory_is_the_most_that_was_resident(monkeypatch):
    sizes = iter([3 << 20, 15 << 19, 5 << 20])
    looked = []

    def memory_info(process):
        looked.append(next(sizes, 2 << 20))
        return SimpleNamespace(rss=looked[-1])

    monkeypatch.setattr(psutil.Process, "memory_info", memory_info)
    with measuring() as cost:
        while len(looked) < 4:
            time.sleep(0.001)
    assert cost["memory_mib"] == 7.5


def test_nobody_looks_on_behind_a_training_that_failed():
    with pytest.raises(KeyboardInterrupt), measuring():
        raise KeyboardInterrupt
    assert "semiser-memory" not in [thread.name for thread in threading.enumerate()]
