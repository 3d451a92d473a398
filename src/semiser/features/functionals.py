"""openSMILE's functionals: one vector per utterance of statistics over low-level descriptors.

Sources: `is10` Schuller et al., "The INTERSPEECH 2010 Paralinguistic Challenge"; `egemaps` Eyben et al., "The Geneva
Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research and Affective Computing" (2016), set eGeMAPSv02;
`compare2016` Schuller et al., "The INTERSPEECH 2016 Computational Paralinguistics Challenge"; `emobase` the set of that
name in openSMILE. The configurations are openSMILE's own (research licence) and stay in its package.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import Family, Source
from semiser.options.audio_features import OpenSmileOptions

MIN_DURATION_S = 0.1  # below, openSMILE may give no frame or NaN
LONGEST_S = 3600  # an hour: 1 GB of descriptors in openSMILE


class FunctionalsExtractor:
    """Functionals of one signal after the other, on one openSMILE engine. Not to be shared between threads."""

    def __init__(self, feature_set: str, sample_rate_hz: int):
        """Args:
        feature_set: a member of `opensmile.FeatureSet`.
        sample_rate_hz: rate of the signals.
        """
        import opensmile

        from semiser.features.opensmile_engine import OpenSmileEngine

        self.feature_set, self.sample_rate_hz = feature_set, sample_rate_hz
        self._engine = OpenSmileEngine(
            opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals, sample_rate_hz
        )

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Functionals of a signal.

        Args:
            signal: mono samples in [-1, 1] at the extractor's rate, shape (samples,); those beyond are clipped.

        Returns:
            float32 of shape (D,), in the order of `feature_names`.

        Raises:
            Unusable: shorter than 0.1 s, or openSMILE gives no or non-finite values.
        """
        duration_s = signal.size / self.sample_rate_hz
        if duration_s < MIN_DURATION_S:
            raise Unusable(f"{duration_s:.3f} s of audio: {self.feature_set} needs at least {MIN_DURATION_S} s")
        if duration_s > LONGEST_S:
            raise Unusable(
                f"{duration_s:,.0f} s of audio: {self.feature_set} holds the descriptors of all of it at once, and "
                f"takes at most {LONGEST_S:,} s: give start_s and end_s of the utterances in the file"
            )
        rows = self._engine(signal)
        if not len(rows):
            raise Unusable(f"openSMILE gave no {self.feature_set} values for {duration_s:.3f} s of audio")
        if bad := np.count_nonzero(~np.isfinite(rows[-1])):
            raise Unusable(f"openSMILE gave {bad} non-finite {self.feature_set} values for {duration_s:.3f} s of audio")
        return rows[-1]


@cache
def feature_names(feature_set: str) -> tuple[str, ...]:
    """The names of a set as openSMILE gives them, `<descriptor>_sma[_de]_<functional>`."""
    import opensmile

    return tuple(opensmile.Smile(opensmile.FeatureSet[feature_set], opensmile.FeatureLevel.Functionals).feature_names)


class Functionals(Family[OpenSmileOptions]):
    """A table of one row per utterance with a column of the family's name: the set's functionals as float32.

    Class attributes:
        feature_set: a member of `opensmile.FeatureSet`.
    """

    version = 1
    pool = "threads"  # openSMILE leaves Python's lock: two threads were as fast as two processes, without their start
    libraries = ("opensmile", "soundfile", "soxr")
    feature_set: ClassVar[str]

    def fields(self) -> list[pa.Field]:
        names = feature_names(self.feature_set)
        metadata = {"names": json.dumps(names), "unit": "as openSMILE gives them, not standardised"}
        return [pa.field(self.name, pa.list_(pa.float32(), len(names)), metadata=metadata)]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        from semiser.features.opensmile_engine import of_this_thread

        extractor = of_this_thread(FunctionalsExtractor, self.feature_set, self.options.sample_rate_hz)
        yield {self.name: extractor(source.audio(self.options.sample_rate_hz))}


class Is10(Functionals):
    """The `is10` table, 1,582 values: the acoustic modality of MMMD (Zhou et al. 2021)."""

    name = "is10"
    feature_set = "IS10"


class Egemaps(Functionals):
    """The `egemaps` table, 88 values."""

    name = "egemaps"
    feature_set = "eGeMAPSv02"


class Compare2016(Functionals):
    """The `compare2016` table, 6,373 values."""

    name = "compare2016"
    feature_set = "ComParE_2016"


class Emobase(Functionals):
    """The `emobase` table, 988 values."""

    name = "emobase"
    feature_set = "emobase"
