"""What the network guesses of an utterance, taught to it on the same utterance with bands of another one: ours.

The parts of SoftMatch (Chen et al., ICLR 2023), on frames. Pictures are corrupted by crops and colours; here some bands
are another utterance's of the batch over all of time, as columns of a vector are in MMMD's `softmatch`
(`semiser.systems.mmmd.consistency`).
"""

import torch
from torch import Tensor, nn

from semiser.systems.cmkt.options import SoftMatch
from semiser.systems.softmatch import follow_confidence, weigh_by_confidence

_YOUNG = 10  # the mean of the weights follows faster in its first steps


def teach(p: Tensor, labelled: Tensor, sure: Tensor, guessed: Tensor, options: SoftMatch) -> tuple[Tensor, Tensor]:
    """Targets and their weights from a batch of guesses.

    A class is guessed as often as it is labelled (p labelled / guessed, normalised), then sharpened, p^(1/T). The guess
    itself, not its target, says how sure it is (`semiser.systems.softmatch`).

    Args:
        p: guesses, (U, C).
        labelled: share of each class among the labels, (C,).
        sure: mean and variance of the confidence so far, (2,); follows the batch in place.
        guessed: share of each class among the guesses so far, (C,); likewise.
        options: pace and temperature.

    Returns:
        (U, C) and (U,).
    """
    follow_confidence(sure, p, options.pace)
    guessed.lerp_(p.mean(0), options.pace)
    target = (p * labelled / guessed) ** (1 / options.temperature)
    return target / target.sum(-1, keepdim=True), weigh_by_confidence(p, sure)


def swap_bands(x: Tensor, options: SoftMatch) -> Tensor:
    """Some bands of each utterance replaced by those of a random one of the batch, frame by frame from the end.

    Args:
        x: (B, T, D), padded at the head.
        options: share and run.

    Returns:
        (B, T, D), drawn from torch's random state of the device.
    """
    width = x.shape[2]
    swapped = torch.rand(len(x), -(-width // options.run), device=x.device) < options.swapped
    bands = swapped.repeat_interleave(options.run, 1)[:, None, :width]
    return torch.where(bands, x[torch.randperm(len(x), device=x.device)], x)


@torch.no_grad()
def follow(teacher: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """The teacher becomes decay times itself and the rest of the network; at first (1 + step) / (10 + step) times."""
    pace = 1 - min(decay, (1 + step) / (_YOUNG + step))
    for own, new in zip(teacher.parameters(), network.parameters(), strict=True):
        own.lerp_(new, pace)
