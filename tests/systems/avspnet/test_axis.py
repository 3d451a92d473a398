"""The mel axis of segments, by hand."""

import numpy as np
import pytest

from semiser.options.audio_features import SegmentsOptions
from semiser.systems.avspnet.axis import on_mel_axis
from semiser.systems.avspnet.options import MelAxisOptions

BINS = SegmentsOptions(sample_rate_hz=8000, window_ms=1.0, dft_size=8, cutoff_hz=4000.0)  # 0, 1, 2 and 3 kHz


def test_a_band_is_the_logarithm_of_the_power_under_its_triangle():
    """One band from 0 to 4 kHz has its top at 700 (sqrt(1 + 4000 / 700) - 1) = 1113.84 Hz."""
    segment = np.log([[0.5, 0.5], [1.0, 2.0], [2.0, 1.0], [1e-5, 1e-5]], dtype=np.float32)[None]
    weights = 1000 / 1113.84, 2000 / (4000 - 1113.84)  # of 1 and 2 kHz; 0 Hz has none, 3 kHz no power
    wanted = np.log([weights[0] + 4 * weights[1], 4 * weights[0] + weights[1]])
    found = on_mel_axis(segment, BINS, MelAxisOptions(bands=1))
    assert found.shape == (1, 1, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], wanted, rtol=1e-4)


def test_cepstra_are_sum_and_difference_of_two_bands():
    segment = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    low, high = on_mel_axis(segment, BINS, MelAxisOptions(bands=2)).transpose(1, 0, 2)
    cepstra = on_mel_axis(segment, BINS, MelAxisOptions(bands=2, coefficients=2))
    np.testing.assert_allclose(cepstra, np.stack([low + high, low - high], 1) / np.sqrt(2), rtol=1e-4, atol=1e-6)
    assert on_mel_axis(segment, BINS, MelAxisOptions(bands=2, coefficients=1)).shape == (3, 1, 5)


def test_silence_is_the_floor_and_too_many_bands_are_refused():
    silence = np.full((1, 4, 2), np.log(1e-5), np.float32)
    assert on_mel_axis(silence - 50, BINS, MelAxisOptions(bands=1)).min() == pytest.approx(2 * np.log(1e-5))
    with pytest.raises(ValueError, match="mel filters hold no bin"):
        on_mel_axis(silence, BINS, MelAxisOptions(bands=20))
