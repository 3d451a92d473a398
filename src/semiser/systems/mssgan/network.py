"""Generators, discriminators and the classifier over them (MSSGAN, ACII 2019, Figures 2 and 3)."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from semiser.systems.mssgan.options import CtGanOptions

Shape = tuple[int, int]  # frames, bands


def map_sizes(shape: Shape, layers: int) -> list[Shape]:
    """Sizes of the maps from the input on, each convolution of stride 2 halving them, rounded up."""
    sizes = [shape]
    for _ in range(layers):
        frames, bands = sizes[-1]
        sizes.append(((frames + 1) // 2, (bands + 1) // 2))
    return sizes


class Discriminator(nn.Module):
    """D of one modality without its last layer: convolutions of stride 2, leaky ReLU, dropout after each, flattened.

    Without batch normalisation, which would tie the samples of a batch together: the consistency term is of each by
    itself.

    Shape:
        (B, frames, bands) -> (B, width), D_- of Eq. 5.
    """

    def __init__(self, shape: Shape, options: CtGanOptions):
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((1, *options.discriminator_channels)):
            convolution = nn.Conv2d(inputs, outputs, options.kernel, stride=2, padding=options.kernel // 2)
            layers += [convolution, nn.LeakyReLU(0.2, inplace=True), nn.Dropout(options.dropout)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        frames, bands = map_sizes(shape, len(options.discriminator_channels))[-1]
        self.width = options.discriminator_channels[-1] * frames * bands

    def forward(self, x: Tensor) -> Tensor:
        """The representation of samples."""
        return self.layers(x[:, None])


class Generator(nn.Module):
    """G of one modality: z is projected to a small map, and fractionally strided convolutions make it a sample.

    Batch normalisation and ReLU follow every layer but the last (DCGAN), which is linear: features are standardised.

    Shape:
        (B, noise) -> (B, frames, bands).
    """

    def __init__(self, shape: Shape, options: CtGanOptions):
        super().__init__()
        channels = options.generator_channels
        sizes = map_sizes(shape, len(channels))[::-1]  # smallest first
        self.first = (channels[0], *sizes[0])
        self.project = nn.Linear(options.noise, channels[0] * sizes[0][0] * sizes[0][1])
        layers: list[nn.Module] = [nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True)]
        for (inputs, outputs), (small, large) in zip(pairwise((*channels, 1)), pairwise(sizes), strict=True):
            rest = (large[0] - (2 * small[0] - 1), large[1] - (2 * small[1] - 1))
            layers += [
                nn.ConvTranspose2d(inputs, outputs, options.kernel, 2, options.kernel // 2, output_padding=rest),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers[:-2])

    def forward(self, z: Tensor) -> Tensor:
        """Samples made of noise."""
        return self.layers(self.project(z).unflatten(1, self.first))[:, 0]


class Criticised(NamedTuple):
    """What the critic says of samples.

    Attributes:
        logits: (B, outputs): the K classes and, in adversarial training, "generated" last.
        representation: second-to-last layer, (B, R), the modalities side by side.
    """

    logits: Tensor
    representation: Tensor


class Critic(nn.Module):
    """The discriminators of one or two modalities and the classifier C over their concatenated representations."""

    def __init__(self, shapes: Mapping[str, Shape], outputs: int, options: CtGanOptions):
        """Args:
        shapes: modality to the shape of its samples.
        outputs: K classes, or K + 1.
        options: of every discriminator.
        """
        super().__init__()
        discriminators = {name: Discriminator(shape, options) for name, shape in shapes.items()}
        self.discriminators = nn.ModuleDict(discriminators)
        self.classifier = nn.Linear(sum(d.width for d in discriminators.values()), outputs)

    def forward(self, x: Mapping[str, Tensor]) -> Criticised:
        """Logits and representation of samples, modality -> (B, frames, bands)."""
        representation = torch.cat([d(x[name]) for name, d in self.discriminators.items()], dim=1)
        return Criticised(self.classifier(representation), representation)


class Generators(nn.Module):
    """A generator per modality, all fed with the same noise (Eq. 6 and 7)."""

    def __init__(self, shapes: Mapping[str, Shape], options: CtGanOptions):
        super().__init__()
        self.of = nn.ModuleDict({name: Generator(shape, options) for name, shape in shapes.items()})

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        """Generated samples, (B, noise) -> modality -> (B, frames, bands)."""
        return {name: generator(z) for name, generator in self.of.items()}
