"""Median pitch and median vocal intensity of an utterance, what proxy arousal is scored from.

Source: AV-SpNET (Lu et al. 2018), section 2.2.2, after Bone et al. (2014). The paper names neither the pitch tracker
nor the frames of the intensity: here both are medians over voiced frames, so that pauses do not count as a low voice.

Pitch is openSMILE's (subharmonic summation, Viterbi smoothing, 55 to 1000 Hz; `FeatureSet.GeMAPSv01b`) and not
`librosa.pyin`: `benchmarks/pitch.py` on 100 files each of CASIA and EmoDB measured 39 and 25 ms per second of audio
against 498 and 501. The medians of the two lie 0.5 and 0.2 semitones apart (median), within one in 63 and 94 % of the
files, an octave in 8 and 2 %; openSMILE found voice in every file, pyin in all but one.
"""

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import Family, Source
from semiser.features.spectra import cut_frames
from semiser.options.audio_features import VoiceOptions

if TYPE_CHECKING:
    from semiser.features.opensmile_engine import OpenSmileEngine

FRAME_S, STEP_S = 0.06, 0.01  # openSMILE's pitch frames

_F0 = "F0semitoneFrom27.5Hz_sma3nz"


@dataclass(frozen=True)
class Voice:
    """Medians of an utterance's voiced frames; None where no frame is voiced.

    Attributes:
        pitch_hz: fundamental frequency.
        intensity_db: level relative to a square wave at full scale (mean square 1), at most 0.
        voiced_share: voiced frames among all frames, in [0, 1].
    """

    pitch_hz: float | None
    intensity_db: float | None
    voiced_share: float


def track_pitch(signal: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Fundamental frequency of every frame.

    Args:
        signal: mono samples in [-1, 1], shape (samples,).
        sample_rate_hz: their rate.

    Returns:
        Hz, 0 where a frame is unvoiced, float32 of shape (frames,): frames of 60 ms every 10 ms from 0 on.

    Raises:
        Unusable: shorter than a frame.
    """
    if signal.size < round(FRAME_S * sample_rate_hz):
        raise Unusable(f"{signal.size / sample_rate_hz:.3f} s of audio: a pitch frame takes {FRAME_S:g} s")
    engine = _engine(sample_rate_hz)
    semitones = engine(signal)[:, engine.names.index(_F0)]
    return np.where(semitones > 0, 27.5 * 2 ** (semitones / 12), 0).astype(np.float32)


def frame_levels(signal: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Mean square level of the frames that `track_pitch` looks at, in dB; -inf where all samples are 0."""
    length, step = round(FRAME_S * sample_rate_hz), round(STEP_S * sample_rate_hz)
    power = np.square(cut_frames(signal.astype(np.float64), length, step)).mean(axis=1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def measure_voice(signal: np.ndarray, sample_rate_hz: int) -> Voice:
    """Median pitch and intensity over voiced frames.

    Args:
        signal: mono samples in [-1, 1], shape (samples,).
        sample_rate_hz: their rate.

    Returns:
        The medians; without pitch and intensity where no frame is voiced.

    Raises:
        Unusable: shorter than 60 ms.
    """
    pitch, level = track_pitch(signal, sample_rate_hz), frame_levels(signal, sample_rate_hz)
    frames = min(pitch.size, level.size)  # openSMILE ends on a frame that reaches beyond the signal
    pitch, level = pitch[:frames], level[:frames]
    voiced = (pitch > 0) & np.isfinite(level)
    if not voiced.any():
        return Voice(None, None, 0.0)
    return Voice(float(np.median(pitch[voiced])), float(np.median(level[voiced])), float(voiced.mean()))


_engines = threading.local()


def _engine(sample_rate_hz: int) -> "OpenSmileEngine":
    """This thread's engine for that rate."""
    engines = _engines.__dict__.setdefault("by_rate", {})
    if sample_rate_hz not in engines:
        import opensmile

        from semiser.features.opensmile_engine import OpenSmileEngine

        feature_set, level = opensmile.FeatureSet.GeMAPSv01b, opensmile.FeatureLevel.LowLevelDescriptors
        engines[sample_rate_hz] = OpenSmileEngine(feature_set, level, sample_rate_hz)
    return engines[sample_rate_hz]


class VoiceFamily(Family[VoiceOptions]):
    """The `voice` table: a row per utterance; pitch and intensity are null where no frame is voiced."""

    name = "voice"
    version = 1
    pool = "threads"  # openSMILE leaves Python's lock: two threads were 1.8 times as fast as one
    libraries = ("opensmile", "soundfile", "soxr")

    def fields(self) -> list[pa.Field]:
        frames = "median over voiced frames of 60 ms every 10 ms"
        return [
            pa.field("pitch_hz", pa.float32(), metadata={"unit": "Hz", "what": frames}),
            pa.field("intensity_db", pa.float32(), metadata={"unit": "dB re mean square 1", "what": frames}),
            pa.field("voiced_share", pa.float32(), metadata={"unit": "[0, 1]"}),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        rate = self.options.sample_rate_hz
        yield asdict(measure_voice(source.audio(rate), rate))
