"""Compact bilinear pooling: the outer product of two vectors, sketched to a fixed size without being formed.

Reference: Fukui et al. 2016, "Multimodal Compact Bilinear Pooling"; MMMD (Zhou et al. 2021), Eq. 2, 3 and 6.
"""

import torch
from torch import Tensor, nn


class CountSketch(nn.Module):
    """Count sketch of a vector: y[h[i]] += s[i] x[i] (Eq. 3), with h and s drawn once from a seed of its own.

    Shape:
        input (..., n), output (..., d).
    """

    def __init__(self, n: int, d: int, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.d = d
        self.register_buffer("h", torch.randint(d, (n,), generator=generator))
        self.register_buffer("s", torch.randint(2, (n,), generator=generator) * 2.0 - 1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Sketch of x."""
        return x.new_zeros(*x.shape[:-1], self.d).index_add(-1, self.h, x * self.s)


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
            return CircularConvolution.apply(self.first(x1.float()), self.second(x2.float()))


class CircularConvolution(torch.autograd.Function):
    """irfft(rfft(a) * rfft(b)) over the last axis.

    The gradients are correlations, one real transform of the incoming one and one back for each input; autograd would
    take a full complex transform for each.
    """

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor) -> Tensor:
        """Convolution of a and b, of the same shape."""
        spectra = torch.fft.rfft(a), torch.fft.rfft(b)
        ctx.save_for_backward(*spectra)
        return torch.fft.irfft(spectra[0] * spectra[1], n=a.shape[-1])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients for a and b."""
        first, second = ctx.saved_tensors
        spectrum, n = torch.fft.rfft(gradient), gradient.shape[-1]
        return torch.fft.irfft(spectrum * second.conj(), n=n), torch.fft.irfft(spectrum * first.conj(), n=n)
