"""A network's hidden layers pre-trained as a stacked denoising autoencoder (Vincent et al., JMLR 2010).

The variant `sae` of MMMD's Table 1: a DNN pre-trained on the labelled and unlabelled utterances of V_t.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.devices import sent
from semiser.systems.mmmd.network import Mmd
from semiser.systems.mmmd.options import SaeOptions


def pretrain(
    network: Mmd, x: Tensor, rows: Tensor, augment: Callable[[Tensor, float], Tensor], options: SaeOptions, batch: int
) -> None:
    """Train the two hidden layers one after the other, in place: each learns to remove noise from its own input.

    Args:
        network: its layers `input` and `hidden` are trained.
        x: standardised features, (N, D).
        rows: the utterances to learn from.
        augment: adds noise of the given deviation to features.
        options: epochs for each layer, learning rate, noise.
        batch: utterances per step.
    """
    _train_layer(lambda v: F.elu(network.input(v)), network.input, lambda r: x[r], augment, rows, options, batch)

    def first(r: Tensor) -> Tensor:
        with torch.no_grad():
            return F.elu(network.input(x[r]))  # (P, B, first)

    def corrupt(h: Tensor, noise: float) -> Tensor:
        return h + noise * torch.randn_like(h)

    _train_layer(lambda h: F.elu(network.hidden(h)), network.hidden, first, corrupt, rows, options, batch)


def _train_layer(
    encode: Callable[[Tensor], Tensor],
    layer: nn.Module,
    clean: Callable[[Tensor], Tensor],
    corrupt: Callable[[Tensor, float], Tensor],
    rows: Tensor,
    options: SaeOptions,
    batch: int,
) -> None:
    """One denoising autoencoder: the layer encodes what is corrupted, a linear decoder gives what was clean."""
    sample = clean(rows[:2])
    decoder = nn.Linear(_flat(encode(sample)).shape[1], _flat(sample).shape[1], device=sample.device)
    optimiser = torch.optim.Adam([*layer.parameters(), *decoder.parameters()], options.learning_rate)
    for _ in range(options.epochs):
        shuffled = rows[sent(torch.randperm(len(rows)), rows.device)]
        for part in shuffled.chunk(math.ceil(len(rows) / batch)):
            target = clean(part)
            loss = F.mse_loss(decoder(_flat(encode(corrupt(target, options.noise)))), _flat(target))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def _flat(values: Tensor) -> Tensor:
    """(P, B, H) -> (B, P*H); features (B, D) as they are."""
    return values if values.ndim == 2 else values.transpose(0, 1).flatten(1)
