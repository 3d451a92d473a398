"""MMMD's mixed step as one graph, which a GPU can be given at once."""

import pytest
import shared_batches
import torch

from semiser.systems.mmmd import fit as mmmd


@pytest.fixture
def step(tmp_path):
    """Context, network and what was drawn of a mixed step."""
    data, options = shared_batches.make_data(), shared_batches.VARIANTS["mmmd_epoch_wise"]
    run = shared_batches.make_run(tmp_path)
    run.seed_everything()
    state = mmmd.fresh_state(data, options, run)
    context = mmmd.make_context(data, options, run, state)
    mixed = next(step for step in mmmd.plan_epoch(data, options, 0) if step.phase == "mixed")
    return context, state["network"].module, mmmd.draw_mixture(context, mixed)


def test_dynamo_finds_no_break(step):
    context, network, mixture = step
    found = torch._dynamo.explain(mmmd.mixture_losses)(network, context, mixture)
    assert (found.graph_count, found.graph_break_count) == (1, 0)


def test_the_graph_gives_the_losses_and_gradients_of_the_steps_that_are_not_compiled(step):
    context, network, mixture = step
    results = []
    for losses_of in (mmmd.mixture_losses, torch.compile(mmmd.mixture_losses, backend="aot_eager", fullgraph=True)):
        torch.manual_seed(0)
        network.zero_grad()
        losses = losses_of(network, context, mixture)
        sum(losses.values()).backward()
        results.append([*losses.values(), *(parameter.grad for parameter in network.parameters())])
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager)
