"""Two processes that share every batch against one, for every system but MMMD (tests/training/test_processes.py)."""

import pyarrow.parquet as pq
import pytest
import shared_systems
import torch
from safetensors.torch import load_file

from semiser.options.training import TrainingOptions
from semiser.systems.cmkt import fit as cmkt
from semiser.training.processes import fit_in_processes

TWO = TrainingOptions(accelerator="cpu", devices=2, checkpoint_every_s=0)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return shared_systems.make_cases(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def two(cases, tmp_path_factory):
    """What two processes made, by name, and where."""
    folder = tmp_path_factory.mktemp("two")
    data = shared_systems.make_frames(folder, 1)
    for name, checkpoints in shared_systems.STOPPED_AFTER.items():
        shared_systems.train_a_part(cases[name], folder / "one_then_two" / name, checkpoints)
    fit_in_processes(shared_systems.fit_all, data, (folder, cases), TWO, shared_systems.make_run(folder / "run"))
    return folder, torch.load(folder / "found.pt", weights_only=True)


@pytest.fixture(scope="module")
def one(cases, tmp_path_factory):
    """The same trainings in this process, and where."""
    folder = tmp_path_factory.mktemp("one")
    return folder, {name: shared_systems.train(case, folder / name) for name, case in cases.items()}


def _assert_alike(found, expected):
    torch.testing.assert_close(found["probabilities"], expected["probabilities"], rtol=1e-5, atol=1e-5)
    rows = [[(row["epoch"], row["name"]) for row in result["curves"]] for result in (found, expected)]
    assert rows[0] == rows[1] and rows[0]
    values = [torch.tensor([row["value"] for row in result["curves"]]) for result in (found, expected)]
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)


def _assert_same_files(found, expected):
    assert {path.name for path in found.iterdir()} == {path.name for path in expected.iterdir()}
    if (
        expected / cmkt.PSEUDO_LABELS
    ).exists():  # no weights: the keys' biases drift, of which attention is independent
        records = [pq.read_table(folder / cmkt.PSEUDO_LABELS) for folder in (found, expected)]
        assert records[0].equals(records[1])
    else:
        tensors = [load_file(folder / "model.safetensors") for folder in (found, expected)]
        torch.testing.assert_close(*tensors, rtol=1e-5, atol=1e-5)


NAMES = [
    *("consistent_random", "weighted_fusion", "pi_model", "temporal_ensembling", "softmatch_unmasked"),
    "cmkt_streamed",
    *("ssgan", "ssbase", "recognition", "chunks", "chunks_ccc", "chunks_mse", "chunks_hidden", "encoder"),
    *("front_end", "batch_norm"),
]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_have_the_losses_predictions_weights_and_files_of_one(one, two, name):
    _assert_alike(two[1][name], one[1][name])
    _assert_same_files(two[0] / name, one[0] / name)


@pytest.mark.parametrize("name", shared_systems.STOPPED_AFTER)
def test_a_checkpoint_of_two_processes_is_resumed_by_one_and_the_reverse(cases, one, two, name):
    folder, found = two
    expected = one[1][name]
    _assert_alike(found[f"one then two: {name}"], expected)
    _assert_same_files(folder / "one_then_two" / name, one[0] / name)
    begun = folder / "two_then_one" / name
    assert (begun / "checkpoint.ckpt").exists()
    _assert_alike(shared_systems.train(cases[name], begun), expected)
    _assert_same_files(begun, one[0] / name)


def test_every_training_is_compared(cases):
    assert list(cases) == NAMES
