"""Log mel filter bank frames of 128 bands every 10 ms, one of MSSGAN's two acoustic features.

Source: MSSGAN (ACII 2019), section IV: 128 log mel filters, 25 ms frames, 10 ms step. Mel scale, filter shape and
transform it leaves open: Slaney's scale and unit-area triangles (librosa's default) on a DFT of 1024, whose bins are
close enough for every filter to hold several.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.features.family import Family, Source
from semiser.features.spectra import frame_spectra, frames_fields, mel_filters
from semiser.options.audio_features import FbankOptions


def compute_fbank(signal: np.ndarray, options: FbankOptions) -> np.ndarray:
    """Log energies of mel filters.

    Args:
        signal: mono samples at the options' rate, shape (samples,).
        options: framing and number of filters.

    Returns:
        float32 of shape (frames, mels): natural logarithm of filtered power, at least `floor` squared.

    Raises:
        Unusable: shorter than one frame.
    """
    power = np.square(frame_spectra(signal, options, options.dft_size // 2 + 1))
    filters = mel_filters(options.sample_rate_hz, options.dft_size, options.mels)
    return np.log(np.maximum(power @ filters.T, options.floor**2)).astype(np.float32)


class Fbank(Family[FbankOptions]):
    """The `fbank` table: a row per utterance, `frames` and as many x 128 float32 in one list."""

    name = "fbank"
    version = 1
    pool = "processes"  # see `spectra`
    libraries = ("numpy", "scipy", "soundfile", "soxr")

    def fields(self) -> list[pa.Field]:
        return frames_fields("fbank", self.options.mels, unit="ln power, Slaney mel filters of unit area")

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        values = compute_fbank(source.audio(self.options.sample_rate_hz), self.options)
        yield {"frames": len(values), "fbank": values.ravel()}
