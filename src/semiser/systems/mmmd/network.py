"""MMD: the multi-path multimodal network of MMMD (Zhou et al., AAAI 2021, Section Methodology, Figure 3).

Every path (a group of features) has a local classifier; a global classifier works on all their last hidden layers.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.systems.mmmd.compact_bilinear import CompactBilinear
from semiser.systems.mmmd.options import MmdOptions
from semiser.systems.mmmd.pathwise import PathwiseInput, PathwiseLinear


class MmdLogits(NamedTuple):
    """Logits of the local classifiers, (B, P, C), and of the global one, (B, C)."""

    local: Tensor
    globally: Tensor


class Mmd(nn.Module):
    """Local classifiers of all paths and the global classifier on top of them.

    Args:
        acoustic: path name to its columns of the input; gives h_a (Eq. 4).
        textual_social: the same for textual and social paths; gives h_tc (Eq. 5). With both modalities
            h = MCB(h_a, h_tc) (Eq. 6), with one h is that modality's concatenation.
        classes: number of classes C.
        options: layer sizes, dropout.
        seed: of the count sketches.
        quiet: columns that `noisy_pre_activations` leaves without noise.

    Shape:
        input (B, D), standardised features; output `MmdLogits`.
    """

    def __init__(
        self,
        acoustic: Mapping[str, Sequence[int]],
        textual_social: Mapping[str, Sequence[int]],
        classes: int,
        options: MmdOptions,
        seed: int = 0,
        quiet: Collection[int] = (),
    ):
        super().__init__()
        paths = {**acoustic, **textual_social}
        if not paths:
            raise ValueError("MMD needs at least one path of at least one modality")
        first, last = options.hidden
        self.input = PathwiseInput(list(paths.values()), first, quiet)
        self.hidden = PathwiseLinear([first] * len(paths), last)
        self.local = PathwiseLinear([last] * len(paths), classes)
        names = [list(paths)[path] for path in self.input.order]
        self.path_names = tuple(names)
        self._acoustic = [place for place, name in enumerate(names) if name in acoustic]
        self._textual_social = [place for place, name in enumerate(names) if name in textual_social]
        width = last * len(paths)
        self.pool = None
        if self._acoustic and self._textual_social:
            self.pool = CompactBilinear(
                last * len(self._acoustic), last * len(self._textual_social), options.pooled, seed
            )
            width = options.pooled
        self.globally = nn.Linear(width, classes)
        self.dropout = nn.Dropout(options.hidden_dropout)

    def forward(self, x: Tensor) -> MmdLogits:
        """Logits of every classifier for standardised features (B, D)."""
        return self.classify(self.pre_activations(x))

    def pre_activations(self, x: Tensor) -> Tensor:
        """First layer of every path before its eLU, (B, D) -> (P, B, first): affine, so mixing commutes with it."""
        return self.input(x)

    def noisy_pre_activations(
        self, x: Tensor, copies: Tensor, deviation: float, drawn: int, kept: Tensor | slice
    ) -> Tensor:
        """The same of x[copies] with Gaussian noise on the features: `PathwiseInput.noisy_copies`, (P, N, first)."""
        return self.input.noisy_copies(x, copies, deviation, drawn, kept)

    def classify(self, a: Tensor) -> MmdLogits:
        """Logits of every classifier from the pre-activations (P, B, first)."""
        h = self.dropout(F.elu(a))
        h = self.dropout(F.elu(self.hidden(h), inplace=True))  # (P, B, last)
        return MmdLogits(self.local(h).transpose(0, 1), self._global_logits(h))

    def _global_logits(self, h: Tensor) -> Tensor:
        """The global classifier's logits from the last hidden layers (P, B, last), through h of Eq. 4 to 6."""
        paths = h.unbind()
        modalities = [
            torch.cat([paths[place] for place in places], 1)
            for places in (self._acoustic, self._textual_social)
            if places
        ]
        if self.pool is None:
            return self.globally(modalities[0])
        acoustic, others = modalities
        return self.pool.linear(acoustic, others, self.globally.weight, self.globally.bias)


def probabilities(logits: MmdLogits, local_weight: float) -> Tensor:
    """The weighted prediction of all classifiers: the mean local probability and the global one, (B, C)."""
    local = torch.softmax(logits.local, -1).mean(1)
    return local_weight * local + (1 - local_weight) * torch.softmax(logits.globally, -1)
