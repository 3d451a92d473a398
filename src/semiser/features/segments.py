"""Spectrogram segments: 200 bins x 80 frames of log magnitude, the input of AV-SpNET.

Source: Lu et al., "Learning an Arousal-Valence Speech Front-End Network using Media Data In-the-Wild for Emotion
Recognition" (AVEC 2018), section 2.2.1. A frame of the paper's DFT of 800 samples has 401 distinct bins, 20 Hz apart;
the paper's 400 leave out the one at half the rate, and its low-pass filter keeps the 200 below 4 kHz.

Segments follow each other on the frame grid (every 80 frames, 800 ms) and a remainder under 80 frames is dropped:
Table 1's hours are its segments times 810 ms exactly. Utterances under 810 ms are refused, as in the paper, which took
those "long enough for further processing"; `pad_short` keeps them.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import Family, Source
from semiser.features.spectra import frame_spectra, matrix_field
from semiser.options.audio_features import SegmentsOptions


def compute_segments(signal: np.ndarray, options: SegmentsOptions) -> np.ndarray:
    """Log-magnitude spectrogram segments of an utterance.

    Args:
        signal: mono samples at the options' rate, shape (samples,).
        options: framing, bins and frames of a segment.

    Returns:
        float32 of shape (segments, bins, frames), natural logarithm of magnitudes of at least `floor`.

    Raises:
        Unusable: shorter than a segment, and `pad_short` is off; or empty.
    """
    needed = options.segment_samples
    if signal.size < needed:
        if not (options.pad_short and signal.size):
            rate = options.sample_rate_hz
            raise Unusable(f"{signal.size / rate:.3f} s of audio: a segment takes {needed / rate:g} s")
        signal = np.pad(signal, (0, needed - signal.size))
    spectra = np.log(np.maximum(frame_spectra(signal, options, options.bins), options.floor))
    count = len(spectra) // options.segment_frames
    whole = spectra[: count * options.segment_frames].reshape(count, options.segment_frames, options.bins)
    return whole.transpose(0, 2, 1)  # (segments, frames, bins) -> (segments, bins, frames)


class Segments(Family[SegmentsOptions]):
    """The `segments` table: a row per segment, `segment` counting from 0."""

    name = "segments"
    version = 1
    pool = "processes"  # see `spectra`
    libraries = ("numpy", "scipy", "soundfile", "soxr")

    @property
    def whole_s(self) -> tuple[float, float]:
        shortest = self.options.segment_samples / self.options.sample_rate_hz if self.options.pad_short else 0.0
        return shortest, math.inf

    def fields(self) -> list[pa.Field]:
        shape = (self.options.bins, self.options.segment_frames)
        step_hz = self.options.sample_rate_hz / self.options.dft_size
        return [
            pa.field("segment", pa.int32()),
            matrix_field("segments", shape, ("bin", "frame"), unit="ln magnitude", bin_hz=step_hz),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        segments = compute_segments(source.audio(self.options.sample_rate_hz), self.options)
        for number, values in enumerate(segments):
            yield {"segment": number, "segments": values}
