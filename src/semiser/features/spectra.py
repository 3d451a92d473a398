"""Frames, magnitude spectra and mel filters: what the spectral families share, in numpy and scipy.

librosa gives the same values (the tests hold them together), but costs every worker 3 s to import.

The spectral families ask for processes: on two workers they took 5.9 ms a file of CASIA, threads 10.6 and one thread
alone 20, all five families with their Parquet; below a thousand files the start of the processes costs more than that.
"""

import json
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from semiser.errors import Unusable
from semiser.features.family import Source
from semiser.options.audio_features import FramesOptions
from semiser.options.family import Stored

# Frames transformed at a time: bounds memory on recordings of hours.
_BLOCK = 2048
# A transform of the same frames that is an nth as long has every nth of its bins.
_SHARED_DFT = 1024


def cut_frames(signal: np.ndarray, length: int, step: int) -> np.ndarray:
    """Overlapping frames without padding, as a view.

    Args:
        signal: shape (samples,).
        length, step: samples of a frame, and from frame to frame.

    Returns:
        Shape (frames, length), frames = 1 + (samples - length) // step, 0 where the signal is shorter than a frame.
    """
    if signal.size < length:
        return np.empty((0, length), signal.dtype)
    return sliding_window_view(signal, length)[::step]


def magnitude_spectra(signal: np.ndarray, window: np.ndarray, step: int, dft_size: int, bins: int) -> np.ndarray:
    """Magnitudes of the windowed frames' discrete Fourier transforms.

    Args:
        signal: shape (samples,).
        window: one weight for each sample of a frame.
        step: samples from frame to frame.
        dft_size: length of the transform, at least that of the window: frames are zero-padded at their end.
        bins: lowest bins that are kept; bin k lies at k / dft_size of the rate.

    Returns:
        float32 of shape (frames, bins), not scaled: a sine of amplitude A on a bin gives A * sum(window) / 2.
    """
    from scipy.fft import rfft

    frames = cut_frames(signal, window.size, step)
    magnitudes = np.empty((len(frames), bins), np.float32)
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        magnitudes[block] = np.abs(rfft(frames[block] * window, dft_size)[:, :bins])
    return magnitudes


def frame_spectra(signal: np.ndarray, options: FramesOptions, bins: int, dft_size: int | None = None) -> np.ndarray:
    """`magnitude_spectra` with the window, step and transform of the options.

    Args:
        signal: shape (samples,).
        options: of the frames.
        bins: lowest bins that are kept.
        dft_size: of the transform, where it is not the options'.

    Raises:
        Unusable: the signal is shorter than one frame.
    """
    if signal.size < options.window_samples:
        raise Unusable(
            f"{signal.size / options.sample_rate_hz:.3f} s of audio: a frame takes {options.window_ms / 1000:g} s"
        )
    window = shaped_window(options.window, options.window_samples)
    return magnitude_spectra(signal, window, options.step_samples, dft_size or options.dft_size, bins)


def spectra_of(source: Source, options: FramesOptions) -> np.ndarray:
    """`frame_spectra` of an utterance in all bins, made once for all families that have the same frames.

    Their transforms may differ in length: of one that divides 1024 samples the bins are among those of 1024, whether
    another family asks for these or not, so that no value hangs on who else asks.

    Raises:
        Unusable: the audio cannot be decoded, or is shorter than one frame.
    """
    rate, size = options.sample_rate_hz, options.dft_size
    shared = size if _SHARED_DFT % size else _SHARED_DFT
    key = "spectra", rate, options.window, options.window_samples, options.step_samples, shared
    spectra = source.once(key, lambda: frame_spectra(source.audio(rate), options, shared // 2 + 1, shared))
    return spectra[:, :: shared // size]


def shaped_window(shape: Literal["hamming", "hann"], samples: int, periodic: bool = True) -> np.ndarray:
    """A window of that shape, bit by bit as `scipy.signal.get_window` makes it, which takes 0.7 s to load."""
    middle = {"hamming": 0.54, "hann": 0.5}[shape]
    turn = np.linspace(-np.pi, np.pi, samples + periodic)[:samples]
    return middle + (1 - middle) * np.cos(turn)


@lru_cache(maxsize=8)
def mel_filters(
    sample_rate_hz: int,
    dft_size: int,
    mels: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    kind: Literal["slaney", "htk", "kaldi"] = "slaney",
) -> np.ndarray:
    """Triangular filters evenly spaced on a mel scale.

    Args:
        sample_rate_hz, dft_size: of the spectra.
        mels: filters.
        low_hz, high_hz: where the first begins and the last ends; None: half the rate.
        kind: `slaney`: his scale and filters of unit area, as `librosa.filters.mel` with its defaults; `htk`: HTK's
            scale and filters of unit height; `kaldi`: these, straight on the mel scale instead of in Hz.

    Returns:
        Weights of shape (mels, dft_size / 2 + 1), to multiply power spectra with. Do not write to it: it is shared.

    Raises:
        ValueError: the transform is too short for so many filters: one would lie between two bins.

    Source: Slaney, "Auditory Toolbox" (1998); Young et al., "The HTK Book".
    """
    high_hz = high_hz or sample_rate_hz / 2
    bins = np.fft.rfftfreq(dft_size, 1 / sample_rate_hz)
    if kind == "slaney":
        edges = _mel_to_hz(np.linspace(_hz_to_mel(low_hz), _hz_to_mel(high_hz), mels + 2))
    else:
        low_mel, high_mel = _hz_to_htk(np.array([low_hz, high_hz]))
        edges = np.linspace(low_mel, high_mel, mels + 2)
        edges, bins = (edges, _hz_to_htk(bins)) if kind == "kaldi" else (700 * np.expm1(edges / 1127), bins)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(0)
    if empty := np.count_nonzero(~triangles.any(axis=1)):
        raise ValueError(f"{empty} of {mels} mel filters hold no bin of a DFT of {dft_size}: raise dft_size")
    return triangles * 2 / (high - low) if kind == "slaney" else triangles


_LINEAR_HZ = 200 / 3  # Hz per mel below 1 kHz
_LOG_STEP = np.log(6.4) / 27  # growth per mel above


def _hz_to_htk(hz: np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(hz / 700)


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < 1000 else 1000 / _LINEAR_HZ + np.log(hz / 1000) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = mel - 1000 / _LINEAR_HZ
    return np.where(above < 0, mel * _LINEAR_HZ, 1000 * np.exp(_LOG_STEP * above))


def matrix_field(
    name: str, shape: tuple[int, int], axes: tuple[str, str], stored: Stored = "float32", **facts: object
) -> pa.Field:
    """A column of matrices of one shape, laid out row by row in a fixed-size list of float32, or of float16."""
    metadata = {"shape": json.dumps(shape), "axes": json.dumps(axes), **_as_text(facts)}
    kind = pa.float16() if stored == "float16" else pa.float32()
    return pa.field(name, pa.list_(kind, shape[0] * shape[1]), metadata=metadata)


def frames_fields(name: str, width: int, **facts: object) -> list[pa.Field]:
    """Columns for matrices of as many rows as an utterance has frames: `frames`, and the values frame after frame.

    One flat list reads back as one array in pyarrow and pandas: `row[name].reshape(-1, width)`.
    """
    metadata = {"shape": json.dumps((None, width)), "axes": json.dumps(("frame", "band")), **_as_text(facts)}
    return [
        pa.field("frames", pa.int32(), metadata={"unit": "frames"}),
        pa.field(name, pa.list_(pa.float32()), metadata=metadata),
    ]


def fit_frames(values: np.ndarray, frames: int) -> np.ndarray:
    """A matrix cut at its end, or padded with zeros at its head, to so many rows: (T, width) -> (frames, width)."""
    kept = values[:frames]
    return np.concatenate([np.zeros((frames - len(kept), kept.shape[1]), kept.dtype), kept])


def as_stored(values: np.ndarray, stored: Stored) -> np.ndarray:
    """Values as their column holds them.

    Raises:
        Unusable: one is beyond the range of float16.
    """
    if stored == "float16" and (largest := float(np.abs(values).max(initial=0))) > 65504:
        raise Unusable(f"a value of {largest:g} is beyond float16: set the option stored to float32")
    return values.astype(stored)


def _as_text(facts: dict[str, object]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}
