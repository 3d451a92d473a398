"""Compact bilinear pooling: the outer product of two vectors, sketched to a fixed size without being formed.

Reference: Fukui et al. 2016, "Multimodal Compact Bilinear Pooling"; MMMD (Zhou et al. 2021), Eq. 2, 3 and 6.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn


class CountSketch(nn.Module):
    """Count sketch of a vector: y[h[i]] += s[i] x[i] (Eq. 3), with h and s drawn once from a seed of its own.

    Shape:
        input (..., n), output (..., d).
    """

    h: Tensor
    s: Tensor

    def __init__(self, n: int, d: int, seed: int):
        super().__init__()
        self.d = d
        planned = torch.get_default_device().type == "meta"  # shapes alone, which takes no memory
        generator = None if planned else torch.Generator().manual_seed(seed)
        self.register_buffer("h", torch.randint(d, (n,), generator=generator))
        self.register_buffer("s", torch.randint(2, (n,), generator=generator) * 2.0 - 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Sketch of x."""
        return x.new_zeros(*x.shape[:-1], self.d).index_add_(-1, self.h, x * self.s)


class CompactBilinear(nn.Module):
    """Sketch of the outer product of two vectors: irfft(rfft(sketch(x1)) * rfft(sketch(x2))) (Eq. 2 and 6).

    Computed in float32 with autocast off: a half-precision FFT fails on a CPU and loses digits on a GPU. Nothing is
    applied after it (no signed square root, no normalisation): the paper does not mention any.

    Shape:
        inputs (..., n1) and (..., n2), output (..., d).
    """

    def __init__(self, n1: int, n2: int, d: int, seed: int = 0):
        super().__init__()
        self.first, self.second = CountSketch(n1, d, seed), CountSketch(n2, d, seed + 1)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Pooled vector of x1 and x2."""
        with torch.autocast(x1.device.type, enabled=False):
            spectra = (torch.fft.rfft(sketch(x.float())) for sketch, x in ((self.first, x1), (self.second, x2)))
            return torch.fft.irfft(math.prod(spectra), n=self.first.d)

    def linear(self, x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """A linear layer, weight (m, d) and bias (m,), on the pooled vector, which is not formed: (B, m)."""
        if not len(x1):
            return x1.new_zeros(0, len(bias))  # no transform takes nothing
        with torch.autocast(x1.device.type, enabled=False):
            keep = torch.is_grad_enabled()
            return PooledLinear.apply(x1.float(), x2.float(), weight.float(), self.first, self.second, keep) + bias


class PooledLinear(torch.autograd.Function):
    """weight @ irfft(rfft(sketch(x1)) * rfft(sketch(x2))), with products in the frequency domain (Parseval).

    With C outputs the weights take C transforms, and every row is spared the one back and, for its gradient, the one
    forth: four real transforms a row instead of six. On a CPU a few rows at a time pass through all of it, so that
    sketches and products stay in its cache.

    Shape:
        x1 (B, n1), x2 (B, n2), weight (C, d); output (B, C).
    """

    @staticmethod
    def forward(
        ctx: Any, x1: Tensor, x2: Tensor, weight: Tensor, sketch1: CountSketch, sketch2: CountSketch, keep: bool
    ) -> Tensor:
        """Linear layer on the pooled vector; `keep` the spectra for a gradient."""
        d, rows = sketch1.d, _rows_at_once(x1)
        layer = torch.fft.rfft(weight)
        # sum_n w[n] p[n] = Re(sum_k conj(W[k]) P[k]) / d over all d frequencies; half of them are given
        times = torch.full((layer.shape[-1], 1), 2 / d, dtype=x1.dtype, device=x1.device)
        times[0] /= 2
        if d % 2 == 0:
            times[-1] /= 2
        layer_t, outputs = _real(layer, times).T, []
        kept: tuple[list[Tensor], list[Tensor]] = ([], [])
        for parts in zip(x1.split(rows), x2.split(rows), strict=True):
            spectra = [torch.fft.rfft(sketch(x)) for sketch, x in zip((sketch1, sketch2), parts, strict=True)]
            outputs.append(_real(spectra[0] * spectra[1]) @ layer_t)
            if keep:
                for of_all, spectrum in zip(kept, spectra, strict=True):
                    of_all.append(spectrum)
        if keep:
            ctx.sketches, ctx.parts = (sketch1, sketch2), len(outputs)
            ctx.save_for_backward(layer, *kept[0], *kept[1])
        return torch.cat(outputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients for x1, x2 and weight."""
        layer, *spectra = ctx.saved_tensors
        d, rows = ctx.sketches[0].d, len(spectra[0])
        # a spectrum's conjugate is the transform of the reversed signal: with that of the layer none is formed of rows
        reversed_layer = _real(layer.conj())
        of_layer = gradient.new_zeros(())
        found: tuple[list[Tensor], list[Tensor]] = ([], [])
        for part, first, second in zip(gradient.split(rows), spectra[: ctx.parts], spectra[ctx.parts :], strict=True):
            of_layer = of_layer + part.T @ _real(first * second)
            spectrum = torch.view_as_complex((part @ reversed_layer).unflatten(-1, (-1, 2)))
            for of_all, sketch, other in zip(found, ctx.sketches, (second, first), strict=True):
                backwards = torch.fft.irfft(spectrum * other, n=d)
                of_all.append(backwards.index_select(1, -sketch.h % d) * sketch.s)
        of_weight = torch.fft.irfft(torch.view_as_complex(of_layer.unflatten(-1, (-1, 2))), n=d)
        return torch.cat(found[0]), torch.cat(found[1]), of_weight, None, None, None


def _rows_at_once(x: Tensor) -> int:
    """Rows whose spectra of some thousand values stay in a core's cache; all of them on other devices."""
    return 64 if x.device.type == "cpu" else max(1, len(x))


def _real(values: Tensor, times: Tensor | None = None) -> Tensor:
    """(N, F) complex -> (N, 2F) real, weighed by frequency."""
    real = torch.view_as_real(values.resolve_conj())
    return (real if times is None else real * times).flatten(-2)
