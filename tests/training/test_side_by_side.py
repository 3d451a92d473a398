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


def _draw(seed):
    torch.manual_seed(seed)
    return os.getpid(), torch.rand(3).tolist()


def _fail(seed):
    raise ValueError(f"seed {seed} fails")


def _kill(seed):
    os._exit(9)


def test_workers_draw_what_this_process_draws_and_each_has_a_core():
    tasks, cores = list(range(6)), side_by_side.usable_cores()
    alone = dict(side_by_side.train_all(tasks, lambda seed: partial(_draw, seed), CPU))
    found = dict(side_by_side.train_all(tasks, lambda seed: partial(_draw, seed), TWO))
    assert [found[seed][1] for seed in tasks] == [alone[seed][1] for seed in tasks]
    workers = {found[seed][0] for seed in tasks}
    assert os.getpid() not in workers and {alone[seed][0] for seed in tasks} == {os.getpid()}
    if len(cores) == 2 and len(workers) == 2:
        assert sorted(os.sched_getaffinity(worker).pop() for worker in workers) == cores


def test_one_task_is_not_worth_a_worker():
    ((_, (process, _)),) = side_by_side.train_all([1], lambda seed: partial(_draw, seed), TWO)
    assert process == os.getpid()


def test_an_error_of_a_training_is_the_runs():
    with pytest.raises(ValueError, match="seed 0 fails"):
        list(side_by_side.train_all([0, 0], lambda seed: partial(_fail, seed), TWO))


def test_a_killed_training_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"training\.side_by_side=1"):
        list(side_by_side.train_all([0, 1], lambda seed: partial(_kill, seed), TWO))
