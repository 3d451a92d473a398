"""Log mel filter bank frames of 128 bands every 10 ms, one of MSSGAN's two acoustic features.

Source: MSSGAN (ACII 2019), section IV: 128 log mel filters, 25 ms frames, 10 ms step. Mel scale, filter shape and
transform it leaves open: Slaney's scale and unit-area triangles (librosa's default) on a DFT of 1024, whose bins are
close enough for every filter to hold several.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from semiser.features.family import Family, Source
from semiser.features.spectra import frames_fields, mel_filters, spectra_of
from semiser.options.audio_features import FbankOptions

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def compute_fbank(spectra: np.ndarray, options: FbankOptions) -> np.ndarray:
    """Log energies of mel filters.

    Args:
        spectra: magnitudes of an utterance's frames in all bins, (frames, dft_size / 2 + 1).
        options: framing and number of filters.

    Returns:
        float32 of shape (frames, mels): natural logarithm of filtered power, at least `floor` squared.
    """
    filters = _filters(options.sample_rate_hz, options.dft_size, options.mels)
    energies = (filters @ np.square(spectra).T).T
    return np.log(np.maximum(energies, options.floor**2)).astype(np.float32)


@lru_cache(maxsize=8)
def _filters(sample_rate_hz: int, dft_size: int, mels: int) -> "csr_array":
    """`mel_filters` without their zeros, of which each is nearly full: a fifth of the time."""
    from scipy.sparse import csr_array

    return csr_array(mel_filters(sample_rate_hz, dft_size, mels))


class Fbank(Family[FbankOptions]):
    """The `fbank` table: a row per utterance, `frames` and as many x 128 float32 in one list."""

    name = "fbank"
    version = 1
    pool = "processes"  # see `spectra`
    libraries = ("numpy", "scipy", "soundfile", "soxr")

    def fields(self) -> list[pa.Field]:
        return frames_fields("fbank", self.options.mels, unit="ln power, Slaney mel filters of unit area")

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        values = compute_fbank(spectra_of(source, self.options), self.options)
        yield {"frames": len(values), "fbank": values.ravel()}
