"""IS10: the 1,582 functionals of the Interspeech 2010 paralinguistic challenge, by openSMILE.

Source: Schuller et al., "The INTERSPEECH 2010 Paralinguistic Challenge"; the acoustic modality of MMMD (Zhou et al.
2021). The configuration is openSMILE's own (`FeatureSet.IS10`, research licence) and stays in its package.
"""

import json
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.family import Family, Source

NUM_FEATURES = 1582
MIN_DURATION_S = 0.1  # below, openSMILE may give no frame or NaN


class Is10Extractor:
    """IS10 functionals of one signal after the other, on one openSMILE engine. Not to be shared between threads."""

    def __init__(self, sample_rate_hz: int):
        import opensmile

        from semiser.features.opensmile_engine import OpenSmileEngine

        self._engine = OpenSmileEngine(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals, sample_rate_hz)
        self.sample_rate_hz = sample_rate_hz

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Functionals of a signal.

        Args:
            signal: mono samples in [-1, 1] at the extractor's rate, shape (samples,); those beyond are clipped.

        Returns:
            float32 of shape (1582,), in the order of `feature_names`.

        Raises:
            Unusable: shorter than 0.1 s, or openSMILE gives no or non-finite values.
        """
        duration_s = signal.size / self.sample_rate_hz
        if duration_s < MIN_DURATION_S:
            raise Unusable(f"{duration_s:.3f} s of audio: IS10 needs at least {MIN_DURATION_S} s")
        rows = self._engine(signal)
        if not len(rows):
            raise Unusable(f"openSMILE gave no IS10 values for {duration_s:.3f} s of audio")
        if bad := np.count_nonzero(~np.isfinite(rows[-1])):
            raise Unusable(f"openSMILE gave {bad} non-finite IS10 values for {duration_s:.3f} s of audio")
        return rows[-1]


@cache
def feature_names() -> tuple[str, ...]:
    """The 1,582 names as openSMILE gives them, `<descriptor>_sma[_de]_<functional>`."""
    import opensmile

    return tuple(opensmile.Smile(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals).feature_names)


_engines = threading.local()


def _extractor(sample_rate_hz: int) -> Is10Extractor:
    """This thread's extractor for that rate."""
    extractors = _engines.__dict__.setdefault("by_rate", {})
    if sample_rate_hz not in extractors:
        extractors[sample_rate_hz] = Is10Extractor(sample_rate_hz)
    return extractors[sample_rate_hz]


class Is10(Family):
    """The `is10` table: one row per utterance, the column `is10` of 1,582 float32."""

    name = "is10"
    version = 1
    pool = "threads"  # openSMILE leaves Python's lock: two threads were as fast as two processes, without their start
    libraries = ("opensmile", "soundfile", "soxr")

    def fields(self) -> list[pa.Field]:
        metadata = {"names": json.dumps(feature_names()), "unit": "as openSMILE gives them, not standardised"}
        return [pa.field("is10", pa.list_(pa.float32(), NUM_FEATURES), metadata=metadata)]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        rate = self.options.sample_rate_hz
        yield {"is10": _extractor(rate)(source.audio(rate))}
