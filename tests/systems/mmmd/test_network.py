import pytest
import torch
from torch.nn import functional as F

from semiser.systems.mmmd.network import Mmd, MmdLogits, probabilities
from semiser.systems.mmmd.options import MmdOptions

ACOUSTIC = {"a": [0, 1, 2], "b": [3, 4]}
TEXT = {"t": [5, 6, 7, 8]}
OPTIONS = MmdOptions(hidden=(6, 4), pooled=32)


def test_one_modality_gives_the_concatenation_to_the_global_classifier():
    torch.manual_seed(0)
    network = Mmd(ACOUSTIC, {}, 3, OPTIONS)
    x = torch.randn(7, 9)
    logits = network(x)
    assert logits.local.shape == (7, 2, 3) and logits.globally.shape == (7, 3)
    assert network.path_names == ("b", "a")
    hidden = F.elu(network.hidden(F.elu(network.input(x))))
    torch.testing.assert_close(logits.globally, network.globally(torch.cat([hidden[0], hidden[1]], dim=1)))
    torch.testing.assert_close(logits.local[:, 1], hidden[1] @ network.local.weight[1] + network.local.bias[1])


def test_two_modalities_are_pooled_bilinearly():
    network = Mmd(ACOUSTIC, TEXT, 3, OPTIONS)
    x = torch.randn(7, 9)
    hidden = dict(zip(network.path_names, F.elu(network.hidden(F.elu(network.input(x)))), strict=True))
    expected = network.globally(network.pool(torch.cat([hidden["b"], hidden["a"]], 1), hidden["t"]))
    torch.testing.assert_close(network(x).globally, expected)


@pytest.mark.parametrize("acoustic, text, width", [(ACOUSTIC, {}, 8), ({}, TEXT, 4), (ACOUSTIC, TEXT, 32)])
def test_any_subset_of_modalities(acoustic, text, width):
    network = Mmd(acoustic, text, 3, OPTIONS)
    assert network.globally.in_features == width
    assert network(torch.randn(2, 9)).globally.shape == (2, 3)


def test_no_path_is_refused():
    with pytest.raises(ValueError, match="at least one path"):
        Mmd({}, {}, 3, OPTIONS)


def test_the_prediction_weighs_local_and_global_probabilities():
    local = torch.log(torch.tensor([[[0.2, 0.8], [0.4, 0.6]]]))
    globally = torch.log(torch.tensor([[0.9, 0.1]]))
    found = probabilities(MmdLogits(local, globally), local_weight=0.25)
    torch.testing.assert_close(found, torch.tensor([[0.25 * 0.3 + 0.75 * 0.9, 0.25 * 0.7 + 0.75 * 0.1]]))
