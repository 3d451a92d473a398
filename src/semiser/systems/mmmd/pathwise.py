"""Layers that serve many paths at once: as many small networks side by side, computed as batched products."""

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

_MAX_PADDING = 1.25  # a path joins a bucket when the bucket's width is at most this multiple of its own
_FEW_OUTPUTS = 16  # up to here a product is taken transposed
_RIDGE = 1e-4  # of the mean variance, added to all: a Cholesky factor in float32 wants no eigenvalue near 0


class PathwiseLinear(nn.Module):
    """P independent linear layers as one batched product.

    Each path's weights are initialised as `nn.Linear` would with that path's own number of inputs; weights of padded
    inputs are zero, and stay so: padded inputs are zero, and noise never falls on them.

    Attributes:
        is_wide: there are more inputs than outputs.

    Shape:
        input (P, B, n), output (P, B, m).
    """

    def __init__(self, widths: Sequence[int], outputs: int):
        super().__init__()
        bounds = torch.tensor([1 / math.sqrt(width) for width in widths])[:, None, None]
        real = torch.arange(max(widths))[None, :, None] < torch.tensor(widths)[:, None, None]
        self.is_wide = max(widths) > outputs
        self.weight = nn.Parameter((torch.rand(len(widths), max(widths), outputs) * 2 - 1) * bounds * real)
        self.bias = nn.Parameter((torch.rand(len(widths), 1, outputs) * 2 - 1) * bounds)

    def forward(self, x: Tensor) -> Tensor:
        """Every path's layer applied to its own input."""
        if len(x) == 1:  # the plain product reads a slice of a matrix where the batched one would copy it
            return torch.addmm(self.bias[0], x[0], self.weight[0])[None]
        if self.weight.shape[2] <= _FEW_OUTPUTS:  # as columns: with a handful of rows to fill, products would be slow
            return torch.baddbmm(self.bias.mT, self.weight.mT, x.mT).mT
        return torch.baddbmm(self.bias, x, self.weight)

    def noise_factor(self, noisy: Tensor | None = None) -> Tensor:
        """F such that z F, z standard normal, is distributed as what the layer makes of standard normal noise.

        Noise e on n inputs becomes e W, Gaussian with covariance W^T W = F^T F. This takes m numbers instead of n: the
        local reparameterisation of Kingma, Salimans and Welling (NeurIPS 2015).

        Args:
            noisy: which inputs have noise, 1 or 0, (P, n, 1); None: all, where no path is padded.

        Returns:
            (P, m, m), upper triangular, float32.
        """
        weight = self.weight.float() if noisy is None else self.weight.float() * noisy
        product = weight.detach().mT @ weight
        covariance = 2 * product - product.detach()  # its gradient is symmetric, so that 2 W G is all of W's
        variances = covariance.diagonal(dim1=1, dim2=2)
        ridge = _RIDGE * variances.detach().mean(1, keepdim=True) + torch.finfo(torch.float32).tiny
        return torch.linalg.cholesky_ex(covariance + torch.diag_embed(ridge.expand_as(variances)), upper=True).L


class PathwiseInput(nn.Module):
    """First linear layer of every path, each on its own columns of one matrix.

    Paths of similar width share a batched product, padded with zeros to the widest of them; IS10's ten paths (38 to
    630 columns) take three products. `order` gives the paths as they lie in the output: by width, narrow first.

    Shape:
        input (B, columns), output (P, B, m).
    """

    def __init__(self, paths: Sequence[Sequence[int]], outputs: int, quiet: Collection[int] = ()):
        """Args:
        paths: columns of each.
        outputs: m.
        quiet: columns that `noisy_copies` leaves without noise.
        """
        super().__init__()
        quiet = set(quiet)
        self.order = sorted(range(len(paths)), key=lambda path: len(paths[path]))
        buckets = _buckets([paths[path] for path in self.order])
        self.layers = nn.ModuleList(PathwiseLinear([len(path) for path in bucket], outputs) for bucket in buckets)
        self._spans = [_span(bucket) for bucket in buckets]
        self._runs = [[_runs(path) for path in bucket] for bucket in buckets]
        for number, bucket in enumerate(buckets):
            self.register_buffer(f"columns_{number}", _padded_columns(bucket), persistent=False)
            self.register_buffer(f"noisy_{number}", _noisy_inputs(bucket, quiet), persistent=False)
        self._quiet = [all(quiet.issuperset(path) for path in bucket) for bucket in buckets]

    def forward(self, x: Tensor) -> Tensor:
        """Every path's first layer applied to the path's columns of x."""
        return torch.cat([layer(self._bucket(x, number)) for number, layer in enumerate(self.layers)])

    def noisy_copies(self, x: Tensor, copies: Tensor, deviation: float, drawn: int, kept: Tensor | slice) -> Tensor:
        """First layers of x[copies] with Gaussian noise on every input but the quiet ones.

        Wide layers are applied to x once, and the noise is drawn where it leaves them (`PathwiseLinear.noise_factor`).

        Args:
            x: (B, columns).
            copies: rows of x, (N,).
            deviation: of the noise on the inputs.
            drawn: copies to draw noise for.
            kept: which of these are the N.

        Returns:
            (P, N, m), float32.
        """
        outputs = []
        for number, layer in enumerate(self.layers):
            a = self._bucket(x, number)
            if layer.is_wide:
                a = layer(a)
            a = a.float().index_select(1, copies)
            if deviation and not self._quiet[number]:
                z = torch.randn(len(a), drawn, a.shape[-1], device=a.device)[:, kept]
                a = self._with_noise(a, z, deviation, number)
            outputs.append(a if layer.is_wide else layer(a).float())
        return torch.cat(outputs)

    def _with_noise(self, a: Tensor, z: Tensor, deviation: float, number: int) -> Tensor:
        """A bucket's outputs, or inputs where it is narrow, with noise made of normal numbers of the same shape."""
        layer, noisy = self._layer(number), getattr(self, f"noisy_{number}")
        if not layer.is_wide:
            return a.addcmul_(z, noisy.mT, value=deviation)
        with torch.autocast(a.device.type, enabled=False):
            return torch.baddbmm(a, z, layer.noise_factor(noisy), alpha=deviation)

    def _layer(self, number: int) -> PathwiseLinear:
        layer = self.layers[number]
        assert isinstance(layer, PathwiseLinear)
        return layer

    def _bucket(self, x: Tensor, number: int) -> Tensor:
        """Inputs of a bucket's paths, (P, B, n): a view where one path has neighbouring columns, else gathered."""
        first, end, is_slice = self._spans[number]
        if is_slice:
            return x[None, :, first:end]
        if x.device.type == "cpu":  # a copy per run of columns: fast here, many small kernels on a GPU
            weight = self._layer(number).weight
            inputs = x.new_zeros(len(weight), len(x), weight.shape[1])
            for row, runs in zip(inputs, self._runs[number], strict=True):
                for place, start, stop in runs:
                    row[:, place : place + stop - start] = x[:, start:stop]
            return inputs
        padded = nn.functional.pad(x[:, first:end], (0, 1))  # the column of zeros that padding points to
        columns = getattr(self, f"columns_{number}")
        return padded.index_select(1, columns.flatten()).view(len(x), *columns.shape).transpose(0, 1)


def _buckets(paths: Sequence[Sequence[int]]) -> list[list[Sequence[int]]]:
    """Paths, sorted by width, in groups that are worth padding to the widest of the group."""
    buckets: list[list[Sequence[int]]] = []
    for path in paths:
        if buckets and len(path) <= _MAX_PADDING * len(buckets[-1][0]):
            buckets[-1].append(path)
        else:
            buckets.append([path])
    return buckets


def _padded_columns(bucket: list[Sequence[int]]) -> Tensor:
    """Indices (P, n) into the bucket's span; the column behind it, of zeros, where a path is not the widest."""
    first, end, _ = _span(bucket)
    columns = torch.full((len(bucket), max(map(len, bucket))), end - first)
    for row, path in zip(columns, bucket, strict=True):
        row[: len(path)] = torch.tensor(path) - first
    return columns


def _noisy_inputs(bucket: list[Sequence[int]], quiet: set[int]) -> Tensor:
    """1 for the inputs of the bucket's paths that get noise, 0 for the quiet ones and for padding, (P, n, 1)."""
    noisy = torch.zeros(len(bucket), max(map(len, bucket)), 1)
    for row, path in zip(noisy, bucket, strict=True):
        row[: len(path), 0] = torch.tensor([float(column not in quiet) for column in path])
    return noisy


def _runs(path: Sequence[int]) -> list[tuple[int, int, int]]:
    """A path as runs of neighbouring columns: place in the path, first column, last + 1."""
    starts = [place for place in range(len(path)) if not place or path[place] != path[place - 1] + 1]
    ends = [*starts[1:], len(path)]
    return [(start, path[start], path[end - 1] + 1) for start, end in zip(starts, ends, strict=True)]


def _span(bucket: list[Sequence[int]]) -> tuple[int, int, bool]:
    """First column and last + 1 of a bucket, and whether it is one path with all columns between them in order."""
    first, end = min(map(min, bucket)), max(map(max, bucket)) + 1
    return first, end, len(bucket) == 1 and list(bucket[0]) == list(range(first, end))
