"""What a step takes on a device, reckoned without taking it, against what is really held; and refused without room."""

import math

import pytest
import torch
from shared_fits import NAMES, PROVENANCE, make_cases
from torch import nn
from torch.profiler import ProfilerActivity, profile

from semiser import devices
from semiser.data.vectors import FoldData
from semiser.devices import bytes_placed, placed
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.training.memory import Need, Trained, optimiser_bytes, reckon
from semiser.training.run import TrainingRun

CASES = [
    *("mmmd_epoch_wise", "ssgan", "ssbase", "weighted_fusion", "pi_model", "temporal_ensembling"),
    *("recognition", "chunks", "chunks_ccc", "encoder", "front_end", "expression"),
]
assert set(CASES) < set(NAMES)


def layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(8 * 12 * 12, 10)
    )


def loss_of(network, x):
    return network(x).square().sum()


def test_a_layer_is_reckoned_as_by_hand():
    """20 x 30 values in, 40 out, a batch of 20; 4 bytes each."""
    network, x = nn.Linear(30, 40, bias=False), torch.zeros(20, 30)
    adam = torch.optim.Adam(network.parameters())
    need = reckon(lambda network, x: network(x).sum(), (network, x), [Trained.of(network, adam)])
    weights = 40 * 30 * 4
    assert need.networks == weights and need.others == 0
    assert need.optimisers == 2 * weights + 4  # both moments and a step counter
    output = 20 * 40 * 4  # freed behind the sum, whose gradient is one number that is expanded
    assert weights < need.step <= weights + output + 3 * 4


def test_what_is_reckoned_is_what_the_allocator_gives():
    network, x = layers(), torch.randn(64, 1, 14, 14)
    need = reckon(loss_of, (network, x), [Trained.of(network, torch.optim.SGD(network.parameters()))])
    loss_of(network, x).backward()  # once, so that nothing is made for the first time
    network.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        loss_of(network, x).backward()
    now = most = 0
    for event in found.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    assert need.step == pytest.approx(most, rel=0.02)


def test_nothing_of_the_network_changes():
    network, x = layers(), torch.randn(8, 1, 14, 14)
    optimiser = torch.optim.AdamW(network.parameters(), fused=True)
    before, random = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    reckon(loss_of, (network, x), [Trained.of(network, optimiser)])
    assert torch.equal(torch.get_rng_state(), random)
    assert not optimiser.state and all(parameter.grad is None for parameter in network.parameters())
    for name, value in network.state_dict().items():
        assert type(value) is torch.Tensor and torch.equal(value, before[name])


def test_a_network_that_stands_still_in_a_part_keeps_the_gradients_of_another():
    first, second = nn.Linear(3, 5, bias=False), nn.Linear(5, 1, bias=False)
    trained = [Trained.of(network, torch.optim.Adam(network.parameters())) for network in (first, second)]
    part = lambda first, second, x: second(first(x)).sum()  # noqa: E731
    batch = (first, second, torch.zeros(2, 3))
    together = reckon(part, batch, trained)
    second.requires_grad_(False)
    assert reckon(part, batch, trained)[:3] == (*together[:2], 5 * 4)
    assert together.others == 0 and together.optimisers == 2 * (3 * 5 + 5) * 4 + 2 * 4


def test_a_step_of_an_optimiser_that_went_on_from_a_checkpoint_keeps_no_more():
    network = nn.Linear(4, 4)
    optimiser = torch.optim.Adamax(network.parameters())
    fresh = optimiser_bytes(Trained.of(network, optimiser))
    network(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    assert optimiser_bytes(Trained.of(network, optimiser)) == fresh == 2 * (16 + 4) * 4 + 2 * 4


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make_cases(tmp_path_factory.mktemp("data"))


def with_free(monkeypatch, size, what="training.run"):
    """A device on which so much is free as a module sees it: the CPU, which has no limit otherwise."""
    monkeypatch.setattr(f"semiser.{what}.free_bytes", lambda device: float(size))


def fit(case, folder):
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu"), "key")
    run.provenance = Provenance(PROVENANCE)
    return case.fit(case.data, case.options, run), run.curves


@pytest.mark.parametrize("name", CASES)
def test_a_step_without_room_is_refused_before_it_is_taken(cases, name, tmp_path, monkeypatch):
    with_free(monkeypatch, 1)
    monkeypatch.setattr(torch.optim.Optimizer, "zero_grad", lambda *_: pytest.fail("a step was taken"))
    with pytest.raises(ValueError, match=r"training\.accelerator: a step needs .* on cpu .*networks .*batch_size"):
        fit(cases[name], tmp_path)


@pytest.mark.parametrize("name", ["ssgan", "temporal_ensembling", "chunks_ccc", "encoder", "front_end"])
def test_a_training_with_room_is_what_it_is_without_a_limit(cases, name, tmp_path, monkeypatch):
    expected, curves = fit(cases[name], tmp_path / "endless")
    with_free(monkeypatch, 1e12)
    found, limited = fit(cases[name], tmp_path / "enough")
    assert torch.equal(found, expected) and limited == curves


def test_a_longer_batch_is_reckoned_again(tmp_path, monkeypatch):
    reckoned = []
    monkeypatch.setattr(
        "semiser.training.run.reckon", lambda part, given, trained: reckoned.append(len(given[1])) or Need(0, 0, 0, 0)
    )
    with_free(monkeypatch, 1e9)
    run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "key")
    for size in (4, 2, 4, 6):
        run.graph(loss_of)(nn.Identity(), torch.ones(size))
    assert reckoned == [4, 6]


def test_what_lies_on_the_device_already_needs_no_room_again(tmp_path, monkeypatch):
    monkeypatch.setattr("semiser.training.run.reckon", lambda part, given, trained: Need(80, 168, 80, 1000))
    run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "key")
    network = nn.Linear(4, 4)
    network, optimiser = run.setup(network, torch.optim.Adamax(network.parameters(), foreach=False))
    network(torch.ones(1, 4)).sum().backward()
    optimiser.step()  # two moments of 20 values, two counts of steps; and 20 gradients
    with_free(monkeypatch, 1000)
    run.need_room(loss_of, (network, torch.ones(1, 4)))
    with_free(monkeypatch, 999)
    with pytest.raises(ValueError, match="a step needs"):
        run.need_room(loss_of, (network, torch.ones(2, 4)))


def test_data_of_a_fold_are_counted_before_they_are_sent(monkeypatch):
    x = torch.zeros(1, 1).expand(500, 100)  # as large as it says only where it is copied
    data = FoldData(x, torch.zeros(500, dtype=torch.int64), {"train": torch.arange(400)}, ("a", "b"), ("f",) * 100)
    assert bytes_placed(data) == 500 * 100 * 4 + 500 * 8 + 400 * 8
    assert math.isinf(devices.free_bytes(torch.device("cpu")))
    with_free(monkeypatch, 200_000, "devices")
    with pytest.raises(ValueError, match=r"training\.accelerator: the data of a fold take .* stream "):
        placed(data, torch.device("cpu"))
