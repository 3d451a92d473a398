"""One-second chunks: 513 bins x 32 frames of log magnitude scaled to [-1, 1], the input of BEGAN.

Source: "Semi-supervised Model for Emotion Recognition in Speech" (ICANN 2018), section 3.2: 16 kHz, 1 s chunks without
overlap, STFT with an FFT of 1024 and a hop of 512. Frames are centred on every 512th sample from 0 and the chunk is
padded with 512 zeros on both sides, as in librosa: 1 + 16000 // 512 = 32 frames (without the padding there would be
30). The paper names neither window nor scaling: here a Hann window, and a fixed map of decibels to [-1, 1].
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import Family, Source
from semiser.features.spectra import magnitude_spectra, matrix_field, shaped_window
from semiser.options.audio_features import ChunksOptions


def compute_chunks(signal: np.ndarray, options: ChunksOptions) -> np.ndarray:
    """Scaled log-magnitude spectrograms of an utterance's chunks.

    A magnitude in dB relative to a sine at full scale is clipped to [floor_db, 0] and mapped linearly to [-1, 1]. The
    mapping is fixed, so that values compare across utterances and no statistic leaks.

    Args:
        signal: mono samples at the options' rate, shape (samples,).
        options: length and framing of a chunk, and its scaling.

    Returns:
        float32 of shape (chunks, bins, frames). The last, partial chunk counts from `min_last_s` on; it, and an
        utterance shorter than a chunk, are padded with silence at the end.

    Raises:
        Unusable: no sample at all.
    """
    if not signal.size:
        raise Unusable("0 s of audio: there is nothing to cut into chunks")
    length, margin = options.chunk_samples, options.dft_size // 2
    count, rest = divmod(signal.size, length)
    count += rest > 0 and (count == 0 or rest >= options.min_last_s * options.sample_rate_hz)
    window = shaped_window("hann", options.dft_size)
    padded = np.pad(signal, (0, max(0, count * length - signal.size)))[: count * length].reshape(count, length)
    spectra = [
        magnitude_spectra(np.pad(chunk, margin), window, options.step, options.dft_size, options.shape[0])
        for chunk in padded
    ]
    return _scale(np.stack(spectra) / (window.sum() / 2), options.floor_db).transpose(0, 2, 1)


def _scale(amplitude: np.ndarray, floor_db: float) -> np.ndarray:
    """[10^(floor_db / 20), 1] -> [-1, 1], linear in dB; what lies outside is clipped."""
    values = np.log(np.clip(amplitude, 10 ** (floor_db / 20), 1))  # a third of the time of log10
    values *= -40 / (np.log(10) * floor_db)
    values += 1
    return np.clip(values, -1, 1, out=values).astype(np.float32)


class Chunks(Family[ChunksOptions]):
    """The `chunks` table: a row per chunk, `chunk` counting from 0."""

    name = "chunks"
    version = 1
    pool = "processes"  # see `spectra`
    libraries = ("numpy", "scipy", "soundfile", "soxr")

    @property
    def whole_s(self) -> tuple[float, float]:
        return self.options.chunk_s, math.inf

    def fields(self) -> list[pa.Field]:
        unit = f"dB re full-scale sine, [{self.options.floor_db:g}, 0] scaled to [-1, 1]"
        bin_hz = self.options.sample_rate_hz / self.options.dft_size
        return [
            pa.field("chunk", pa.int32()),
            matrix_field("chunks", self.options.shape, ("bin", "frame"), unit=unit, bin_hz=bin_hz),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        chunks = compute_chunks(source.audio(self.options.sample_rate_hz), self.options)
        for number, values in enumerate(chunks):
            yield {"chunk": number, "chunks": values}
