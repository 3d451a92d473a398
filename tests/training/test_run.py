"""A training run: checkpoints that are damaged are not resumed; its device."""

import os
import pickle
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from semiser.options.training import TrainingOptions
from semiser.training.run import TrainingRun


def _run(folder):
    return TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "key")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_checkpoint_with_a_damaged_byte_is_not_resumed(tmp_path, share, caplog):
    _run(tmp_path).save_checkpoint({"module": torch.nn.Linear(50, 50), "epoch": 3}, force=True)
    path = tmp_path / "checkpoint.ckpt"
    state = {"module": torch.nn.Linear(50, 50), "epoch": 0}
    assert _run(tmp_path).resume(state) and state["epoch"] == 3
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 0xFF
    path.write_bytes(data)
    state = {"module": torch.nn.Linear(50, 50), "epoch": 0}
    assert not _run(tmp_path).resume(state)
    assert state["epoch"] == 0 and "is damaged and is not resumed" in caplog.text


@pytest.mark.parametrize("lacking", ["key", "curves", "random", "parts_drawn", "precision"])
def test_a_checkpoint_that_lacks_a_part_is_not_resumed(tmp_path, lacking, caplog):
    _run(tmp_path).save_checkpoint({"epoch": 3}, force=True)
    saved = torch.load(tmp_path / "checkpoint.ckpt", weights_only=True)
    del saved[lacking]
    torch.save(saved, tmp_path / "checkpoint.ckpt")
    state = {"epoch": 0}
    assert not _run(tmp_path).resume(state)
    assert state["epoch"] == 0 and f"lacks {lacking}" in caplog.text


class Code:
    """What runs when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_code_in_a_checkpoint_is_never_run(tmp_path, monkeypatch, caplog):
    _run(tmp_path).save_checkpoint({"epoch": 3}, force=True)
    saved = torch.load(tmp_path / "checkpoint.ckpt", weights_only=True)
    torch.save(saved | {"epoch": Code(tmp_path / "ran")}, tmp_path / "checkpoint.ckpt")
    assert not _run(tmp_path).resume({"epoch": 0}) and "is damaged and is not resumed" in caplog.text
    monkeypatch.setattr(TrainingRun, "_is_resumable", lambda *_: True)  # put there since it was looked at
    with pytest.raises(pickle.UnpicklingError):
        _run(tmp_path).resume({"epoch": 0})
    assert not (tmp_path / "ran").exists()


def test_no_two_processes_draw_the_same_numbers_for_their_parts(tmp_path, monkeypatch):
    drawn = []
    for rank in range(3):
        run = _run(tmp_path)
        monkeypatch.setattr(run, "fabric", SimpleNamespace(world_size=3, global_rank=rank, device=torch.device("cpu")))
        torch.manual_seed(0)
        for _ in range(4):
            with run.own_draws():
                drawn.append(float(torch.rand(1, dtype=torch.float64)))
        drawn.append(float(torch.rand(1, dtype=torch.float64)))
    behind = drawn[4::5]
    assert len(set(behind)) == 1 and len(set(drawn)) == 3 * 4 + 1


def test_a_loss_on_the_whole_batch_gives_the_own_rows_their_gradient_times_the_processes(tmp_path, monkeypatch):
    run = _run(tmp_path)
    monkeypatch.setattr(run, "fabric", SimpleNamespace(world_size=2, global_rank=1))
    others = torch.tensor([[1.0], [0.0], [5.0]])  # of the first process: rows 0 and 2
    monkeypatch.setattr("semiser.training.run.distributed.all_reduce", lambda values: values.add_(others))
    part = torch.tensor([[3.0]], requires_grad=True)
    rows = run.joined(part, 3)
    assert rows.tolist() == [[1.0], [3.0], [5.0]]
    (rows**2).sum().backward()
    assert part.grad.tolist() == [[2 * 3.0 * 2]]


def test_a_training_says_where_it_stands_counting_from_one(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("semiser.training.run.note", said.append)
    run = _run(tmp_path)
    for epoch in range(2):
        run.log(epoch, 2, loss=0.5)
    run.log(2)
    assert (
        said[0] == "epoch 1 of 2, loss 0.5" and said[1].startswith("epoch 2 of 2, loss 0.5, ") and said[2] == "epoch 3"
    )
    assert run.curves == [{"epoch": epoch, "name": "loss", "value": 0.5} for epoch in range(2)]


def test_the_time_left_is_that_of_the_epochs_to_come_at_the_pace_so_far(tmp_path, monkeypatch):
    said, clock = [], iter([100.0, 110.0, 190.0])  # resumed at the fourth epoch
    monkeypatch.setattr("semiser.training.run.note", said.append)
    run = _run(tmp_path)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    for epoch in (3, 4, 6):
        run.log(epoch, 9)
    assert said == ["epoch 4 of 9", "epoch 5 of 9, 40.0 s left of it", "epoch 7 of 9, 60.0 s left of it"]


@pytest.mark.skipif(torch.cuda.is_available() or torch.mps.is_available(), reason="there is a GPU to ask for")
def test_who_asks_for_the_device_of_what_is_finished_does_not_load_fabric():
    script = """
import sys
from semiser.options.training import TrainingOptions
from semiser.training.run import device_of
assert device_of(TrainingOptions()).type == "cpu"
assert "lightning_fabric" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
