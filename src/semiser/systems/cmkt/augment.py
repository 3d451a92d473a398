"""SpecAugment on the device, for a whole batch at once.

Source: Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition", Interspeech
2019.
"""

import torch
from torch import Tensor

from semiser.systems.cmkt.options import SpecAugmentOptions


def spec_augment(x: Tensor, frames: Tensor, options: SpecAugmentOptions) -> Tensor:
    """Mask bands and stretches of time with 0, the mean of standardised features, anew for each utterance.

    A mask's width is drawn evenly from 0 to the widest, then its place evenly from where it fits: into the bands, or
    into the frames that hold audio.

    Args:
        x: (B, T, D), padded at the head.
        frames: number of last frames that hold audio, (B,).
        options: how many masks and how wide.

    Returns:
        (B, T, D), drawn from torch's random state of the device.
    """
    length, width = x.shape[1:]
    bands = draw_masks(torch.full_like(frames, width), width, options.band_masks, options.band_share)
    times = draw_masks(frames, length, options.time_masks, options.time_share)
    return x.masked_fill(times[:, :, None] | bands[:, None, :], 0)


def draw_masks(sizes: Tensor, length: int, masks: int, share: float) -> Tensor:
    """Where `masks` masks lie among the last `sizes` (B,) of `length` places: bool (B, length).

    Each is at most floor(share * size) wide and lies wholly inside.
    """
    sizes = sizes[:, None].expand(-1, masks)
    widest = (share * sizes).floor()
    widths = (torch.rand(sizes.shape, device=sizes.device) * (widest + 1)).floor()
    starts = (torch.rand(sizes.shape, device=sizes.device) * (sizes - widths + 1)).floor() + length - sizes
    places = torch.arange(length, device=sizes.device)[None, :, None]
    return ((places >= starts[:, None]) & (places < (starts + widths)[:, None])).any(-1)
