"""DenseNet-BC for small pictures: three dense blocks with bottlenecks and compression (Huang et al., CVPR 2017)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.options.face_features import DenseNetOptions


class DenseNet(nn.Module):
    """DenseNet-BC as the paper has it for CIFAR: no pooling before the first block, global pooling after the last.

    Depth 100 and growth 12 give 24 -> 216 -> 108 -> 300 -> 150 -> 342 channels; a 64 x 64 picture ends as a 16 x 16
    map, so the last pooling layer has 342 values.

    Args:
        options: depth L = 6 n + 4, growth k, compression theta, dropout.
        classes: number of classes C.

    Attributes:
        num_features: size of the last pooling layer, F.

    Shape:
        input (B, channels, S, S), output logits (B, C).
    """

    def __init__(self, options: DenseNetOptions, classes: int):
        super().__init__()
        layers, channels = (options.depth - 4) // 6, 2 * options.growth
        self.stem = nn.Conv2d(options.channels, channels, 3, padding=1, bias=False)
        stages: list[nn.Module] = []
        for block in range(3):
            for _ in range(layers):
                stages.append(DenseLayer(channels, options.growth, options.dropout))
                channels += options.growth
            if block < 2:
                kept = int(channels * options.compression)
                stages.append(Transition(channels, kept))
                channels = kept
        self.stages, self.norm = nn.Sequential(*stages), nn.BatchNorm2d(channels)
        self.num_features = channels
        self.classifier = nn.Linear(channels, classes)
        self.apply(_initialise)

    def pooled(self, x: Tensor) -> Tensor:
        """The last pooling layer, (B, channels, S, S) -> (B, F)."""
        return F.relu(self.norm(self.stages(self.stem(x)))).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        return self.classifier(self.pooled(x))


class DenseLayer(nn.Module):
    """A bottleneck layer: BN, ReLU, 1 x 1 to 4 k channels, BN, ReLU, 3 x 3 to k channels, appended to the input.

    Shape:
        input (B, inputs, H, W), output (B, inputs + k, H, W).
    """

    def __init__(self, inputs: int, growth: int, dropout: float):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """The input and the k new channels."""
        hidden = self.dropout(self.conv1(F.relu(self.norm1(x))))
        return torch.cat([x, self.dropout(self.conv2(F.relu(self.norm2(hidden))))], 1)


class Transition(nn.Module):
    """BN, ReLU, 1 x 1 convolution to fewer channels, 2 x 2 average pooling.

    Shape:
        input (B, inputs, H, W), output (B, outputs, H / 2, W / 2).
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The halved map."""
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
