"""Every system in small on a GPU, where there is one: `pytest -m gpu`."""

import pytest
import torch
from shared_fits import NAMES, PROVENANCE, make_cases

from semiser.devices import bytes_placed
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.training.run import TrainingRun

WORKSPACES = 64 << 20  # bytes that libraries may take beside what is reckoned

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make_cases(tmp_path_factory.mktemp("data"))


def fit(case, folder, accelerator, **options):
    """What a fit gives, and the value that it logs first."""
    training = TrainingOptions(accelerator=accelerator, **options)
    run = TrainingRun(folder, 0, training, "key")
    run.provenance = Provenance(PROVENANCE)
    found = case.fit(case.data.to(run.fabric.device), case.options, run)
    return found.cpu(), run.curves[0]["value"]


GRAPHS = ["mmmd_epoch_wise", "ssgan", "weighted_fusion", "recognition", "front_end", "encoder", "chunks", "expression"]


@pytest.mark.parametrize("compile", ["default", "cuda_graphs"])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_fit_by_graphs_gives_what_one_in_eager_mode_gives_there(cases, name, compile, tmp_path):
    expected, loss = fit(cases[name], tmp_path / "eager", "cuda")
    torch._dynamo.reset()
    found, of_graphs = fit(cases[name], tmp_path / "graphs", "cuda", compile=compile)
    assert found.shape == expected.shape and found.isfinite().all()
    assert of_graphs == pytest.approx(loss, rel=1e-2)


@pytest.mark.parametrize("name", GRAPHS)
def test_what_a_step_takes_is_reckoned_as_what_is_allocated(cases, name, tmp_path):
    """Within a factor of two, beside workspaces: the cases are tiny."""
    run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cuda"), "key")
    run.provenance = Provenance(PROVENANCE)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    data = cases[name].data.to(run.fabric.device)
    cases[name].fit(data, cases[name].options, run)
    taken = torch.cuda.max_memory_allocated() - before
    reckoned = bytes_placed(cases[name].data) + max(need.total for need in run.needs.values())
    assert reckoned / 2 < taken < 2 * reckoned + WORKSPACES


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_fit_is_near_the_cpus(cases, name, precision, tmp_path):
    """Draws differ between the two, so that losses of the first epoch are near each other and no more."""
    expected, loss = fit(cases[name], tmp_path / "cpu", "cpu")
    found, on_gpu = fit(cases[name], tmp_path / "gpu", "cuda", precision=precision)
    assert found.shape == expected.shape and found.isfinite().all()
    assert on_gpu == pytest.approx(loss, rel=0.25)
    assert torch.cuda.max_memory_allocated() > 0
