"""openSMILE's feature sets, as vectors of functionals or as frames of low-level descriptors: one extractor for both.

Sources: `IS10` Schuller et al., "The INTERSPEECH 2010 Paralinguistic Challenge"; `eGeMAPSv02` Eyben et al., "The Geneva
Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research and Affective Computing" (2016); `ComParE_2016` Schuller
et al., "The INTERSPEECH 2016 Computational Paralinguistics Challenge"; `emobase` the set of that name in openSMILE. The
configurations are openSMILE's own (research licence) and stay in its package.
"""

from functools import cache
from typing import ClassVar, Literal

import numpy as np

from semiser.errors import Unusable
from semiser.features.family import Family, Source
from semiser.options.audio_features import OpenSmileOptions

Level = Literal["Functionals", "LowLevelDescriptors"]  # members of `opensmile.FeatureLevel`

LONGEST_S = 3600  # an hour: 1.4 GB, the descriptors in openSMILE, which makes functionals of all of them


class SetExtractor:
    """Values of one signal after the other, on one openSMILE engine. Not to be shared between threads."""

    def __init__(self, feature_set: str, level: Level, sample_rate_hz: int):
        """Args:
        feature_set: a member of `opensmile.FeatureSet`.
        level: functionals or descriptors.
        sample_rate_hz: rate of the signals.
        """
        import opensmile

        from semiser.features.opensmile_engine import OpenSmileEngine

        self.feature_set, self.sample_rate_hz = feature_set, sample_rate_hz
        self._engine = OpenSmileEngine(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel[level], sample_rate_hz)

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """The set's values of a signal.

        Args:
            signal: mono samples in [-1, 1] at the extractor's rate, shape (samples,); those beyond are clipped.

        Returns:
            float32 of shape (rows, D), in the order of `set_names`: one row of functionals, or a row per frame.

        Raises:
            Unusable: longer than an hour, too short, or openSMILE gives non-finite values.
        """
        duration_s = signal.size / self.sample_rate_hz
        if duration_s > LONGEST_S:
            raise Unusable(
                f"{duration_s:,.0f} s of audio: {self.feature_set} holds the descriptors of all of it at once, and "
                f"takes at most {LONGEST_S:,} s: give start_s and end_s of the utterances in the file"
            )
        rows = self._engine(signal)
        if not len(rows):
            raise Unusable(f"openSMILE gave no {self.feature_set} values for {duration_s:.3f} s of audio")
        if bad := np.count_nonzero(~np.isfinite(rows)):
            raise Unusable(f"openSMILE gave {bad} non-finite {self.feature_set} values for {duration_s:.3f} s of audio")
        return rows


@cache
def set_names(feature_set: str, level: Level = "Functionals") -> tuple[str, ...]:
    """The names of a set's values as openSMILE gives them, functionals as `<descriptor>_sma[_de]_<functional>`."""
    import opensmile

    return tuple(opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel[level]).feature_names)


class OpenSmileFamily(Family[OpenSmileOptions]):
    """A family of one of openSMILE's sets at one level.

    Class attributes:
        feature_set: a member of `opensmile.FeatureSet`.
        level: functionals or descriptors.
    """

    version = 1
    pool = "threads"  # openSMILE leaves Python's lock: two threads were as fast as two processes, without their start
    libraries = ("opensmile", "soundfile", "soxr")
    unit: ClassVar[str] = "as openSMILE gives them, not standardised"
    feature_set: ClassVar[str]
    level: ClassVar[Level]

    def values(self, source: Source) -> np.ndarray:
        """The set's values of an utterance, (rows, D)."""
        from semiser.features.opensmile_engine import of_this_thread

        rate = self.options.sample_rate_hz
        extractor = of_this_thread(SetExtractor, self.feature_set, self.level, rate)
        return extractor(source.audio(rate))
