"""Every system in short floating point numbers: what is computed in them, and what never is."""

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision.amp import MixedPrecision
from shared_fits import NAMES, PROVENANCE, make_cases
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.training.run import TrainingRun

SHORT = (torch.bfloat16, torch.float16)
ALWAYS_LONG = {
    *("_fft_r2c", "_fft_c2r", "_fft_c2c", "linalg_cholesky_ex", "nll_loss_forward", "mse_loss", "mse_loss_backward"),
    *("_log_softmax", "logsumexp", "var", "std", "var_mean", "_fused_adamw_", "_foreach_addcdiv_"),
}
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "convolution"}
CASES = [name for name in NAMES if name not in ("batch_norm", "mmmd_streamed", "cmkt_streamed", "chunks_mse")]


class Watched(TorchDispatchMode):
    """Names of the operations that were given short numbers."""

    def __init__(self):
        super().__init__()
        self.short = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if any(isinstance(value, torch.Tensor) and value.dtype in SHORT for value in tree_leaves((args, kwargs))):
            self.short.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make_cases(tmp_path_factory.mktemp("data"))


def fit(case, folder, precision, fabric=None):
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", precision=precision), "key", fabric)
    run.provenance = Provenance(PROVENANCE)
    return case.fit(case.data, case.options, run), run.curves


@pytest.mark.parametrize("name", CASES)
def test_a_fit_in_bfloat16_is_near_one_in_float32(cases, name, tmp_path):
    expected, curves = fit(cases[name], tmp_path / "long", "32-true")
    with Watched() as watched:
        found, in_short = fit(cases[name], tmp_path / "short", "bf16-mixed")
    assert watched.short & PRODUCTS and not watched.short & ALWAYS_LONG
    assert found.dtype == torch.float32 and found.isfinite().all()
    first, others = curves[0], in_short[0]
    assert others["name"] == first["name"] and others["value"] == pytest.approx(first["value"], rel=0.05)
    if found.ndim == 2:  # scores of utterances, not figures
        assert (found - expected).abs().mean() < 0.1


@pytest.mark.parametrize("name", ["mmmd_epoch_wise", "pi_model", "ssgan", "encoder", "front_end"])
def test_a_fit_in_float16_scales_its_gradients_and_is_finite(cases, name, tmp_path):
    """As on a GPU, but that the CPU computes."""
    precision = MixedPrecision("16-mixed", device="cpu")
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[precision])
    found, _ = fit(cases[name], tmp_path, "32-true", fabric)
    assert found.isfinite().all() and precision.scaler.get_scale() >= 1


def test_the_scale_of_float16_is_gone_on_with(tmp_path):
    scales = []
    for _ in range(2):
        fabric = Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", device="cpu")])
        run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "key", fabric)
        state = {"network": torch.nn.Linear(1, 1), "epoch": 0}
        if not run.resume(state):
            fabric.strategy.precision.scaler.scale(torch.tensor(1.0))
            fabric.strategy.precision.scaler.update(1024.0)
            run.save_checkpoint(state, force=True)
        scales.append(fabric.strategy.precision.scaler.get_scale())
    assert scales == [1024.0, 1024.0]


def test_a_cpu_refuses_float16(tmp_path):
    with pytest.raises(ValueError, match=r"training\.precision: 16-mixed needs a GPU"):
        TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu", precision="16-mixed"), "key")


def test_a_run_that_only_sends_its_data_on_takes_any_precision():
    training = TrainingOptions(accelerator="cuda", devices=2, precision="16-mixed")
    assert training.in_one_process().precision == "32-true"
