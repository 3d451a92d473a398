"""What MixMatch does to a batch, whatever the network: sharpened guesses and mixed utterances.

Equation numbers are those of MMMD (Zhou et al., AAAI 2021); the method is MixMatch (Berthelot et al., NeurIPS 2019).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from semiser.devices import sent


def sharpen(q: Tensor, temperature: float) -> Tensor:
    """Sharpen(q, T) = q^(1/T) / sum_j q_j^(1/T) (Eq. 8).

    Computed from logarithms, because q^(1/T) underflows for small T.

    Args:
        q: distributions, (..., C).
        temperature: T in (0, 1]; at 1 nothing changes.

    Returns:
        (..., C).
    """
    return torch.softmax(q.clamp_min(torch.finfo(q.dtype).tiny).log() / temperature, -1)


def align(q: Tensor, wanted: Tensor, found: Tensor) -> Tensor:
    """Distribution alignment: q wanted / found, normalised (Berthelot et al., ReMixMatch, ICLR 2020, Section 3.1).

    Args:
        q: guesses, (..., C).
        wanted: how frequent each class should be, (C,).
        found: how frequent it was among guesses before, broadcast to q.

    Returns:
        (..., C); zeros where all of a guess is for classes that are not wanted, which `sharpen` takes for no opinion.
    """
    q = q * (wanted / found.clamp_min(1e-3))
    return q / q.sum(-1, keepdim=True).clamp_min(torch.finfo(q.dtype).tiny)


def draw_partners(labelled: int, unlabelled: int, apart: bool) -> Tensor:
    """W (Eq. 15): which row is mixed into each, a permutation of the rows of X' and of the copies of U' behind them.

    Args:
        labelled, unlabelled: how many rows there are of each.
        apart: whether each part's partners are its own.
    """
    if not apart:
        return torch.randperm(labelled + unlabelled)
    return torch.cat([torch.randperm(labelled), labelled + torch.randperm(unlabelled)])


def draw_lambda(size: int, alpha: float, device: torch.device) -> Tensor:
    """lambda' = max(lambda, 1 - lambda), lambda ~ Beta(alpha, alpha), one for each utterance (Eq. 9, 10).

    Returns:
        (size,), at least 0.5: what is mixed resembles its first part.
    """
    concentration = torch.full((), alpha, device=device)
    lam = torch.distributions.Beta(concentration, concentration, validate_args=False).sample((size,))
    return torch.maximum(lam, 1 - lam)


_ALL = slice(None)


class Part(NamedTuple):
    """What one of several processes mixes of a batch that they share; all of it where there is one process.

    Attributes:
        own: the rows of the batch that it mixes something into, (M,).
        others: the rows that are mixed into them, (M,).
        needed: the rows of the batch that are one or the other.
        first, second: where `own` and `others` lie among those needed.
    """

    own: Tensor | slice
    others: Tensor
    needed: Tensor | slice
    first: Tensor | slice
    second: Tensor

    def to(self, device: torch.device) -> "Part":
        """The same on a device."""
        own, needed, first = (
            rows if isinstance(rows, slice) else sent(rows, device) for rows in (self.own, self.needed, self.first)
        )
        return Part(own, sent(self.others, device), needed, first, sent(self.second, device))

    def utterances(self, copies: Tensor) -> tuple[Tensor | slice, Tensor]:
        """The utterances that the rows needed are copies of, and which of these each row is a copy of.

        Args:
            copies: the utterance of each row of the batch, (N,).
        """
        if isinstance(self.needed, slice):
            return _ALL, copies
        return torch.unique(copies[self.needed], return_inverse=True)


def part_of(own: Tensor, order: Tensor) -> Part:
    """The part of the process that has the rows `own` of a batch, with order[i] mixed into row i."""
    if len(own) == len(order):
        return Part(_ALL, order, _ALL, _ALL, order)
    needed, places = torch.unique(torch.cat([own, order[own]]), return_inverse=True)
    return Part(own, order[own], needed, places[: len(own)], places[len(own) :])


def mix(values: Tensor, order: Tensor, lam: Tensor, axis: int = 0, own: Tensor | slice = _ALL) -> Tensor:
    """lambda' v_1 + (1 - lambda') v_2 (Eq. 11 for features, Eq. 12 for labels), gradients kept.

    Args:
        values: utterances along the axis.
        order: which of them is v_2 of each mixture, (N,); a permutation where `own` is all of them.
        lam: lambda' of each, (N,).
        axis: of the utterances.
        own: which of them is v_1 of each mixture; all of them as they are, if N are given.

    Returns:
        The shape of `values`, with N along the axis.
    """
    lam = lam.view([-1 if place == axis else 1 for place in range(values.ndim)])
    if isinstance(own, slice):
        return _WholeMixture.apply(values, order, lam, axis)
    return torch.lerp(values.index_select(axis, order), values.index_select(axis, own), lam)


class _WholeMixture(torch.autograd.Function):
    """`mix` of a whole batch. `order` is a permutation then, and its inverse gathers the gradient without a sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, order: Tensor, lam: Tensor, axis: int) -> Tensor:
        """lambda' v_1 + (1 - lambda') v_2, lambda' of as many axes as the values."""
        ctx.save_for_backward(order, lam)
        ctx.axis = axis
        return values.index_select(axis, order).lerp_(values, lam)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient for the values."""
        order, lam = ctx.saved_tensors
        inverse = torch.argsort(order)
        second = gradient.index_select(ctx.axis, inverse).mul_(1 - lam.index_select(ctx.axis, inverse))
        return second.addcmul_(gradient, lam), None, None, None
