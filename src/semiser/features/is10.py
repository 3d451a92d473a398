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

# openSMILE takes 16-bit samples as float x 32768: exactly 1.0 would wrap to -32768.
_FULL_SCALE = np.float32(1 - 2**-15)


class Is10Extractor:
    """IS10 functionals of one signal after the other, on one openSMILE engine that is reset between them.

    Setting an engine up takes 4 to 8 ms a call in `opensmile.Smile.process_signal`; a reset engine gives the same
    values bit for bit. Not to be shared between threads.
    """

    def __init__(self, sample_rate_hz: int):
        import opensmile
        from opensmile.core.config import config

        smile = opensmile.Smile(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals)
        self._source, self._sink = config.EXTERNAL_SOURCE_COMPONENT, config.EXTERNAL_OUTPUT_COMPONENT
        source_config = f"{smile.default_config_root}/{config.EXTERNAL_INPUT_CONFIG}"
        options = smile._options() | {"source": source_config, "sampleRate": sample_rate_hz, "nBits": 16}
        self._engine = smile._smile(options=options)
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
        found = self._run((np.clip(signal, -1, _FULL_SCALE) * 32768).astype(np.int16))
        if not found:
            raise Unusable(f"openSMILE gave no IS10 values for {duration_s:.3f} s of audio")
        values = found[-1].ravel()
        if bad := np.count_nonzero(~np.isfinite(values)):
            raise Unusable(f"openSMILE gave {bad} non-finite IS10 values for {duration_s:.3f} s of audio")
        return values

    def _run(self, samples: np.ndarray) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        self._engine._callbacks.clear()  # the engine drops its callbacks on reset, its Python wrapper would keep them
        self._engine.external_sink_set_callback_ex(self._sink, lambda data, _: found.append(data.copy()))
        if not self._engine.external_audio_source_write_data(self._source, samples.tobytes()):
            raise Unusable(f"{samples.size / self.sample_rate_hz:.0f} s of audio do not fit openSMILE's buffer")
        self._engine.external_audio_source_set_eoi(self._source)
        self._engine.run()
        self._engine.reset()
        return found


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
