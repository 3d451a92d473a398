"""SoftMatch's weights by hand, for one classifier and for several."""

import math

import torch

from semiser.systems.softmatch import follow_confidence, weigh_by_confidence


def test_a_guess_below_the_mean_confidence_counts_by_a_bell():
    """Mean 0.7, variance 0.04: at 0.6 the bell, of half the deviation, is exp(-0.1^2 / (2 * 0.01))."""
    q, sure = torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0.7, 0.04])
    torch.testing.assert_close(weigh_by_confidence(q, sure), torch.tensor([1.0, math.exp(-0.5)]))
    several = weigh_by_confidence(q[:, None].expand(2, 2, 2), torch.tensor([[0.7, 0.6], [0.04, 0.04]]))
    torch.testing.assert_close(several, torch.tensor([[1.0, 1.0], [math.exp(-0.5), 1.0]]))


def test_where_all_are_equally_sure_the_less_sure_count_nothing():
    weights = weigh_by_confidence(torch.tensor([[0.7, 0.3], [0.6, 0.4]]), torch.tensor([0.7, 0.0]))
    assert weights.tolist() == [1, 0]


def test_mean_and_variance_of_the_confidence_follow_those_of_a_batch():
    q = torch.tensor([[0.9, 0.1], [0.3, 0.7]])
    for several in (False, True):
        sure = torch.tensor([0.5, 1.0])
        sure = sure[:, None] if several else sure
        follow_confidence(sure, q[:, None] if several else q, 0.5)
        torch.testing.assert_close(sure.flatten(), torch.tensor([0.65, 0.505]))  # of the batch 0.8 and 0.01
