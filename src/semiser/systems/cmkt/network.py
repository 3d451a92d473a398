"""The speech emotion network M of CMKT (Eq. 2): Transformer encoder, masked average pooling, MLP.

Blocks, attention and masks are torch's own: `nn.TransformerEncoder`, whose attention is
`scaled_dot_product_attention`.
"""

import math

import torch
from torch import Tensor, nn

from semiser.systems.cmkt.options import TransformerOptions


class SpeechTransformer(nn.Module):
    """f = MLP(AveragePooling(Encoder(x + positions))), the mean over the frames that hold audio.

    Positions are sinusoids (Vaswani et al. 2017), counted so that the last frame has the last position, whatever the
    number of frames: utterances are padded at the head, and leaving out padding that no utterance of a batch needs
    changes nothing.

    Args:
        width: values of a frame.
        frames: most frames of an input.
        classes: number of classes.
        options: size and dropout.

    Shape:
        x (B, T, width) with T <= frames and frames (B,), the number of last frames that hold audio, at least 1
        -> logits (B, classes). B may be 0, the part of one of several processes in a batch of few.
    """

    positions: Tensor

    def __init__(self, width: int, frames: int, classes: int, options: TransformerOptions):
        super().__init__()
        hidden, dropout = options.hidden, options.dropout
        self.project = nn.Linear(width, hidden) if width != hidden else nn.Identity()
        self.register_buffer("positions", sinusoids(frames, hidden), persistent=False)
        self.dropout = nn.Dropout(dropout)
        block = nn.TransformerEncoderLayer(
            hidden, options.heads, options.feedforward, dropout, batch_first=True, norm_first=options.norm_first
        )
        norm = nn.LayerNorm(hidden) if options.norm_first else None
        self.encoder = nn.TransformerEncoder(block, options.blocks, norm, enable_nested_tensor=False)
        for parameter in self.encoder.parameters():  # the blocks are copies of one: draw each anew
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.mlp = nn.Sequential(
            nn.Linear(hidden, options.mlp), nn.ReLU(), nn.Dropout(dropout), nn.Linear(options.mlp, classes)
        )

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """Logits, see the class."""
        if not len(x):  # attention takes no empty batch
            return self(x.new_zeros(1, *x.shape[1:]), frames.new_ones(1))[:0]
        padding = padding_mask(frames, x.shape[1])
        h = self.dropout(self.project(x) + self.positions[-x.shape[1] :])
        h = self.encoder(h, src_key_padding_mask=padding)
        return self.mlp(pool_audio(h, padding))


def padding_mask(frames: Tensor, length: int) -> Tensor:
    """Which frames are padding, at the head: frames (B,) of `length` -> bool (B, length)."""
    return torch.arange(length, device=frames.device) < length - frames[:, None]


def pool_audio(h: Tensor, padding: Tensor) -> Tensor:
    """Mean over the frames that hold audio: (B, T, H) and bool (B, T) -> (B, H), float32."""
    return h.float().masked_fill(padding[..., None], 0).sum(1) / (~padding).sum(1, keepdim=True)


def sinusoids(length: int, width: int) -> Tensor:
    """Positional encoding sin and cos of t / 10000^(2 i / width): (length, width)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(length)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)
