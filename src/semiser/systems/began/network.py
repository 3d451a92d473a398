"""Encoder, decoder and generator of BEGAN for inputs that are not square, and the classifier on the encoder.

Source: Berthelot, Schumm, Metz, "BEGAN: Boundary Equilibrium Generative Adversarial Networks", arXiv 1703.10717,
section 3.5 and Figure 1: 3 x 3 convolutions with eLU, filters that grow linearly in the encoder, downsampling by stride
2, upsampling by nearest neighbour, linear maps to and from the code.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import floordiv
from typing import Any, Self

import torch
from torch import Tensor, nn

from semiser.systems.began.options import BeganNetworkOptions, CepstrumOptions, ClassifierOptions, Statistic

Size = tuple[int, int]


def _each(function: Callable[..., int], *sizes: Iterable[Any]) -> Size:
    """A function's value for the bins and for the frames."""
    bins, frames = (function(*of) for of in zip(*sizes, strict=True))
    return bins, frames


@dataclass(frozen=True)
class Layout:
    """Sizes (bins, frames) of the network's stages, from both dimensions of its input.

    Attributes:
        used: the part of the input that is modelled; the highest bins and last frames beyond it are dropped.
        folded: size after folding.
        strides: of each downsampling; a dimension that is at its smallest has 1.
    """

    used: Size
    folded: Size
    strides: tuple[Size, ...]

    @classmethod
    def of(cls, shape: Size, options: BeganNetworkOptions) -> Self:
        """The layout of an input: each dimension is halved as often as it stays at least `smallest`.

        Raises:
            ValueError: the input is smaller than `smallest` after folding.
        """
        halvings = []
        for name, size, fold, smallest in zip(("bins", "frames"), shape, options.fold, options.smallest, strict=True):
            if size // fold < smallest:
                raise ValueError(
                    f"network: chunks have {size} {name}, folded by {fold} fewer than smallest={smallest}; lower fold "
                    "or smallest"
                )
            halvings.append(int(math.log2(size // fold / smallest)))
        units = _each(lambda fold, times: fold * 2**times, options.fold, halvings)
        used = _each(lambda size, unit: size // unit * unit, shape, units)
        strides = tuple(
            _each(lambda times, stage=stage: 2 if stage < times else 1, halvings) for stage in range(max(halvings))
        )  # the shorter dimension is done first, which costs least
        return cls(used, _each(floordiv, used, options.fold), strides)

    @property
    def last(self) -> Size:
        """Size of the last feature map."""
        return _each(floordiv, self.folded, _each(lambda d: math.prod(s[d] for s in self.strides), (0, 1)))


def crop(x: Tensor, layout: Layout) -> Tensor:
    """The modelled part of chunks: (B, bins, frames) -> (B, used bins, used frames)."""
    return x[:, : layout.used[0], : layout.used[1]]


def fold(x: Tensor, by: Size) -> Tensor:
    """Neighbouring values become channels: (B, bins, frames) -> (B, by[0] * by[1], bins / by[0], frames / by[1])."""
    batch, bins, frames = x.shape
    x = x.reshape(batch, bins // by[0], by[0], frames // by[1], by[1])
    return x.permute(0, 2, 4, 1, 3).flatten(1, 2)


def unfold(x: Tensor, by: Size) -> Tensor:
    """The inverse of `fold`."""
    batch, _, bins, frames = x.shape
    x = x.reshape(batch, *by, bins, frames).permute(0, 3, 1, 4, 2)
    return x.reshape(batch, bins * by[0], frames * by[1])


class FeatureMap(nn.Module):
    """The encoder's convolutions: chunks to a feature map, on which classifiers stand.

    Shape:
        (B, bins, frames), cropped to what is modelled -> (B, *map_shape), map_shape = (channels, bins or coefficients,
        frames)
    """

    transform: Tensor | None

    def __init__(
        self,
        shape: Size,
        options: BeganNetworkOptions,
        stage: int | None = None,
        cepstrum: CepstrumOptions | None = None,
    ):
        """Args:
        shape: bins and frames of a chunk as the table has it.
        options: filters, stages.
        stage: the map after so many downsamplings; None: the last, which the code is made of.
        cepstrum: of the map, which is given in its place, with coefficients for bins; None: the map itself.

        Raises:
            ValueError: there is no such stage.
        """
        super().__init__()
        self.layout, self.fold = Layout.of(shape, options), options.fold
        strides = self.layout.strides[:stage]
        if stage is not None and stage != len(strides):
            raise ValueError(f"stage must be 0 to {len(self.layout.strides)} for chunks of {shape}, not {stage}")
        n = options.filters
        layers = [_convolution(math.prod(options.fold), n), nn.ELU(inplace=True), *_repeated(n, options.convolutions)]
        for number, stride in enumerate(strides, start=1):
            layers += [_convolution(n * number, n * (number + 1), stride), nn.ELU(inplace=True)]
            layers += _repeated(n * (number + 1), options.convolutions)
        self.convolutions = nn.Sequential(*layers)
        bins, frames = (size // math.prod(s[d] for s in strides) for d, size in enumerate(self.layout.folded))
        transform = cepstral_transform(bins, cepstrum) if cepstrum else None
        self.register_buffer("transform", transform, persistent=False)
        self.map_shape = (n * (len(strides) + 1), cepstrum.coefficients if cepstrum else bins, frames)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convolutions(fold(crop(x, self.layout), self.fold))
        return x if self.transform is None else torch.einsum("kb,ncbt->nckt", self.transform, x)


class ChunkMap:
    """Chunks themselves as maps of one channel: what a classifier gets where there is no encoder.

    Args:
        cepstrum: of the chunk's bins, in their place; None: the bins.

    Shape:
        (B, bins, frames) -> (B, 1, bins or coefficients, frames)
    """

    def __init__(self, cepstrum: CepstrumOptions | None = None):
        self.cepstrum = cepstrum

    def shape_of(self, chunk: Size) -> tuple[int, int, int]:
        """Of the map of a chunk of so many bins and frames."""
        return 1, self.cepstrum.coefficients if self.cepstrum else chunk[0], chunk[1]

    def __call__(self, x: Tensor) -> Tensor:
        x = x[:, None]
        if self.cepstrum is None:
            return x
        return torch.einsum("kb,ncbt->nckt", cepstral_transform(x.shape[2], self.cepstrum).to(x), x)


MEL_CORNER = 700 / 8000  # where the mel scale turns from linear to logarithmic, as a share of the highest frequency


def cepstral_transform(bins: int, options: CepstrumOptions) -> Tensor:
    """What makes cepstra of bins that are evenly spaced from 0 to 8 kHz, float32 of shape (coefficients, bins).

    A band is the mean over its part of the frequency axis, of which every bin covers an equal share: it may be narrower
    than a bin. Its edges are equally spaced on the mel scale, log(1 + f / 700 Hz). Over the bands stands the
    orthonormal discrete cosine transform (DCT-II).

    Args:
        bins: of a feature map.
        options: bands and coefficients.
    """
    with torch.device("cpu"):  # also where a network is only planned: transformers takes linspace out of such plans
        spaced = torch.linspace(0, math.log1p(1 / MEL_CORNER), options.bands + 1, dtype=torch.float64)
        edges = MEL_CORNER * torch.expm1(spaced) * bins
        low, high, start = edges[:-1, None], edges[1:, None], torch.arange(bins)
        covered = (torch.minimum(high, start + 1.0) - torch.maximum(low, start.double())).clamp(min=0)
        k, band = torch.arange(options.coefficients)[:, None], torch.arange(options.bands)
        cosines = torch.cos(math.pi * k * (band + 0.5) / options.bands) * math.sqrt(2 / options.bands)
        cosines[0] /= math.sqrt(2)
        return (cosines.double() @ (covered / (high - low))).float()


class Encoder(nn.Module):
    """Feature map and code h of chunks, (B, bins, frames) -> (B, code)."""

    def __init__(self, shape: Size, options: BeganNetworkOptions):
        """Args:
        shape: bins and frames of a chunk as the table has it.
        options: filters, code, stages.
        """
        super().__init__()
        self.map = FeatureMap(shape, options)
        self.code = nn.Linear(math.prod(self.map.map_shape), options.code)

    def forward(self, x: Tensor) -> Tensor:
        return self.code(self.map(x).flatten(1))


class Decoder(nn.Module):
    """A code, or noise, to chunks: the decoder of D and, with weights of its own, the generator G.

    Shape:
        (B, code) -> (B, used bins, used frames)
    """

    def __init__(self, shape: Size, options: BeganNetworkOptions):
        """Args:
        shape: bins and frames of a chunk as the table has it.
        options: filters, code, stages.
        """
        super().__init__()
        self.layout, self.fold = Layout.of(shape, options), options.fold
        n = options.filters
        self.first = (n, *self.layout.last)
        self.code = nn.Linear(options.code, math.prod(self.first))
        layers = _repeated(n, options.convolutions)
        for stride in reversed(self.layout.strides):
            layers += [nn.Upsample(scale_factor=stride, mode="nearest"), *_repeated(n, options.convolutions)]
        self.convolutions = nn.Sequential(*layers, _convolution(n, math.prod(options.fold)))

    def forward(self, h: Tensor) -> Tensor:
        start = self.code(h).unflatten(1, self.first)
        return unfold(self.convolutions(start), self.fold)


class Autoencoder(nn.Module):
    """The discriminator D: decoder after encoder, (B, bins, frames) -> (B, used bins, used frames)."""

    def __init__(self, shape: Size, options: BeganNetworkOptions):
        super().__init__()
        self.encoder, self.decoder = Encoder(shape, options), Decoder(shape, options)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def _convolution(inside: int, outside: int, stride: Size = (1, 1)) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, stride, padding=1)


def _repeated(width: int, times: int) -> list[nn.Module]:
    return list(itertools.chain.from_iterable((_convolution(width, width), nn.ELU(inplace=True)) for _ in range(times)))


class MapClassifier(nn.Module):
    """Convolutional and fully connected layers on a feature map: logits of classes, or one unit per dimension.

    Shape:
        (B, *map_shape) -> (B, outputs); bins and channels may also stand in one axis, (B, channels * bins, frames).
    """

    def __init__(self, map_shape: tuple[int, int, int], outputs: int, options: ClassifierOptions):
        """Args:
        map_shape: channels, bins, frames.
        outputs: classes or dimensions.
        options: convolutions, pooling, hidden layers, dropout.
        """
        super().__init__()
        self.map_shape, self.pool, self.statistics = map_shape, options.pool, options.statistics
        channels, bins, frames = map_shape
        layers: list[nn.Module] = []
        for width in options.filters:
            layers += [nn.Conv2d(channels, width, options.kernel, padding="same"), nn.ELU()]
            layers += [nn.Dropout(options.dropout)] if options.dropout else []
            channels = width
        self.convolutions = nn.Sequential(*layers)
        kinds = len(options.statistics)
        values = {"all": kinds * channels, "frames": kinds * channels * bins, "none": channels * bins * frames}
        self.standard = Standardise(values[options.pool]) if options.standardise else nn.Identity()
        widths = (values[options.pool], *options.hidden)
        hidden: list[nn.Module] = []
        for inside, outside in itertools.pairwise(widths):
            hidden += [nn.Dropout(options.output_dropout), nn.Linear(inside, outside), nn.ELU()]
        self.hidden = nn.Sequential(*hidden)
        self.dropout = nn.Dropout(options.output_dropout)
        self.output = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.dropout(self.hidden(self.standard(self.pooled(x)))))

    def pooled(self, x: Tensor) -> Tensor:
        """What the fully connected layers get before it is standardised, (B, *map_shape) -> (B, values)."""
        x = self.convolutions(x.reshape(len(x), *self.map_shape))
        if self.pool == "none":
            return x.flatten(1)
        return statistics((x.flatten(2) if self.pool == "all" else x).float(), self.statistics)


class Standardise(nn.Module):
    """Takes off a mean and divides by a deviation, both of which are given once and are not learnt.

    Unlike batch normalisation it does the same in training and prediction, and in one process and several.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int):
        """Args:
        width: values of a row.
        """
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def fit(self, parts: Iterable[Tensor]) -> None:
        """Take mean and deviation from rows that come in parts, (B, width) each; a constant one is not divided."""
        count = 0
        total = squares = torch.zeros_like(self.mean, dtype=torch.float64)
        for part in parts:
            part = part.double()
            count, total, squares = count + len(part), total + part.sum(0), squares + part.square().sum(0)
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > 1e-5, deviation, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


def statistics(x: Tensor, kinds: Sequence[Statistic] = ("mean", "deviation", "maximum")) -> Tensor:
    """Statistics over the last axis side by side: (B, ..., T) -> (B, kinds * ...).

    Args:
        x: values over time.
        kinds: mean; (standard) deviation; maximum; change: mean absolute difference of neighbours, 0 where T is 1.
    """
    compute = {
        "mean": lambda: x.mean(-1),
        "deviation": lambda: (x.var(-1, unbiased=False) + 1e-5).sqrt(),  # the root of 0 has no gradient
        "maximum": lambda: x.amax(-1),
        "change": lambda: x.diff(dim=-1).abs().sum(-1) / max(x.shape[-1] - 1, 1),
    }
    return torch.cat([compute[kind]().flatten(1) for kind in kinds], 1)
