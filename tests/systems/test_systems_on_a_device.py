"""Every system on a device with a memory of its own, which nobody here has: `pretend_device`."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
import shared_batches
import shared_systems
import torch
from lightning_fabric import Fabric
from pretend_device import DEVICE, OnDevice, WrongDevice, on_pretend_device
from safetensors.torch import load_file
from shared_systems import Case
from torch.optim.optimizer import register_optimizer_step_post_hook

from semiser.faces import fit as faces
from semiser.options.face_features import ExpressionTrainingOptions, MobileNetOptions
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.avspnet import recognition as avspnet
from semiser.systems.avspnet.options import AvspnetNetworkOptions, EndToEndOptions, RecognitionOptions
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MmmdOptions, SaeOptions
from semiser.systems.mssgan import fit as mssgan
from semiser.training.run import TrainingRun

STATISTICS = {"mean": np.zeros(1591), "std": np.ones(1591)}
PROVENANCE = {**STATISTICS, "strategy": "global", "map": {"mean": np.zeros(6), "std": np.ones(6)}}
NO_STOP = {"weighted_fusion", "pi_model", "chunks_mse", "chunks_hidden", "batch_norm"}  # of a kind with others
STOPPED_AFTER = shared_systems.STOPPED_AFTER | {
    **{"mmmd_dnn": 3, "mmmd_epoch_wise": 7, "mmmd_streamed": 7, "mmmd_sae": 1},
    **{"end_to_end": 1, "expression": 1},
}


def make_cases(folder) -> dict[str, Case]:
    data = shared_batches.make_data()
    (folder / "unlabelled").mkdir()
    epoch_wise = shared_batches.VARIANTS["mmmd_epoch_wise"]
    cases = {
        "mmmd_dnn": Case(mmmd.fit, data, shared_batches.VARIANTS["dnn"]),  # what `mlp` of the baselines is, too
        "mmmd_epoch_wise": Case(mmmd.fit, data, epoch_wise),
        "mmmd_streamed": Case(mmmd.fit, shared_batches.streamed(data, folder / "unlabelled"), epoch_wise),
        "mmmd_sae": Case(mmmd.fit, data, MmmdOptions(network=shared_batches.NETWORK, sae=SaeOptions(epochs=1))),
    }
    return cases | shared_systems.make_cases(folder) | {"end_to_end": end_to_end(), "expression": expression()}


def end_to_end() -> Case:
    """AV-SpNET's R: encoder and recognition from random weights."""
    how = RecognitionOptions(hidden=(4,), optimiser="adam", learning_rate=0.01, epochs=2, batch_size=19, dropout=0)
    network = AvspnetNetworkOptions(kernels=2, dense=6, latent=4, proxy_hidden=(4,))
    options = EndToEndOptions(network=network, recognition=how, size=(20, 20))
    return Case(avspnet.fit_end_to_end, shared_systems.make_samples("segments", 20, 20), options)


def expression() -> Case:
    """A face network on 24 grey pictures."""
    network = MobileNetOptions(
        input_size=16, channels=1, stem_channels=4, stages=((1, 4, 1, 1),), last_channels=8, divisor=4, dropout=0.1
    )
    options = ExpressionTrainingOptions(
        network=network, classes=("happy", "sad"), epochs=2, batch_size=5, learning_rate=0.01
    )
    pictures = torch.randint(256, (24, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    rows = dict(zip(("train", "validation", "test"), torch.arange(24).split([12, 6, 6]), strict=True))
    return Case(fit_faces, faces.FaceData(pictures.to(torch.uint8), torch.arange(24) % 2, rows), options)


def fit_faces(data: faces.FaceData, options: ExpressionTrainingOptions, run: TrainingRun) -> torch.Tensor:
    return torch.tensor(list(faces.fit(data, options, run).values()))


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> dict[str, Case]:
    return make_cases(tmp_path_factory.mktemp("data"))


NAMES = [
    *("mmmd_dnn", "mmmd_epoch_wise", "mmmd_streamed", "mmmd_sae"),
    *("consistent_random", "weighted_fusion", "pi_model", "temporal_ensembling", "cmkt_streamed"),
    *("ssgan", "ssbase", "recognition", "chunks", "chunks_ccc", "chunks_mse", "chunks_hidden", "encoder"),
    *("front_end", "batch_norm", "end_to_end", "expression"),
]


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
    if name not in ("weighted_fusion", "consistent_random", "pi_model", "temporal_ensembling", "cmkt_streamed"):
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
    asking = partial(clip, error_if_nonfinite=True)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *args, **named: asking(*args))
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
