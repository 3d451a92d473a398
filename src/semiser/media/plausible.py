"""What a recording sounds like to a machine, as far as it tells whether something went wrong with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semiser.media.audio import in_opposite_phase, probe_audio, read_samples

_LISTENED_S = 60.0  # of an utterance, from its beginning
_SILENT_DB, _DEAD_DB, _NOTHING_DB = -70.0, -80.0, -120.0  # of full scale
_FULL, _BEYOND = 0.999, 1.0 + 1e-6
_CLIPPED_SHARE, _BEYOND_SHARE = 1e-3, 1e-3  # of samples: a click is no clipping


@dataclass(frozen=True)
class Heard:
    """What an utterance sounds like.

    Attributes:
        level_db: root mean square over all channels, each about its mean, in dB of full scale; -120 for none.
        oddities: which of `ODDITIES` it has.
    """

    level_db: float
    oddities: tuple[str, ...]


ODDITIES = {
    "silent": "are silent",
    "clipped": "are clipped",
    "beyond_full_scale": "lie beyond full scale",
    "dead_channel": "have a channel without sound, which halves their level",
    "opposite_phase": "have channels in opposite phase, whose mean is next to nothing: the first is taken",
}


def listen(path: Path, start_s: float | None = None, end_s: float | None = None) -> Heard:
    """Decode an utterance's first minute, all channels at their own rate.

    Args:
        path: audio or video file.
        start_s, end_s: bounds in seconds, both None for the whole file.

    Raises:
        Unusable: it cannot be decoded.
    """
    start_s = start_s or 0.0
    end_s = min(start_s + _LISTENED_S, probe_audio(path).duration_s if end_s is None else end_s)
    return hear(read_samples(path, start_s, end_s))


def hear(signal: np.ndarray) -> Heard:
    """The same of samples, float32 of shape (samples, channels)."""
    finite = np.nan_to_num(signal, nan=0.0, posinf=0.0, neginf=0.0)
    powers = np.var(finite, axis=0, dtype=np.float64) if signal.size else np.zeros(1)  # a constant is no sound
    level = _decibels(float(np.mean(powers)))
    loud = np.abs(finite)
    found = []
    if level < _SILENT_DB:
        found.append("silent")
    if np.mean(loud >= _FULL) > _CLIPPED_SHARE:
        found.append("clipped")
    if np.mean(loud > _BEYOND) > _BEYOND_SHARE:
        found.append("beyond_full_scale")
    if finite.shape[1] > 1 and level >= _SILENT_DB:
        if _decibels(float(np.min(powers))) < _DEAD_DB:
            found.append("dead_channel")
        elif in_opposite_phase(finite):
            found.append("opposite_phase")
    return Heard(level, tuple(found))


def _decibels(power: float) -> float:
    return max(_NOTHING_DB, 10 * float(np.log10(power))) if power > 0 else _NOTHING_DB
