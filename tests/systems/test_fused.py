"""Fused Adam against the plain one, in every step of small trainings of the systems that have it.

torch's fused kernel on a CPU pairs memory and not elements: where a gradient lies otherwise than its parameter, as
convolutions' may, it would be wrong and say nothing.
"""

import copy

import pytest
import torch
from shared_fits import PROVENANCE, make_cases
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.training.run import TrainingRun


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return make_cases(tmp_path_factory.mktemp("data"))


class Beside:
    """The plain optimiser's step from the weights, gradients and moments that each fused one begins with."""

    def __init__(self):
        self.steps = 0

    def before(self, optimiser, *_):
        (group,) = optimiser.param_groups
        if not group["fused"]:  # the plain one itself
            return
        self._weights = [weight for weight in group["params"] if weight.grad is not None]
        self._twins = [weight.detach().clone() for weight in self._weights]
        options = {name: group[name] for name in ("lr", "betas", "eps", "weight_decay")}
        self._plain = type(optimiser)(self._twins, **options, foreach=False)
        for weight, twin in zip(self._weights, self._twins, strict=True):
            twin.grad = weight.grad.clone()
            self._plain.state[twin] = copy.deepcopy(optimiser.state[weight])

    def after(self, optimiser, *_):
        if optimiser is self._plain:
            return
        self._plain.step()
        for weight, twin in zip(self._weights, self._twins, strict=True):
            torch.testing.assert_close(weight.detach(), twin, rtol=1e-5, atol=1e-6)
        self.steps += 1


@pytest.mark.parametrize("name", ["mmmd_epoch_wise", "ssgan", "front_end", "encoder"])
def test_a_fused_step_is_the_plain_one(cases, name, tmp_path):
    beside = Beside()
    hooks = register_optimizer_step_pre_hook(beside.before), register_optimizer_step_post_hook(beside.after)
    run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "key")
    run.provenance = Provenance(PROVENANCE)
    try:
        cases[name].fit(cases[name].data, cases[name].options, run)
    finally:
        for hook in hooks:
            hook.remove()
    assert beside.steps > 0
