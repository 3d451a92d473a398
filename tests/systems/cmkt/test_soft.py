"""Weighed guesses on utterances with bands of another one, by hand."""

import math

import pytest
import torch

from semiser.systems.cmkt.options import SoftMatch
from semiser.systems.cmkt.soft import follow, swap_bands, teach


def test_guesses_are_aligned_sharpened_and_weigh_less_below_the_mean_confidence():
    p = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    sure, guessed = torch.tensor([0.5, 1.0]), torch.tensor([0.5, 0.5])
    target, weight = teach(p, torch.tensor([0.25, 0.75]), sure, guessed, SoftMatch(pace=0.5, temperature=0.5))
    # confidences 0.8 and 0.6: mean 0.7, variance 0.01; shares of classes 0.6 and 0.4; each half way
    torch.testing.assert_close(sure, torch.tensor([0.6, 0.505]))
    torch.testing.assert_close(guessed, torch.tensor([0.55, 0.45]))
    first = (0.8 * 0.25 / 0.55) ** 2, (0.2 * 0.75 / 0.45) ** 2
    assert target[0].tolist() == pytest.approx([first[0] / sum(first), first[1] / sum(first)])
    assert weight.tolist() == pytest.approx([1, 1])  # neither is below 0.6
    _, weight = teach(torch.tensor([[0.5, 0.5]] * 2), torch.tensor([0.5, 0.5]), sure, guessed, SoftMatch(pace=0.5))
    assert sure.tolist() == pytest.approx([0.55, 0.2525])
    assert weight[0].item() == pytest.approx(math.exp(-4 * 0.05**2 / (2 * 0.2525)))


def test_runs_of_bands_are_another_utterances():
    torch.manual_seed(0)
    x = torch.arange(8.0)[:, None, None].expand(8, 3, 7)  # utterance n is n everywhere
    swapped = swap_bands(x, SoftMatch(swapped=0.5, run=3))
    assert torch.equal(swapped, swapped[:, :1].expand_as(swapped))  # over all of time
    for first, last in ((0, 3), (3, 6), (6, 7)):
        assert torch.equal(swapped[:, 0, first:last], swapped[:, 0, first : first + 1].expand(-1, last - first))
    assert 0 < (swapped != x).float().mean() < 1
    assert torch.equal(swap_bands(x, SoftMatch(swapped=0)), x)
    assert sorted(swap_bands(x, SoftMatch(swapped=1))[:, 0, 0].tolist()) == list(range(8))


def test_a_teacher_follows_faster_at_first():
    teacher, network = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for layer, value in ((teacher, 0.0), (network, 1.0)):
        torch.nn.init.constant_(layer.weight, value)
    follow(teacher, network, 0.9, step=0)
    assert teacher.weight.item() == pytest.approx(0.9)  # 1/10 of its own
    follow(teacher, network, 0.9, step=1000)
    assert teacher.weight.item() == pytest.approx(0.9 * 0.9 + 0.1)
