"""What happens to synthetic speech on its way to a recording: voice, room, device and noise.

Signals are (samples,) float32 in [-1, 1]. Filters are gains over the whole signal's spectrum, which keeps its length.
"""

from collections.abc import Callable

import numpy as np
import soxr

SAMPLE_RATE_HZ = 16_000


def cut_silence(signal: np.ndarray, sampling_rate_hz: int, margin_ms: float = 40, floor: float = 0.005) -> np.ndarray:
    """The signal from the first to the last sample above `floor` of full scale, with a margin of what lies around.

    Raises:
        ValueError: no sample is above the floor.
    """
    loud = np.flatnonzero(np.abs(signal) > floor)
    if not loud.size:
        raise ValueError(f"cut_silence: no sample of {signal.size} is above {floor} of full scale")
    margin = round(margin_ms * sampling_rate_hz / 1000)
    return signal[max(0, loud[0] - margin) : loud[-1] + 1 + margin]


def change_tract(signal: np.ndarray, sampling_rate_hz: int, factor: float) -> np.ndarray:
    """Play the signal `factor` times as fast, at `SAMPLE_RATE_HZ`: formants and pitch rise, as in a shorter tract."""
    return soxr.resample(signal, sampling_rate_hz * factor, SAMPLE_RATE_HZ).astype(np.float32)


def filter_spectrum(signal: np.ndarray, gain: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Multiply every frequency by `gain(frequency in Hz)`; zeros at the signal's end keep the filter from wrapping."""
    padded = signal.size + SAMPLE_RATE_HZ // 10
    frequency = np.fft.rfftfreq(padded, 1 / SAMPLE_RATE_HZ)
    return np.fft.irfft(np.fft.rfft(signal, padded) * gain(frequency), padded)[: signal.size].astype(np.float32)


def tilt_spectrum(signal: np.ndarray, db: float) -> np.ndarray:
    """Raise (effort) or lower (softness) the spectrum by `db` an octave from 500 Hz to 4 kHz, level outside."""
    return filter_spectrum(signal, lambda f: 10 ** (db * np.log2(np.clip(f, 500, 4000) / 500) / 20))


def limit_band(signal: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """A second-order band pass by gain alone, as of a telephone or a cheap microphone."""
    return filter_spectrum(
        signal, lambda f: 1 / np.sqrt((1 + (low_hz / np.maximum(f, 1)) ** 4) * (1 + (f / high_hz) ** 8))
    )


def set_level(signal: np.ndarray, dbfs: float, peak: float = 0.95) -> np.ndarray:
    """Scale to a root mean square in dB of full scale, or to less where the highest sample would pass `peak`."""
    scale = 10 ** (dbfs / 20) / np.sqrt(np.mean(signal**2))
    return (signal * min(scale, peak / np.abs(signal).max())).astype(np.float32)


def add_room(signal: np.ndarray, decay_s: float, share: float, rng: np.random.Generator) -> np.ndarray:
    """Add a room's tail: noise that falls by 60 dB in `decay_s`, at `share` of the direct sound's energy."""
    time = np.arange(round(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(time.size) * 10 ** (-3 * time / decay_s)
    tail *= np.sqrt(share / np.sum(tail**2))
    size = signal.size + tail.size
    wet = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(tail, size), size)[: signal.size]
    return (signal + wet).astype(np.float32)


def add_noise(signal: np.ndarray, snr_db: float, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise, its amplitude falling as frequency ** -slope (0 white, 0.5 pink, 1 brown), at a ratio in dB."""
    white = rng.standard_normal(signal.size).astype(np.float32)
    noise = filter_spectrum(white, lambda f: np.maximum(f, 60) ** -slope)
    scale = np.sqrt(np.mean(signal**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    return (signal + scale * noise).astype(np.float32)
