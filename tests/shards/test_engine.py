import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from semiser.options.engine import EngineOptions
from semiser.shards.engine import LocalEngine, make_engine
from semiser.shards.engine_protocol import WorkerLost


def _square(number):
    return number * number


def _die_once(path):
    """Kill the own process at the first call, answer at the second."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def _die_for_poison(task):
    if task == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def _fail(number):
    raise ValueError(f"task {number}")


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_every_task_is_answered_once(pool):
    assert sorted(LocalEngine(2).map(_square, range(7), pool)) == [(n, n * n) for n in range(7)]


def test_tasks_are_drawn_only_as_there_is_room():
    drawn = []

    def tasks():
        for number in range(100):
            drawn.append(number)
            yield number

    results = LocalEngine(2).map(_square, tasks(), "threads")
    next(results)
    assert len(drawn) <= 2 * 2 + 1
    results.close()


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_an_error_of_the_function_ends_the_map(pool):
    with pytest.raises(ValueError, match="task 0"):
        list(LocalEngine(1).map(_fail, [0], pool))


def test_tasks_of_a_dead_worker_are_tried_again(tmp_path):
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert sorted(LocalEngine(2).map(_die_once, paths, "processes")) == [(path, "done") for path in paths]


def test_a_task_that_kills_its_worker_again_and_again_is_given_up_and_the_others_are_done():
    outcomes = dict(LocalEngine(1).map(_die_for_poison, ["poison", "b", "c"], "processes"))
    assert isinstance(outcomes.pop("poison"), WorkerLost)
    assert outcomes == {"b": "b", "c": "c"}


def test_workers_default_to_the_usable_processors():
    assert isinstance(make_engine(EngineOptions()), LocalEngine)
    assert make_engine(EngineOptions()).workers >= 1
    assert make_engine(EngineOptions(workers=3)).workers == 3


_PARENT = """
import os, signal, sys, time
from semiser.shards.engine import LocalEngine

def report(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(60)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    list(LocalEngine(2).map(report, [sys.argv[1]] * 2, "processes"))
"""


def _kill(parent):
    parent.kill()


def _press_ctrl_c(parent):
    os.killpg(parent.pid, signal.SIGINT)  # all processes of a terminal get it


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("end", [_kill, _press_ctrl_c])
def test_workers_end_with_their_parent_whatever_they_are_at(tmp_path, end):
    script, pids = tmp_path / "parent.py", tmp_path / "pids"
    script.write_text(_PARENT)
    pids.mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, str(script), str(pids)], env=environment, start_new_session=True)
    try:
        assert _within(20, lambda: len(list(pids.iterdir())) == 2)
        end(parent)
        parent.wait(20)
    finally:
        parent.kill()
        parent.wait()
    assert _within(10, lambda: not any(Path(f"/proc/{path.name}").exists() for path in pids.iterdir()))


def _within(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
