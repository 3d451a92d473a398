"""Trainings in workers: the same predictions, curves and weights as one after the other; errors; one core each."""

import os
from functools import partial

import pytest
import torch

from semiser.options.training import TrainingOptions
from semiser.training import side_by_side

CPU = TrainingOptions(accelerator="cpu")
TWO = CPU.model_copy(update={"side_by_side": 2})


@pytest.fixture(autouse=True, scope="module")
def _ends():
    yield
    side_by_side.stop()


def _train_all(tasks, call, training):
    """Task to result, in the order in which they ended."""
    trainings, waiting = side_by_side.Trainings(lambda task: partial(call, task), training), iter(tasks)
    return dict(trainings.finish(waiting) for _ in tasks)


def _draw(seed):
    torch.manual_seed(seed)
    return os.getpid(), torch.rand(3).tolist()


def _fail(seed):
    raise ValueError(f"seed {seed} fails")


def _kill(seed):
    os._exit(9)


def test_workers_draw_what_this_process_draws_and_each_has_a_core():
    tasks, cores = list(range(6)), side_by_side.usable_cores()
    alone, found = _train_all(tasks, _draw, CPU), _train_all(tasks, _draw, TWO)
    assert [found[seed][1] for seed in tasks] == [alone[seed][1] for seed in tasks]
    workers = {found[seed][0] for seed in tasks}
    assert os.getpid() not in workers and {alone[seed][0] for seed in tasks} == {os.getpid()}
    if len(cores) == 2 and len(workers) == 2:
        assert sorted(os.sched_getaffinity(worker).pop() for worker in workers) == cores


@pytest.mark.parametrize("threads, room, workers", [(None, 99, 1), (1, 99, 6), (2, 99, 3), (1, 4, 4), (4, 0, 1)])
def test_workers_are_as_many_as_cores_and_memory_allow_once_trainings_are_long(monkeypatch, threads, room, workers):
    monkeypatch.setattr(side_by_side, "usable_cores", lambda: list(range(6)))
    monkeypatch.setattr(side_by_side, "_room", lambda: room)
    training = CPU.model_copy(update={"threads": threads, "side_by_side": None})
    monkeypatch.setattr(side_by_side, "_trained_s", 0.0)
    monkeypatch.setattr(side_by_side, "_pool", [])
    assert side_by_side._workers(training, long=False) == 1
    assert side_by_side._workers(training, long=True) == workers
    monkeypatch.setattr(side_by_side, "_trained_s", 1e9)
    assert side_by_side._workers(training, long=False) == workers


def test_one_task_is_not_worth_a_worker():
    assert _train_all([1], _draw, TWO)[1][0] == os.getpid()


def test_an_error_of_a_training_is_the_runs():
    with pytest.raises(ValueError, match="seed 0 fails"):
        _train_all([0, 0], _fail, TWO)


def test_a_killed_training_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"training\.side_by_side=1"):
        _train_all([0, 1], _kill, TWO)


def test_of_what_waits_no_more_is_prepared_than_workers_and_one():
    prepared = []

    def prepare(seed):
        prepared.append(seed)
        return partial(_draw, seed)

    trainings, waiting = side_by_side.Trainings(prepare, TWO), iter(range(9))
    trainings.finish(waiting)
    assert prepared == [0, 1, 2] and next(waiting) == 3
    trainings.finish(iter([4]))  # what waits may be another thing by now
    assert prepared == [0, 1, 2, 4]
    trainings.close()
    assert trainings.finish(iter([5]))[0] == 5  # nothing of what was under way
