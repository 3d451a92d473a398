"""Consistency on corrupted vectors: what a network says of an utterance it shall say of a corrupted one.

The parts of FixMatch (Sohn et al., NeurIPS 2020) and of what came behind it: SoftMatch (Chen et al., ICLR 2023),
FreeMatch (Wang et al., ICLR 2023), AdaMatch (Berthelot et al., ICLR 2022). Pictures are corrupted by crops and colours;
here some of a vector's columns are those of another utterance of the same speaker (of any utterance in SCARF, Bahri et
al., ICLR 2022).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from semiser.systems.mmmd.mixing import sharpen
from semiser.systems.mmmd.options import ConsistencyOptions
from semiser.systems.softmatch import weigh_by_confidence

_OF_LABELLED = 0.9  # AdaMatch's tau


class Fellows(NamedTuple):
    """Utterances of the same speaker, by row.

    Attributes:
        rows: those that may be a partner, a speaker's side by side, (M,).
        first: where those of a row's speaker begin, (N,).
        size: how many they are, (N,); at least 1 where the row is itself one of them.
    """

    rows: Tensor
    first: Tensor
    size: Tensor

    def draw(self, rows: Tensor) -> Tensor:
        """A random utterance of the same speaker for each row, perhaps itself, (B,)."""
        drawn = torch.rand(len(rows), device=rows.device) * self.size[rows]
        return self.rows[self.first[rows] + drawn.long()]


def find_fellows(rows: Tensor, speakers: Tensor) -> Fellows:
    """Who can be whose partner.

    Args:
        rows: utterances that may be partners, (M,).
        speakers: number of every utterance's speaker, (N,).
    """
    size = torch.bincount(speakers[rows], minlength=int(speakers.max()) + 1)
    first = size.cumsum(0) - size
    ordered = rows[torch.argsort(speakers[rows], stable=True)]
    return Fellows(ordered, first[speakers], size[speakers])


def swap_columns(x: Tensor, others: Tensor, share: float, run: int) -> Tensor:
    """Some columns of each utterance replaced by another's.

    Args:
        x, others: vectors, (B, D).
        share: how likely a run of columns is swapped.
        run: neighbouring columns that are swapped together, since they are of the same descriptor, or alike.

    Returns:
        (B, D).
    """
    swapped = torch.rand(len(x), -(-x.shape[1] // run), device=x.device) < share
    return torch.where(swapped.repeat_interleave(run, 1)[:, : x.shape[1]], others, x)


def weigh_guesses(q: Tensor, options: ConsistencyOptions, sure: Tensor, guessed: Tensor, of_labelled: Tensor) -> Tensor:
    """How much each guess counts, between 0 and 1.

    Args:
        q: guesses of each classifier, (U, P + 1, C).
        options: `weighing`.
        sure: mean and variance of the confidence so far, (2, P + 1).
        guessed: share of each class among the guesses so far, (P + 1, C).
        of_labelled: mean confidence in labelled utterances of the batch, (P + 1,).

    Returns:
        (U, P + 1).
    """
    if options.weighing == "soft":
        return weigh_by_confidence(q, sure)
    confidence, classes = q.max(-1)
    if options.weighing == "by_class":  # FreeMatch, Eq. 5 to 8
        of_class = (guessed / guessed.max(-1, keepdim=True)[0]).expand_as(q)
        threshold = sure[0] * of_class.gather(-1, classes[..., None])[..., 0]
        return (confidence >= threshold).to(q.dtype)
    if options.weighing == "relative":  # AdaMatch, Section 3.3
        return (confidence >= _OF_LABELLED * of_labelled).to(q.dtype)
    return torch.ones_like(confidence)


def targets_of(q: Tensor, temperature: float) -> Tensor:
    """What a guess teaches: sharpened by the temperature, at 0 the class that is likeliest alone, (..., C)."""
    if temperature == 0:
        return F.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)
    return sharpen(q, temperature)


def weighted_losses(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy to soft targets, times a weight: (B, P + 1, C) twice and (B, P + 1) -> (B, P + 1)."""
    return weights * F.cross_entropy(logits.flatten(0, -2), targets.flatten(0, -2), reduction="none").view_as(weights)
