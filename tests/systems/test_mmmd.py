import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from semiser.features.is10 import feature_names
from semiser.networks.mmd import Mmd, MmdLogits
from semiser.options.mmmd import MmdOptions
from semiser.options.training import TrainingOptions
from semiser.systems import mmmd
from semiser.training.data import FoldData
from semiser.training.run import TrainingRun

TINY = MmdOptions(hidden=(8, 4), epochs=6, batch_size=16, learning_rate=0.01, input_noise=0.1, hidden_dropout=0.1)


@pytest.fixture
def data():
    """Three classes that shift all 1,582 columns of 60 utterances; 36 to train, 12 to validate, 12 to test."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.randn(60, 1582, generator=generator) + (y[:, None] - 1) * 0.5
    rows = {
        "train": torch.arange(36),
        "unlabelled": torch.arange(0),
        "validation": torch.arange(36, 48),
        "test": torch.arange(48, 60),
    }
    return FoldData(x, y, rows, ("a", "b", "c"), feature_names())


def _run(folder, seed=0, key="k"):
    run = TrainingRun(folder, seed, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), key)
    run.scaling = {"strategy": "global", "mean": np.zeros(1582), "std": np.ones(1582)}
    return run


def test_the_objective_is_the_global_loss_and_the_weighted_sum_of_the_local_ones():
    local = torch.log(torch.tensor([[[0.5, 0.5], [0.25, 0.75]], [[0.1, 0.9], [0.8, 0.2]]]))
    globally = torch.log(torch.tensor([[0.2, 0.8], [0.6, 0.4]]))
    y = torch.tensor([0, 1])
    expected_global = -(math.log(0.2) + math.log(0.4)) / 2
    expected_local = -(math.log(0.5) + math.log(0.9)) / 2 - (math.log(0.25) + math.log(0.2)) / 2
    loss = mmmd.supervised_loss(MmdLogits(local, globally), y, MmdOptions(local_loss_weight=0.5))
    assert loss.item() == pytest.approx(expected_global + 0.5 * expected_local, rel=1e-6)


def test_class_weights_let_every_class_add_as_much():
    weights = mmmd.class_weights(torch.tensor([0, 0, 0, 1]), 2)
    torch.testing.assert_close(weights, torch.tensor([4 / 6, 4 / 2]))
    logits = MmdLogits(torch.zeros(4, 1, 2), torch.log(torch.tensor([[0.5, 0.5]] * 3 + [[0.8, 0.2]])))
    loss = mmmd.supervised_loss(logits, torch.tensor([0, 0, 0, 1]), MmdOptions(local_loss_weight=0), weights)
    assert loss.item() == pytest.approx((3 * 4 / 6 * math.log(2) - 2 * math.log(0.2)) / 4)


def test_gradients_reach_every_local_classifier_and_the_global_one():
    network = Mmd({"a": [0, 1], "b": [2], "c": [3, 4, 5]}, {}, 2, TINY)
    mmmd.supervised_loss(network(torch.randn(8, 6)), torch.tensor([0, 1] * 4), TINY).backward()
    for layer in [*network.input.layers, network.hidden, network.local]:
        assert (layer.weight.grad.abs().amax(dim=(1, 2)) > 0).all()
    assert network.globally.weight.grad.abs().max() > 0


@pytest.mark.parametrize("progress, expected", [(0.0, 0.1), (0.5, 0.05), (1.0, 0.0)])
def test_the_cosine_schedule_falls_from_the_full_rate_to_zero(progress, expected):
    options = MmdOptions(learning_rate=0.1, schedule="cosine")
    assert mmmd.learning_rate(options, progress) == pytest.approx(expected, abs=1e-9)
    assert mmmd.learning_rate(MmdOptions(learning_rate=0.1), progress) == 0.1


def test_batches_are_of_near_equal_size_and_hold_every_row_once():
    rows = torch.arange(100, 121)
    batches = list(mmmd._batches(rows, epoch=1, options=MmdOptions(batch_size=10, epochs=2)))
    assert [len(batch) for batch, _ in batches] == [7, 7, 7]
    assert sorted(torch.cat([batch for batch, _ in batches]).tolist()) == rows.tolist()
    assert [share for _, share in batches] == pytest.approx([1 / 2, 2 / 3, 5 / 6])


def test_fit_learns_what_can_be_learnt_and_saves_weights_with_a_card(data, tmp_path):
    run = _run(tmp_path)
    probabilities = mmmd.fit(data, TINY, run)
    assert probabilities.shape == (12, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(12))
    assert (probabilities.argmax(1) == data.y[48:]).float().mean() > 0.8
    losses = [row["value"] for row in run.curves if row["name"] == "loss"]
    assert losses[-1] < 0.6 * losses[0]
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["system"], card["classes"], card["scaling"]) == ("mmmd", ["a", "b", "c"], "global")
    network = Mmd(mmmd.acoustic_paths(card["features"]["is10"]), {}, 3, MmdOptions(**card["options"]))
    weights = load_file(tmp_path / "model.safetensors")
    network.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("scaling.")})
    torch.testing.assert_close(mmmd.predict(network, data.x[48:], TINY), probabilities)


def test_the_same_seed_gives_the_same_probabilities_and_another_seed_others(data, tmp_path):
    first, second, other = (mmmd.fit(data, TINY, _run(tmp_path / str(n), seed)) for n, seed in enumerate((0, 0, 1)))
    assert torch.equal(first, second) and not torch.equal(first, other)


@pytest.mark.parametrize("select", ["last", "validation"])
def test_a_resumed_training_ends_with_the_undisturbed_predictions(data, tmp_path, monkeypatch, select):
    options = TINY.model_copy(update={"select": select, "schedule": "cosine"})
    undisturbed = mmmd.fit(data, options, _run(tmp_path / "a"))
    save = TrainingRun.save_checkpoint

    def save_and_die(run, state, force=False):
        save(run, state, force)
        if state["epoch"] == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        mmmd.fit(data, options, _run(tmp_path / "b"))
    monkeypatch.undo()
    assert (tmp_path / "b" / "checkpoint.ckpt").exists()
    torch.manual_seed(99)  # whatever the new process drew before
    run = _run(tmp_path / "b")
    assert torch.equal(mmmd.fit(data, options, run), undisturbed)
    assert [row["epoch"] for row in run.curves if row["name"] == "loss"] == list(range(6))
    assert not (tmp_path / "b" / "checkpoint.ckpt").exists()


def test_a_checkpoint_of_other_data_or_options_is_not_resumed(data, tmp_path, monkeypatch):
    state = {"epoch": 3}
    _run(tmp_path).save_checkpoint(state)
    assert not _run(tmp_path, key="other").resume({"epoch": 0})
    restored = {"epoch": 0}
    assert _run(tmp_path).resume(restored) and restored["epoch"] == 3


def test_a_damaged_checkpoint_is_not_resumed(tmp_path, caplog):
    run = _run(tmp_path)
    run.save_checkpoint({"epoch": 3})
    path = tmp_path / "checkpoint.ckpt"
    path.write_bytes(path.read_bytes()[:100])
    assert not run.resume({"epoch": 0})
    assert "damaged" in caplog.text


def test_selection_reads_no_test_label(data, tmp_path):
    options = TINY.model_copy(update={"select": "validation"})
    permuted = FoldData(data.x, data.y.clone(), data.rows, data.classes, data.names)
    permuted.y[data.rows["test"]] = data.y[data.rows["test"]].flip(0)
    first, second = (mmmd.fit(d, options, _run(tmp_path / str(n))) for n, d in enumerate((data, permuted)))
    assert torch.equal(first, second)
