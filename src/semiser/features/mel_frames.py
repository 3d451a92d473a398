"""Mel frames by the conventions of others, for networks that were trained on theirs.

Sources: Young et al., "The HTK Book"; Povey et al., "The Kaldi speech recognition toolkit" (2011); librosa. The tests
hold the values beside those of librosa and of transformers' port of Kaldi.
"""

import numpy as np

from semiser.errors import Unusable
from semiser.features.spectra import cut_frames, mel_filters, shaped_window
from semiser.options.onnx import MelOptions

_BLOCK = 2048  # frames that are transformed at a time: bounds memory


def mel_frames(signal: np.ndarray, sample_rate_hz: int, options: MelOptions) -> np.ndarray:
    """Mel energies of a signal, or their logarithms.

    Args:
        signal: mono samples, shape (samples,).
        sample_rate_hz: of the signal.
        options: what is done.

    Returns:
        float32 of shape (frames, bands).

    Raises:
        Unusable: the signal is shorter than a frame.
        ValueError: the transform is shorter than a frame, or a filter holds no bin of it.
    """
    from scipy.fft import rfft

    length, step = (round(time_ms * sample_rate_hz / 1000) for time_ms in (options.frame_ms, options.step_ms))
    dft_size = options.dft_size or 2 ** int(np.ceil(np.log2(length)))
    if dft_size < length:
        raise ValueError(f"mel.dft_size must be at least the {length} samples of a frame, not {dft_size}")
    window = _window(options, length)
    if options.centred:
        window = np.pad(window, ((dft_size - length) // 2, -(-(dft_size - length) // 2)))
        signal = np.pad(signal, dft_size // 2)
    frames = cut_frames(signal, window.size, step)
    if not len(frames):
        raise Unusable(f"{signal.size / sample_rate_hz:.3f} s of audio: a frame takes {options.frame_ms / 1000:g} s")
    filters = mel_filters(sample_rate_hz, dft_size, options.bands, options.low_hz, options.high_hz, options.filters).T
    energies = np.empty((len(frames), options.bands))
    for start in range(0, len(frames), _BLOCK):
        block = frames[start : start + _BLOCK].astype(np.float64)
        if options.remove_mean:
            block -= block.mean(axis=1, keepdims=True)
        if options.preemphasis:
            block -= options.preemphasis * np.concatenate([block[:, :1], block[:, :-1]], axis=1)
        energies[start : start + _BLOCK] = np.abs(rfft(block * window, dft_size)) ** options.power @ filters
    if options.log != "none":
        energies = np.log(np.maximum(energies + options.offset, options.floor))
        energies *= 10 / np.log(10) if options.log == "decibel" else 1
    if options.normalise != "none":
        energies -= energies.mean(axis=0)
    if options.normalise == "mean_std":
        energies /= np.maximum(energies.std(axis=0), 1e-8)
    return energies.astype(np.float32)


def _window(options: MelOptions, length: int) -> np.ndarray:
    shape = "hann" if options.window == "povey" else options.window
    window = shaped_window(shape, length, options.periodic)
    return window**0.85 if options.window == "povey" else window
