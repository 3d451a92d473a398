"""Every system in small on a GPU, where there is one: `pytest -m gpu`."""

import pytest
import torch
from shared_fits import NAMES, PROVENANCE, make_cases

from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.training.run import TrainingRun

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make_cases(tmp_path_factory.mktemp("data"))


def fit(case, folder, accelerator, precision="32-true"):
    """What a fit gives, and the value that it logs first."""
    training = TrainingOptions(accelerator=accelerator, precision=precision)
    run = TrainingRun(folder, 0, training, "key")
    run.provenance = Provenance(PROVENANCE)
    found = case.fit(case.data.to(run.fabric.device), case.options, run)
    return found.cpu(), run.curves[0]["value"]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_fit_is_near_the_cpus(cases, name, precision, tmp_path):
    """Draws differ between the two, so that losses of the first epoch are near each other and no more."""
    expected, loss = fit(cases[name], tmp_path / "cpu", "cpu")
    found, on_gpu = fit(cases[name], tmp_path / "gpu", "cuda", precision)
    assert found.shape == expected.shape and found.isfinite().all()
    assert on_gpu == pytest.approx(loss, rel=0.25)
    assert torch.cuda.max_memory_allocated() > 0
