"""Spectrogram frames of 128 bands every 10 ms, one of MSSGAN's two acoustic features.

Source: MSSGAN (ACII 2019), section IV: short-time Fourier transform, 25 ms frames, 10 ms step, 128 values a frame. How
257 bins become 128 it leaves open: here neighbouring bins are averaged in power, so that the bands (62.5 Hz each at
16 kHz) cover 0 Hz to half the rate; the bin at half the rate is left out.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.features.family import Family, Source
from semiser.features.spectra import frames_fields, spectra_of
from semiser.options.audio_features import FftOptions


def compute_fft(spectra: np.ndarray, options: FftOptions) -> np.ndarray:
    """Log magnitudes in evenly spaced bands.

    Args:
        spectra: magnitudes of an utterance's frames in all bins, (frames, dft_size / 2 + 1).
        options: framing and bands.

    Returns:
        float32 of shape (frames, bands): natural logarithm of the root mean power of a band, at least `floor`.
    """
    power = np.square(spectra[:, : options.dft_size // 2])
    bands = power.reshape(len(power), options.bands, -1).mean(axis=2)
    return np.log(np.maximum(np.sqrt(bands), options.floor)).astype(np.float32)


class Fft(Family[FftOptions]):
    """The `fft` table: a row per utterance, `frames` and as many x 128 float32 in one list."""

    name = "fft"
    version = 1
    pool = "processes"  # see `spectra`
    libraries = ("numpy", "scipy", "soundfile", "soxr")

    def fields(self) -> list[pa.Field]:
        band_hz = self.options.sample_rate_hz / 2 / self.options.bands
        return frames_fields("fft", self.options.bands, unit="ln magnitude", band_hz=band_hz)

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        values = compute_fft(spectra_of(source, self.options), self.options)
        yield {"frames": len(values), "fft": values.ravel()}
