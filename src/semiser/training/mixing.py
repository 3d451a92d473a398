"""What MixMatch does to a batch, whatever the network: sharpened guesses and mixed utterances.

Equation numbers are those of MMMD (Zhou et al., AAAI 2021); the method is MixMatch (Berthelot et al., NeurIPS 2019).
"""

import torch
from torch import Tensor


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


def draw_lambda(size: int, alpha: float, device: torch.device) -> Tensor:
    """lambda' = max(lambda, 1 - lambda), lambda ~ Beta(alpha, alpha), one for each utterance (Eq. 9, 10).

    Returns:
        (size,), at least 0.5: what is mixed resembles its first part.
    """
    concentration = torch.tensor(alpha, device=device)
    lam = torch.distributions.Beta(concentration, concentration, validate_args=False).sample((size,))
    return torch.maximum(lam, 1 - lam)


def mix(values: Tensor, order: Tensor, lam: Tensor, axis: int = 0) -> Tensor:
    """lambda' v_1 + (1 - lambda') v_2 (Eq. 11 for features, Eq. 12 for labels), gradients kept.

    Args:
        values: v_1, with N utterances along the axis.
        order: which utterance is mixed into each, (N,).
        lam: lambda' of each, (N,).
        axis: of the utterances.

    Returns:
        The shape of `values`.
    """
    shape = [-1 if place == axis else 1 for place in range(values.ndim)]
    return torch.lerp(values.index_select(axis, order), values, lam.view(shape))
