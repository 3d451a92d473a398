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

    def linear(self, x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """A linear layer, weight (m, d) and bias (m,), on the pooled vector, which is not formed: (..., m)."""
        with torch.autocast(x1.device.type, enabled=False):
            return ConvolutionLinear.apply(self.first(x1.float()), self.second(x2.float()), weight.float()) + bias


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


class ConvolutionLinear(torch.autograd.Function):
    """weight @ irfft(rfft(a) * rfft(b)): products with the layer's weights in the frequency domain (Parseval).

    With C outputs the weights take C transforms, and every row is spared the one back and, for its gradient, the one
    forth: four real transforms a row instead of six.

    Shape:
        a, b (B, d), weight (C, d); output (B, C).
    """

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
        """Linear layer on the convolution of a and b."""
        d = a.shape[-1]
        first, second, layer = torch.fft.rfft(a), torch.fft.rfft(b), torch.fft.rfft(weight)
        product = first * second
        ctx.save_for_backward(first, second, layer, product)
        ctx.d = d
        # sum_n w[n] p[n] = Re(sum_k conj(W[k]) P[k]) / d over all d frequencies; half of them are given
        times = torch.full((layer.shape[-1], 1), 2 / d, dtype=a.dtype, device=a.device)
        times[0] /= 2
        if d % 2 == 0:
            times[-1] /= 2
        return _real(product) @ _real(layer, times).T

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients for a, b and weight."""
        first, second, layer, product = ctx.saved_tensors
        spectrum = torch.view_as_complex((gradient @ _real(layer)).unflatten(-1, (-1, 2)))
        of_layer = torch.view_as_complex((gradient.T @ _real(product)).unflatten(-1, (-1, 2)))
        spectra = spectrum * second.conj(), spectrum * first.conj(), of_layer
        return tuple(torch.fft.irfft(found, n=ctx.d) for found in spectra)


def _real(values: Tensor, times: Tensor | float = 1.0) -> Tensor:
    """(N, F) complex -> (N, 2F) real, weighed by frequency."""
    return (torch.view_as_real(values) * times).flatten(-2)
