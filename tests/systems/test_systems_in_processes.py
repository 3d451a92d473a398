"""Two processes that share every batch against one, for every system but MMMD (tests/training/test_processes.py)."""

import pyarrow.parquet as pq
import pytest
import shared_systems
import torch

from semiser.options.training import TrainingOptions
from semiser.systems import cmkt
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
    fit_in_processes(shared_systems.fit_all, data, (folder, cases), TWO, shared_systems.make_run(folder / "run"))
    return folder, torch.load(folder / "found.pt", weights_only=True)


NAMES = [
    *("consistent_random", "weighted_fusion", "pi_model", "temporal_ensembling", "cmkt_streamed"),
    *("ssgan", "ssbase", "recognition", "chunks", "chunks_ccc", "chunks_mse", "encoder"),
]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_have_the_losses_predictions_and_files_of_one(cases, two, tmp_path, name):
    folder, found = two
    expected = shared_systems.train(cases[name], tmp_path)
    torch.testing.assert_close(found[name]["probabilities"], expected["probabilities"], rtol=1e-5, atol=1e-5)
    rows = [[(row["epoch"], row["name"]) for row in result["curves"]] for result in (found[name], expected)]
    assert rows[0] == rows[1] and rows[0]
    values = [torch.tensor([row["value"] for row in result["curves"]]) for result in (found[name], expected)]
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)
    files = [{path.name for path in where.iterdir()} for where in (folder / name, tmp_path)]
    assert files[0] == files[1]
    if cmkt.PSEUDO_LABELS in files[0]:
        records = [pq.read_table(where / cmkt.PSEUDO_LABELS) for where in (folder / name, tmp_path)]
        assert records[0].equals(records[1])


def test_every_training_is_compared(cases):
    assert list(cases) == NAMES
