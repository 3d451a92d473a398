"""The steps of every system as graphs, which a GPU can be given at once: dynamo finds no break, and results stay."""

import pytest
import torch
from shared_fits import NAMES, PROVENANCE, make_cases
from torch._dynamo.utils import counters

from semiser.options.base import Options
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.training.run import TrainingRun

# Case to the parts of its steps, each a graph; what is left out is of a kind with these.
PARTS = {
    "mmmd_epoch_wise": {"labelled_part_loss", "mixture_losses"},
    "mmmd_softmatch": {"labelled_part_loss", "view_losses"},
    "ssgan": {"discriminator_losses", "real_means", "generator_loss"},
    "ssbase": {"critic_loss"},
    "weighted_fusion": {"batch_losses"},
    "temporal_ensembling": {"batch_losses"},
    "softmatch_unmasked": {"batch_losses"},
    "front_end": {"part_losses"},
    "recognition": {"batch_loss"},
    "encoder": {"real_and_generated", "generated_loss"},
    "chunks": {"emotion_loss"},
    "chunks_ccc": {"dimensions_loss"},
    "expression": {"batch_loss"},
}
assert set(PARTS) < set(NAMES)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make_cases(tmp_path_factory.mktemp("data"))


SHORT = {"epochs": 1, "epoch_steps": 2}


def shortened(options):
    """The options, with one epoch of everything, which has two steps where that is an option."""
    if not isinstance(options, Options):
        return options
    return options.model_copy(update={name: SHORT.get(name) or shortened(value) for name, value in options})


def fit(case, folder, compile):
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", compile=compile), "key")
    run.provenance = Provenance(PROVENANCE)
    return case.fit(case.data, shortened(case.options), run), run.curves


@pytest.mark.parametrize("name", PARTS)
def test_a_fit_whose_steps_are_graphs_gives_what_one_in_eager_mode_gives(cases, name, tmp_path, monkeypatch):
    parts, compile = [], torch.compile

    def traced(part, *, fullgraph, recompile_limit, options):
        assert options == {"fallback_random": True, "triton.cudagraphs": True}
        parts.append(part.__name__)
        return compile(part, fullgraph=fullgraph, recompile_limit=recompile_limit, backend="aot_eager")

    expected, curves = fit(cases[name], tmp_path / "eager", "none")
    torch._dynamo.reset()
    counters.clear()
    monkeypatch.setattr(torch, "compile", traced)
    found, of_graphs = fit(cases[name], tmp_path / "graphs", "cuda_graphs")
    assert set(parts) == PARTS[name] and len(parts) == len(PARTS[name])
    assert counters["stats"]["unique_graphs"] >= len(parts) and not counters["graph_break"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    values = [[row["value"] for row in rows] for rows in (of_graphs, curves)]
    assert values[0] == pytest.approx(values[1], rel=1e-4, abs=1e-5)
    torch._dynamo.reset()
