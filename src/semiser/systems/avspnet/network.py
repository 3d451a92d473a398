"""AV-SpNET: a convolutional encoder of spectrogram segments, and heads that reconstruct and recognise.

Source: Lu et al., "Learning an Arousal-Valence Speech Front-End Network using Media Data In-the-Wild for Emotion
Recognition" (AVEC 2018), sections 2.2.4 and 3.1.1. What the paper leaves open is decided so: max pooling moves by its
own size (3), the dense layers have ReLU, the latent layer none, un-pooling repeats values.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.systems.avspnet.options import AvspnetNetworkOptions, Layer

Size = tuple[int, int]
_LEAST_VARIANCE = 1e-8


class Outputs(NamedTuple):
    """What the heads give: reconstructed segments (B, bins, frames), proxy logits (B, C); None without that head."""

    reconstruction: Tensor | None
    proxy: Tensor | None


class Encoder(nn.Module):
    """Two stages of two 3 x 3 convolutions and max pooling, then a dense layer: the front end that is frozen.

    Args:
        options: kernels K, pooling, dense units D.
        size: bins and frames of a segment.

    Attributes:
        sizes: of the feature maps after each layer, from the input to the last pooling.
        widths: values of a segment by layer: the flattened feature `maps`, their `statistics` over time, `dense`.

    Shape:
        input (B, bins, frames), output (B, D), all at least 0. 200 x 80 -> 198 x 78 -> 66 x 26 -> 64 x 24 -> 21 x 8.
    """

    def __init__(self, options: AvspnetNetworkOptions, size: Size):
        super().__init__()
        kernels = options.kernels
        self.stages = nn.Sequential(
            *_block(nn.Conv2d(1, kernels, 3, padding=1)),
            *_block(nn.Conv2d(kernels, kernels, 3)),
            nn.MaxPool2d(options.pool),
            *_block(nn.Conv2d(kernels, kernels, 3, padding=1)),
            *_block(nn.Conv2d(kernels, kernels, 3)),
            nn.MaxPool2d(options.pool),
        )
        self.sizes = stage_sizes(size, options.pool)
        bins, frames = self.sizes[-1]
        self.widths: dict[Layer, int] = {
            "maps": kernels * bins * frames,
            "statistics": 2 * kernels * bins,
            "dense": options.dense,
        }
        self.dense = nn.Linear(self.widths["maps"], options.dense)

    def layer(self, x: Tensor, name: Layer) -> Tensor:
        """What a layer makes of segments, (B, bins, frames) -> (B, widths[name])."""
        maps = self.stages(x[:, None])
        if name == "statistics":
            deviation = (maps.var(-1, correction=0) + _LEAST_VARIANCE).sqrt()  # a root has no gradient at 0
            return torch.cat([maps.mean(-1), deviation], 1).flatten(1)
        return maps.flatten(1) if name == "maps" else F.relu(self.dense(maps.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings."""
        return self.layer(x, "dense")


class Decoder(nn.Module):
    """The reconstruction head: a latent layer, then the mirror image of the encoder, and a convolution of one kernel.

    Args:
        options: of the encoder, and its latent units.
        sizes: of the encoder.

    Shape:
        input (B, D), output (B, bins, frames).
    """

    def __init__(self, options: AvspnetNetworkOptions, sizes: list[Size]):
        super().__init__()
        kernels = options.kernels
        self._first = (kernels, *sizes[-1])
        self.dense = nn.Sequential(
            nn.Linear(options.dense, options.latent),
            nn.Linear(options.latent, options.dense),
            nn.ReLU(),
            nn.Linear(options.dense, kernels * sizes[-1][0] * sizes[-1][1]),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(
            nn.Upsample(sizes[3]),
            *_block(nn.ConvTranspose2d(kernels, kernels, 3)),
            *_block(nn.ConvTranspose2d(kernels, kernels, 3, padding=1)),
            nn.Upsample(sizes[1]),
            *_block(nn.ConvTranspose2d(kernels, kernels, 3)),
            *_block(nn.ConvTranspose2d(kernels, kernels, 3, padding=1)),
            nn.Conv2d(kernels, 1, 3, padding=1),
        )

    def forward(self, embedding: Tensor) -> Tensor:
        """Reconstructed segments."""
        return self.stages(self.dense(embedding).unflatten(1, self._first))[:, 0]


class AvSpNet(nn.Module):
    """A front end with the heads that it is trained with.

    Args:
        options: of encoder and heads.
        size: bins and frames of a segment.
        reconstruction: whether it has a reconstruction head.
        classes: of the proxy head; 0: there is none.

    Shape:
        input (B, bins, frames), standardised per bin; output `Outputs`.
    """

    def __init__(self, options: AvspnetNetworkOptions, size: Size, reconstruction: bool, classes: int):
        super().__init__()
        self.encoder = Encoder(options, size)
        self.reconstruction = Decoder(options, self.encoder.sizes) if reconstruction else None
        self.proxy = dense_head(options.dense, options.proxy_hidden, classes) if classes else None

    def forward(self, x: Tensor) -> Outputs:
        """What the heads make of the embedding."""
        embedding = self.encoder(x)
        return Outputs(
            self.reconstruction(embedding) if self.reconstruction else None,
            self.proxy(embedding) if self.proxy else None,
        )


def dense_head(inputs: int, hidden: tuple[int, ...], classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Dense layers with ReLU, dropout before the output layer: the proxy head, and the recognition network.

    Shape:
        input (B, inputs), output logits (B, classes).
    """
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        inputs = units
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(inputs, classes))


def stage_sizes(size: Size, pool: int) -> list[Size]:
    """Sizes of the feature maps: input, then convolutions and pooling of both stages.

    Raises:
        ValueError: a segment is too small for two stages.
    """
    sizes = [size]
    for _ in range(2):
        valid = (sizes[-1][0] - 2, sizes[-1][1] - 2)
        sizes += [valid, (valid[0] // pool, valid[1] // pool)]
    if min(sizes[-1]) < 1:
        raise ValueError(
            f"segments of {size[0]} bins x {size[1]} frames are too small for two stages with pooling by {pool}: "
            "take a family of more bins, more frames (train_avspnet.input_frames), or a smaller network.pool"
        )
    return sizes


def _block(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True)
