"""Short-time Fourier transform of fixed length, 555 frames x 512 bins: CMKT's input for Chinese audio.

Source: CMKT (Knowledge-Based Systems 2021), section 4.2, after Albanie et al., "Emotion Recognition in Speech using
Cross-Modal Transfer in the Wild" (2018): 25 ms Hamming window, 10 ms step, DFT of 1024, 512 bins (the one at half the
rate is left out), mean and variance normalised per bin; magnitudes, no logarithm (`log` takes it).

The statistics are those of all of the utterance's frames. Shorter utterances are padded with zeros, the mean, at the
head, longer ones cut at the end: row t holds audio where t >= 555 - frames.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.features.family import Family, Source
from semiser.features.spectra import as_stored, fit_frames, matrix_field, spectra_of
from semiser.options.audio_features import StftOptions


def compute_stft(spectra: np.ndarray, options: StftOptions) -> np.ndarray:
    """Magnitude spectra, each bin with mean 0 and standard deviation 1 over the utterance.

    Args:
        spectra: magnitudes of an utterance's frames in all bins, (T, dft_size / 2 + 1).
        options: framing, bins and scale.

    Returns:
        float32 of shape (T, bins), not yet padded or cut; a bin that does not vary is 0 throughout.
    """
    values = spectra[:, : options.bins].astype(np.float64)
    if options.log:
        values = np.log(np.maximum(values, options.floor))
    values -= values.mean(axis=0)
    deviation = np.sqrt(np.einsum("tb,tb->b", values, values) / len(values))
    # A deviation under the floor is rounding noise: dividing by the floor keeps it near 0.
    return (values / np.maximum(deviation, options.floor)).astype(np.float32)


class Stft(Family[StftOptions]):
    """The `stft` table: a row per utterance, `frames` (those of 555 that hold audio) and 555 x 512 float32."""

    name = "stft"
    version = 1
    pool = "processes"  # see `spectra`
    libraries = ("numpy", "scipy", "soundfile", "soxr")

    @property
    def whole_s(self) -> tuple[float, float]:
        return self.options.span_s(self.options.frames), self.options.span_s(self.options.frames + 1)

    def fields(self) -> list[pa.Field]:
        unit = f"standard deviations of the bin's {'log ' * self.options.log}magnitude"
        bin_hz = self.options.sample_rate_hz / self.options.dft_size
        shape = (self.options.frames, self.options.bins)
        return [
            pa.field("frames", pa.int32(), metadata={"unit": "frames with audio, the last ones"}),
            matrix_field("stft", shape, ("frame", "bin"), self.options.stored, unit=unit, bin_hz=bin_hz),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        values = as_stored(compute_stft(spectra_of(source, self.options), self.options), self.options.stored)
        yield {"frames": min(len(values), self.options.frames), "stft": fit_frames(values, self.options.frames)}
