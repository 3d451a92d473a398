"""Every system on a device with a memory of its own, which nobody here has: `pretend_device`."""

from collections import Counter

import pytest
import shared_systems
import torch
from lightning_fabric import Fabric
from pretend_device import DEVICE, OnDevice, WrongDevice, on_pretend_device
from safetensors.torch import load_file
from shared_fits import NAMES, PROVENANCE, make_cases
from shared_systems import Case
from torch.optim.optimizer import register_optimizer_step_post_hook

from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mssgan import fit as mssgan
from semiser.training.run import TrainingRun

NO_STOP = {"weighted_fusion", "pi_model", "chunks_mse", "chunks_hidden", "batch_norm"}  # of a kind with others
STOPPED_AFTER = shared_systems.STOPPED_AFTER | {
    **{"mmmd_dnn": 3, "mmmd_epoch_wise": 7, "mmmd_streamed": 7, "mmmd_sae": 1, "mmmd_guarded": 9, "mmmd_softmatch": 6},
    **{"end_to_end": 1, "expression": 1},
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Case]:
    return make_cases(tmp_path_factory.mktemp("data"))


def train(case: Case, folder, every_s: float = 1e9) -> torch.Tensor:
    """What `fit` gives, on the CPU; data go to the device of the run, as `fit_in_processes` would send them."""
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=every_s), "key")
    run.provenance = Provenance(PROVENANCE)
    found = case.fit(case.data.to(run.fabric.device), case.options, run)
    return found.cpu()


@pytest.fixture(scope="module")
def on_cpu(cases, tmp_path_factory):
    """What each training gives on the CPU, made when it is asked for, and where its files lie."""
    folder, made = tmp_path_factory.mktemp("cpu"), {}

    def get(name):
        if name not in made:
            made[name] = train(cases[name], folder / name)
        return made[name], folder / name

    return get


@pytest.mark.parametrize("name", NAMES)
def test_a_fit_gives_on_the_device_what_it_gives_on_the_cpu(cases, on_cpu, name, tmp_path):
    expected, folder = on_cpu(name)
    with on_pretend_device():
        found = train(cases[name], tmp_path)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    if name not in (
        "weighted_fusion",
        "consistent_random",
        "pi_model",
        "temporal_ensembling",
        "softmatch_unmasked",
        "cmkt_streamed",
    ):
        weights = [load_file(place / "model.safetensors") for place in (tmp_path, folder)]
        torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-5)  # but CMKT's, the biases of whose keys drift


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_STOP])
def test_a_training_goes_on_from_its_checkpoint_on_the_device(cases, on_cpu, name, tmp_path):
    with on_pretend_device():
        with shared_systems.killed_after(STOPPED_AFTER[name]):
            train(cases[name], tmp_path, every_s=0)
        assert (tmp_path / "checkpoint.ckpt").exists()
        found = train(cases[name], tmp_path)
    torch.testing.assert_close(found, on_cpu(name)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("expression", "mmmd_sae")])
def test_no_memories_meet_where_several_processes_train(cases, name, tmp_path, monkeypatch):
    """Several in name: the first of three, whose messages come back as they are."""
    monkeypatch.setattr(Fabric, "world_size", 3)
    sent = []
    monkeypatch.setattr(torch.distributed, "all_reduce", sent.append)
    with on_pretend_device():
        found = train(cases[name], tmp_path)
    assert found.isfinite().all()
    assert sent and all(isinstance(message, OnDevice) for message in sent)


def waits_in_steps(case: Case, folder) -> tuple[Counter, int]:
    """Waits between an optimiser's step and the next one of the same epoch, and how many such steps there were."""
    found, steps, last = Counter(), 0, None

    def after_step(*_):
        nonlocal last, steps
        if last is not None:
            found.update(device.waits - last)
            steps += 1
        last = Counter(device.waits)

    log = TrainingRun.log

    def log_epoch(run, *args, **values):
        nonlocal last
        log(run, *args, **values)
        last = None

    hook = register_optimizer_step_post_hook(after_step)
    try:
        with pytest.MonkeyPatch.context() as patch, on_pretend_device() as device:
            patch.setattr(TrainingRun, "log", log_epoch)
            train(case, folder)
    finally:
        hook.remove()
    return found, steps


@pytest.mark.parametrize("name", [name for name in NAMES if name != "batch_norm"])  # which logs after every step
def test_host_and_device_do_not_wait_for_each_other_in_a_step(cases, name, tmp_path):
    waits, steps = waits_in_steps(cases[name], tmp_path)
    assert steps >= 2 and not waits


def test_labels_that_stayed_on_the_cpu_are_found(cases, tmp_path, monkeypatch):
    weights = mmmd.class_weights
    monkeypatch.setattr(mmmd, "class_weights", lambda y, classes: weights(y.cpu(), classes))
    with on_pretend_device(), pytest.raises(WrongDevice, match="nll_loss"):
        train(cases["mmmd_dnn"], tmp_path)


def test_a_state_that_a_checkpoint_left_on_the_cpu_is_found(cases, tmp_path, monkeypatch):
    monkeypatch.setattr("semiser.training.run.sent", lambda values, device: values)
    with on_pretend_device():
        with shared_systems.killed_after(STOPPED_AFTER["temporal_ensembling"]):
            train(cases["temporal_ensembling"], tmp_path, every_s=0)
        with pytest.raises(WrongDevice, match="a tensor on the CPU is indexed by one on the device"):
            train(cases["temporal_ensembling"], tmp_path)


def test_noise_that_is_copied_where_the_host_waits_is_counted(cases, tmp_path, monkeypatch):
    monkeypatch.setattr(mssgan, "sent", torch.Tensor.to)
    waits, steps = waits_in_steps(cases["ssgan"], tmp_path)
    assert {kind for kind, _ in waits} == {"blocking copy to the device"}
    assert steps <= waits.total() <= 3 * steps  # the noise of every step, and the crops


def test_a_question_about_gradients_is_counted(cases, tmp_path, monkeypatch):
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda *args, **named: clip(*args, **named | {"error_if_nonfinite": True})
    )
    waits, steps = waits_in_steps(cases["pi_model"], tmp_path)
    assert {kind for kind, _ in waits} == {"a value is read"} and waits.total() == steps


def test_what_a_gpu_would_do_is_done():
    """The rules of the pretend device itself."""
    here, there = torch.arange(6.0, device=DEVICE).view(2, 3), torch.arange(6.0).view(2, 3)
    with on_pretend_device() as device:
        assert torch.equal((here * 2 + 1).sum(0).cpu(), torch.tensor([8.0, 12.0, 16.0]))
        assert device.waits.total() == 1
        here.add_(torch.tensor(1.0))  # a number of the CPU
        here.to(DEVICE).to(torch.float64).to(torch.float32)
        there.pin_memory()[0].to(DEVICE, non_blocking=True)
        assert device.waits.total() == 1
        for number, wait in enumerate(
            (
                lambda: there.to(DEVICE, non_blocking=True),
                lambda: there.pin_memory().to(DEVICE),
                lambda: torch.tensor([1.0], device=DEVICE),
                lambda: float(here.sum()),
                lambda: bool((here > 1).any()),
                lambda: here[here > 1],
                lambda: here.nonzero(),
                lambda: here[torch.tensor([0])],
                lambda: here.numpy(force=True),
                lambda: here.copy_(there),
                lambda: here.__setitem__(0, there[0]),
                lambda: there.copy_(here),
            ),
            start=2,
        ):
            wait()
            assert device.waits.total() == number
        for fault in (
            lambda: here + there,
            lambda: torch.cat([here, there]),
            lambda: here.index_select(0, torch.tensor([0])),
            lambda: there[here.long()[0]],
            lambda: here.__setitem__(torch.tensor([0]), there[:1]),
            lambda: here.numpy(),
            lambda: torch.nn.Linear(3, 1)(here),
            lambda: torch.rand(2, device=DEVICE, generator=torch.Generator()),
        ):
            with pytest.raises((WrongDevice, RuntimeError)):
                fault()
