import pytest
import torch

from semiser.systems.cmkt.augment import draw_masks, spec_augment
from semiser.systems.cmkt.options import SpecAugmentOptions


def _runs(row: list[int]) -> int:
    """Number of stretches of ones."""
    return sum(now and not before for before, now in zip([0, *row], row, strict=False))


@pytest.mark.parametrize("share, widest", [(0.3, 6), (0.0, 0), (1.0, 20)])
def test_one_mask_is_a_stretch_of_at_most_its_share_inside_the_last_frames(share, widest):
    torch.manual_seed(0)
    masks = draw_masks(torch.full((4000,), 20), 25, 1, share)
    assert not masks[:, :5].any()
    widths = masks.sum(1)
    assert widths.unique().tolist() == list(range(widest + 1))
    assert all(_runs(row) <= 1 for row in masks[:200].int().tolist())
    if 0 < widest < 20:
        assert masks[:, 5].any() and masks[:, -1].any()


def test_widths_are_drawn_evenly_and_differ_between_utterances():
    torch.manual_seed(0)
    widths = draw_masks(torch.full((6000,), 10), 10, 1, 0.2).sum(1)
    assert torch.bincount(widths).tolist() == pytest.approx([2000] * 3, rel=0.1)


def test_short_utterances_have_short_masks():
    torch.manual_seed(0)
    masks = draw_masks(torch.tensor([4] * 500 + [100] * 500), 100, 2, 0.25)
    assert masks[:500].sum(1).max() == 2 and not masks[:500, :96].any()
    assert masks[500:].sum(1).max() > 30


def test_bands_and_frames_are_set_to_0_and_the_rest_stays():
    torch.manual_seed(0)
    x = torch.rand(50, 12, 16) + 1
    frames = torch.full((50,), 12)
    masked = spec_augment(x, frames, SpecAugmentOptions(band_masks=1, band_share=0.5, time_masks=1, time_share=0.5))
    hidden = masked == 0
    assert torch.equal(masked[~hidden], x[~hidden])
    bands, times = hidden.all(1), hidden.all(2)  # whole bands (B, D) and whole frames (B, T)
    assert torch.equal(hidden, bands[:, None] | times[:, :, None])
    assert bands.sum(1).max() == 8 and times.sum(1).max() == 6


def test_no_mask_changes_nothing():
    x = torch.rand(3, 4, 5)
    assert torch.equal(spec_augment(x, torch.tensor([4, 4, 2]), SpecAugmentOptions(band_masks=0, time_masks=0)), x)
