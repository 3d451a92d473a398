"""How much a guess counts, by how sure it is beside the others: SoftMatch's weights (Chen et al., ICLR 2023).

For any classifier: CMKT's and MMMD's variants of it, which are ours, weigh by them.
"""

import torch
from torch import Tensor

_NARROWER = 2  # the bell has half the deviation of the confidence, as SoftMatch's authors' code has it


def follow_confidence(sure: Tensor, q: Tensor, pace: float) -> None:
    """Mean and variance of the confidence follow those of a batch, in place.

    Args:
        sure: the mean and the variance so far, (2, ...), where ... is an axis of classifiers or nothing.
        q: guesses of the batch, (U, ..., C).
        pace: 1 - m, between 0 and 1.
    """
    confidence = q.max(-1)[0]
    sure.lerp_(torch.stack([confidence.mean(0), confidence.var(0, correction=0)]), pace)


def weigh_by_confidence(q: Tensor, sure: Tensor) -> Tensor:
    """exp(-(c - mean)^2 / (2 (deviation / 2)^2)) where the confidence c lies below the mean, else 1 (Eq. 6).

    Args:
        q: guesses, (U, ..., C).
        sure: mean and variance of the confidence, (2, ...).

    Returns:
        (U, ...).
    """
    below = (q.max(-1)[0] - sure[0]).clamp_max(0)
    return torch.exp(-(_NARROWER**2) * below.square() / (2 * sure[1].clamp_min(torch.finfo(q.dtype).tiny)))
