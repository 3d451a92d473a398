"""An openSMILE engine that is kept and reset from one signal to the next."""

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import opensmile
from opensmile.core.config import config

# openSMILE takes 16-bit samples as float x 32768: exactly 1.0 would wrap to -32768.
_FULL_SCALE = np.float32(1 - 2**-15)
_INPUT = Path(__file__).with_name("opensmile_input.conf.inc")
_BLOCK_S, _RING_S = 1, 10
_WAIT_S = 0.002  # for room in the ring


class OpenSmileEngine:
    """One feature set at one level and rate, for one signal after the other.

    Setting an engine up takes 4 to 15 ms a call in `opensmile.Smile.process_signal`; a reset engine gives the same
    values bit for bit. A signal goes in by blocks while the engine runs, so that it holds nothing of a long one but its
    descriptors. Not to be shared between threads.

    Attributes:
        names: of the features.
        sample_rate_hz: rate of the signals.
    """

    def __init__(self, feature_set: opensmile.FeatureSet, level: opensmile.FeatureLevel, sample_rate_hz: int):
        smile = opensmile.Smile(feature_set, level)
        self.names: tuple[str, ...] = tuple(smile.feature_names)
        self.sample_rate_hz = sample_rate_hz
        self._source, self._sink = config.EXTERNAL_SOURCE_COMPONENT, config.EXTERNAL_OUTPUT_COMPONENT
        rates = {"sampleRate": sample_rate_hz, "nBits": 16, "ring": _RING_S * sample_rate_hz}
        self._engine = smile._smile(options=smile._options() | {"source": str(_INPUT)} | rates)

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Features of a signal.

        Args:
            signal: mono samples in [-1, 1] at the engine's rate, shape (samples,); those beyond are clipped.

        Returns:
            float32 of shape (rows, features): a row per frame, or one row of functionals; no row if it is too short.
        """
        found: list[np.ndarray] = []
        self._engine._callbacks.clear()  # the engine drops its callbacks on reset, its Python wrapper would keep them
        self._engine.external_sink_set_callback_ex(self._sink, lambda data, _: found.append(data.ravel().copy()))
        with self._feeding(signal):
            self._engine.run()
        self._engine.reset()
        return np.stack(found) if found else np.empty((0, len(self.names)), np.float32)

    @contextmanager
    def _feeding(self, signal: np.ndarray) -> Iterator[None]:
        """A thread that hands the signal over as there is room; it ends with the signal, or with the engine's run."""
        ended = threading.Event()
        thread = threading.Thread(target=self._feed, args=(signal, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _feed(self, signal: np.ndarray, ended: threading.Event) -> None:
        size = _BLOCK_S * self.sample_rate_hz
        for start in range(0, signal.size, size):
            block = (np.clip(signal[start : start + size], -1, _FULL_SCALE) * 32768).astype(np.int16).tobytes()
            while not self._engine.external_audio_source_write_data(self._source, block):
                if ended.wait(_WAIT_S):
                    return
        self._engine.external_audio_source_set_eoi(self._source)


Extractor = TypeVar("Extractor")
_kept = threading.local()


def of_this_thread(make: Callable[..., Extractor], *arguments: Hashable) -> Extractor:
    """This thread's extractor of a kind, made once for each set, level and rate."""
    extractors = _kept.__dict__.setdefault("extractors", {})
    key = make, *arguments
    if key not in extractors:
        extractors[key] = make(*arguments)
    return extractors[key]
