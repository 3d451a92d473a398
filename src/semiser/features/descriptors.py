"""openSMILE's low-level descriptors: what the functionals of the same set are statistics of, frame by frame.

Sources as in `functionals`. Frames are 10 ms apart; their lengths are the set's (20 to 60 ms).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import Family, Source
from semiser.features.spectra import frames_fields
from semiser.options.audio_features import OpenSmileOptions

STEP_S = 0.01


class DescriptorsExtractor:
    """Descriptors of one signal after the other, on one openSMILE engine. Not to be shared between threads."""

    def __init__(self, feature_set: str, sample_rate_hz: int):
        """Args:
        feature_set: a member of `opensmile.FeatureSet`.
        sample_rate_hz: rate of the signals.
        """
        import opensmile

        from semiser.features.opensmile_engine import OpenSmileEngine

        self.feature_set, self.sample_rate_hz = feature_set, sample_rate_hz
        level = opensmile.FeatureLevel.LowLevelDescriptors
        self._engine = OpenSmileEngine(opensmile.FeatureSet[feature_set], level, sample_rate_hz)

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Descriptors of a signal.

        Args:
            signal: mono samples in [-1, 1] at the extractor's rate, shape (samples,); those beyond are clipped.

        Returns:
            float32 of shape (frames, D), in the order of `descriptor_names`.

        Raises:
            Unusable: too short for a frame, or openSMILE gives non-finite values.
        """
        duration_s = signal.size / self.sample_rate_hz
        rows = self._engine(signal)
        if not len(rows):
            raise Unusable(f"openSMILE gave no {self.feature_set} frame for {duration_s:.3f} s of audio")
        if bad := np.count_nonzero(~np.isfinite(rows)):
            raise Unusable(f"openSMILE gave {bad} non-finite {self.feature_set} values for {duration_s:.3f} s of audio")
        return rows


@cache
def descriptor_names(feature_set: str) -> tuple[str, ...]:
    """The names of a set's descriptors as openSMILE gives them."""
    import opensmile

    level = opensmile.FeatureLevel.LowLevelDescriptors
    return tuple(opensmile.Smile(opensmile.FeatureSet[feature_set], level).feature_names)


class Descriptors(Family[OpenSmileOptions]):
    """A table of one row per utterance: `frames`, and as many x D float32 in a list named as the family.

    Class attributes:
        feature_set: a member of `opensmile.FeatureSet`.
    """

    version = 1
    pool = "threads"  # as functionals
    libraries = ("opensmile", "soundfile", "soxr")
    feature_set: ClassVar[str]

    def fields(self) -> list[pa.Field]:
        names = descriptor_names(self.feature_set)
        unit = "as openSMILE gives them, not standardised"
        return frames_fields(self.name, len(names), names=names, unit=unit, step_s=STEP_S)

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        from semiser.features.opensmile_engine import of_this_thread

        extractor = of_this_thread(DescriptorsExtractor, self.feature_set, self.options.sample_rate_hz)
        values = extractor(source.audio(self.options.sample_rate_hz))
        yield {"frames": len(values), self.name: values.ravel()}


class Is10Lld(Descriptors):
    """The `is10_lld` table, 38 values a frame."""

    name = "is10_lld"
    feature_set = "IS10"


class EgemapsLld(Descriptors):
    """The `egemaps_lld` table, 25 values a frame."""

    name = "egemaps_lld"
    feature_set = "eGeMAPSv02"


class Compare2016Lld(Descriptors):
    """The `compare2016_lld` table, 65 values a frame."""

    name = "compare2016_lld"
    feature_set = "ComParE_2016"


class EmobaseLld(Descriptors):
    """The `emobase_lld` table, 26 values a frame."""

    name = "emobase_lld"
    feature_set = "emobase"
