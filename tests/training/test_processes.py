import os

import pytest
import shared_batches
import torch
from torch.multiprocessing import ProcessRaisedException

from semiser.options.training import TrainingOptions
from semiser.systems.mmmd.mixing import mix, part_of
from semiser.training.processes import fit_in_processes

TWO = TrainingOptions(accelerator="cpu", devices=2, checkpoint_every_s=0)


@pytest.fixture(scope="module")
def data():
    return shared_batches.make_data()


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):
    """What two processes made: folder, results by name, and the run that started them."""
    folder = tmp_path_factory.mktemp("two")
    shared_batches.train_until(7, data, folder / "one_then_two", "mmmd_epoch_wise")
    run = shared_batches.make_run(folder / "run")
    options = folder, shared_batches.streamed(data, folder)
    probabilities = fit_in_processes(shared_batches.fit_everything, data, options, TWO, run)
    found = torch.load(folder / "found.pt", weights_only=True)
    assert torch.equal(found["dnn"]["probabilities"], probabilities)
    return folder, found, run


@pytest.fixture(scope="module")
def one(data, tmp_path_factory):
    """The same trainings in this process."""
    folder = tmp_path_factory.mktemp("one")
    found = {name: shared_batches.train(data, folder / name, name) for name in shared_batches.VARIANTS}
    from_shards = shared_batches.streamed(data, folder)
    return found | {"streamed": shared_batches.train(from_shards, folder / "streamed", "mmmd_epoch_wise")}


def _assert_alike(found, expected):
    torch.testing.assert_close(found["probabilities"], expected["probabilities"], rtol=1e-5, atol=1e-5)
    assert [(row["epoch"], row["name"]) for row in found["curves"]] == [
        (row["epoch"], row["name"]) for row in expected["curves"]
    ]
    values = [torch.tensor([row["value"] for row in result["curves"]]) for result in (found, expected)]
    torch.testing.assert_close(*values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("variant", [*shared_batches.VARIANTS, "streamed"])
def test_two_processes_have_the_losses_and_predictions_of_one(one, two, variant):
    _, found, _ = two
    _assert_alike(found[variant], one[variant])


def test_two_processes_took_part_and_the_first_one_reports(two):
    _, _, run = two
    assert "MASTER_PORT" not in os.environ, "the next training would take the same port"
    assert {row["name"]: row["value"] for row in run.curves} == {"processes": 2.0, "rank": 0.0}


def test_processes_draw_for_themselves_only_where_they_say_so(two):
    _, found, _ = two
    assert found["draws"] == {"inside": True, "behind": False, "next time": True}


def test_a_checkpoint_of_two_processes_is_resumed_by_one_and_the_reverse(data, one, two):
    folder, found, _ = two
    expected = one["mmmd_epoch_wise"]
    assert (folder / "two_then_one" / "checkpoint.ckpt").exists()
    _assert_alike(shared_batches.train(data, folder / "two_then_one", "mmmd_epoch_wise"), expected)
    _assert_alike(found["one_then_two"], expected)


def test_the_error_of_one_process_ends_all_and_is_told(data, tmp_path):
    run = shared_batches.make_run(tmp_path)
    with pytest.raises(ProcessRaisedException, match="no luck here"):
        fit_in_processes(shared_batches.fail_in_the_second, data, None, TWO, run)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_parts_of_all_processes_make_up_the_mixed_batch(processes):
    values, lam, order = torch.randn(4, 7, 2), torch.rand(7), torch.randperm(7)
    expected = mix(values, order, lam, axis=1)
    found = torch.full_like(expected, torch.nan)
    for rank in range(processes):
        own = torch.arange(7)[rank::processes]
        part = part_of(own, order)
        needed = values[:, part.needed]
        found[:, part.own] = mix(needed, part.second, lam[part.own], axis=1, own=part.first)
    assert torch.equal(found, expected)
