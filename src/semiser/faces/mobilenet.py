"""MobileNetV2: inverted residuals with linear bottlenecks (Sandler et al., CVPR 2018).

The modules are nested as in torchvision's `mobilenet_v2`, so weights under those names fit.
"""

import torch
from torch import Tensor, nn

from semiser.options.face_features import MobileNetOptions


class MobileNetV2(nn.Module):
    """MobileNetV2 (Table 2 of the paper), any width and input size.

    Args:
        options: stages, width, dropout.
        classes: number of classes C.

    Attributes:
        num_features: size of the last pooling layer, F.

    Shape:
        input (B, channels, S, S), output logits (B, C).
    """

    def __init__(self, options: MobileNetOptions, classes: int):
        super().__init__()
        channels = _round_channels(options.stem_channels * options.width, options.divisor)
        layers: list[nn.Module] = [_conv(options.channels, channels, 3, options.stem_stride)]
        for expansion, wanted, repeats, stride in options.stages:
            out = _round_channels(wanted * options.width, options.divisor)
            for repeat in range(repeats):
                layers.append(InvertedResidual(channels, out, stride if repeat == 0 else 1, expansion))
                channels = out
        self.num_features = _round_channels(options.last_channels * max(1.0, options.width), options.divisor)
        layers.append(_conv(channels, self.num_features, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(options.dropout), nn.Linear(self.num_features, classes))
        self.apply(_initialise)

    def pooled(self, x: Tensor) -> Tensor:
        """The last pooling layer, (B, channels, S, S) -> (B, F)."""
        return self.features(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classifier(self.pooled(x))


class InvertedResidual(nn.Module):
    """Expand by 1 x 1, filter each channel by 3 x 3, project by 1 x 1 without a non-linearity (Figure 4).

    The input is added where stride and channels keep the shape.

    Shape:
        input (B, inputs, H, W), output (B, outputs, H / stride, W / stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([] if expansion == 1 else [_conv(inputs, hidden, 1)]),
            _conv(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        return x + self.conv(x) if self.residual else self.conv(x)


def _conv(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU6."""
    convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


def _round_channels(channels: float, divisor: int) -> int:
    """The nearest multiple of the divisor, and not more than a tenth below."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
