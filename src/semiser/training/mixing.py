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


def mix(values: Tensor, order: Tensor, lam: Tensor) -> Tensor:
    """lambda' v_1 + (1 - lambda') v_2 (Eq. 11 for features, Eq. 12 for labels), gradients kept.

    Args:
        values: v_1, (N, ...).
        order: which row is mixed into each, (N,).
        lam: lambda' of each row, (N,).

    Returns:
        (N, ...).
    """
    return torch.lerp(values[order], values, lam.view(-1, *[1] * (values.ndim - 1)))
