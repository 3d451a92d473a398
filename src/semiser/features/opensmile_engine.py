"""An openSMILE engine that is kept and reset from one signal to the next."""

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np
import opensmile
from opensmile.core.config import config

from semiser.errors import Unusable

# openSMILE takes 16-bit samples as float x 32768: exactly 1.0 would wrap to -32768.
_FULL_SCALE = np.float32(1 - 2**-15)


class OpenSmileEngine:
    """One feature set at one level and rate, for one signal after the other.

    Setting an engine up takes 4 to 15 ms a call in `opensmile.Smile.process_signal`; a reset engine gives the same
    values bit for bit. Not to be shared between threads.

    Attributes:
        names: of the features.
        sample_rate_hz: rate of the signals.
    """

    def __init__(self, feature_set: opensmile.FeatureSet, level: opensmile.FeatureLevel, sample_rate_hz: int):
        smile = opensmile.Smile(feature_set, level)
        self.names: tuple[str, ...] = tuple(smile.feature_names)
        self.sample_rate_hz = sample_rate_hz
        self._source, self._sink = config.EXTERNAL_SOURCE_COMPONENT, config.EXTERNAL_OUTPUT_COMPONENT
        source_config = f"{smile.default_config_root}/{config.EXTERNAL_INPUT_CONFIG}"
        options = smile._options() | {"source": source_config, "sampleRate": sample_rate_hz, "nBits": 16}
        self._engine = smile._smile(options=options)

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Features of a signal.

        Args:
            signal: mono samples in [-1, 1] at the engine's rate, shape (samples,); those beyond are clipped.

        Returns:
            float32 of shape (rows, features): a row per frame, or one row of functionals; no row if it is too short.

        Raises:
            Unusable: the signal does not fit openSMILE's buffer.
        """
        samples = (np.clip(signal, -1, _FULL_SCALE) * 32768).astype(np.int16)
        found: list[np.ndarray] = []
        self._engine._callbacks.clear()  # the engine drops its callbacks on reset, its Python wrapper would keep them
        self._engine.external_sink_set_callback_ex(self._sink, lambda data, _: found.append(data.ravel().copy()))
        if not self._engine.external_audio_source_write_data(self._source, samples.tobytes()):
            raise Unusable(f"{samples.size / self.sample_rate_hz:.0f} s of audio do not fit openSMILE's buffer")
        self._engine.external_audio_source_set_eoi(self._source)
        self._engine.run()
        self._engine.reset()
        return np.stack(found) if found else np.empty((0, len(self.names)), np.float32)


Extractor = TypeVar("Extractor")
_kept = threading.local()


def of_this_thread(make: Callable[..., Extractor], *arguments: Hashable) -> Extractor:
    """This thread's extractor of a kind, made once for each set, level and rate."""
    extractors = _kept.__dict__.setdefault("extractors", {})
    key = make, *arguments
    if key not in extractors:
        extractors[key] = make(*arguments)
    return extractors[key]
