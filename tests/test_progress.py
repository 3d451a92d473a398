"""What long work says of itself where nobody looks at a terminal."""

import logging
import re
import time

import pytest

from semiser import progress as module
from semiser.options.training import TrainingOptions
from semiser.progress import duration, note, progress
from semiser.training.run import TrainingRun


@pytest.fixture
def lines(caplog, monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.02)
    caplog.set_level(logging.INFO, logger="semiser")
    return lambda: [record.getMessage() for record in caplog.records]


def _wait_for(lines, text):
    for _ in range(500):
        if any(text in line for line in lines()):
            return
        time.sleep(0.01)
    raise AssertionError(f"{text!r} was not told: {lines()}")


def test_a_log_gets_a_line_every_while_and_one_at_the_end(lines):
    with progress("train mmd", 4, "folds") as work:
        _wait_for(lines, "train mmd: 0 of 4 folds")
        work.update(2)
        note("epoch 3 of 30, loss 0.5")
        _wait_for(lines, "epoch 3 of 30")
        work.update(2)
    told = next(line for line in lines() if "epoch 3" in line)
    assert re.fullmatch(r"train mmd: 2 of 4 folds, .* (each|per second), .* left; epoch 3 of 30, loss 0\.5", told), told
    assert re.fullmatch(r"train mmd: 4 folds in \d+\.\d s \(.*\)", lines()[-1])
    note("nobody is at work")  # and nothing happens


def test_nothing_is_told_of_work_that_failed(lines):
    with pytest.raises(ValueError), progress("train mmd", 4, "folds"):
        raise ValueError
    count = len(lines())
    time.sleep(0.1)
    assert len(lines()) == count and not any("in 0.0 s" in line for line in lines())


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (99, "99.0 s"), (125, "2 min"), (5999, "100 min"), (9000, "2.5 h")]
)
def test_lengths_of_time(seconds, said):
    assert duration(seconds) == said


def test_a_training_says_epoch_losses_validation_and_time_left(tmp_path):
    run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "key")
    with progress("train mmd", 1, "folds") as work:
        run.log(0, 3, loss=0.51234, validation_uar=0.25)
        assert work.line().endswith("; epoch 1 of 3, loss 0.512, validation_uar 0.25")
        run.log(1, 3, loss=0.4)
        assert re.search(r"; epoch 2 of 3, loss 0\.4, \d+\.\d s left of it$", work.line())
        run.log(2, loss=0.3)
        assert work.line().endswith("; epoch 3, loss 0.3")
        work.update()
    assert [row["epoch"] for row in run.curves] == [0, 0, 1, 2]
