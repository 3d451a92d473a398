"""ONNX networks of the user's own on sound: speaker encoders, embeddings of audio events, and the like.

A network takes windows of the waveform, or of what is made of it: mel frames (`mel`), as its makers compute them, or
the output of another ONNX network (`frontend`). It gives a vector for each window, or a vector for each frame of its
own, which are pooled or kept. The hashes of the files are part of the fingerprint. Nothing is downloaded.

Sources: the conventions of filters are those of Slaney's Auditory Toolbox (librosa), HTK and Kaldi (`mel_frames`).
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view

from semiser.errors import Unusable
from semiser.features.encoder import STATISTICS, pool_frames, value_row
from semiser.features.family import BatchedFamily, Source
from semiser.features.mel_frames import mel_frames
from semiser.features.onnx_network import OnnxNetwork, network_of, with_hash
from semiser.features.spectra import frames_fields
from semiser.options.onnx import SoundNetworkOptions

OPTION = "features.sound_network"


class Windows(NamedTuple):
    """An utterance as the network takes it.

    Attributes:
        values: float32, windows along the first axis.
        cut_s: how much of the utterance's end was left out.
    """

    values: np.ndarray
    cut_s: float


class SoundNetwork(BatchedFamily[SoundNetworkOptions, Windows]):
    """The `sound_network` table: a row per utterance with a vector, or `frames` and as many x D float32 in one list.

    `cut_s` is how much of the utterance's end was left out, 0 for most.
    """

    name = "sound_network"
    version = 1
    pool = "processes"
    libraries = ("onnxruntime", "numpy", "scipy", "soundfile", "soxr")

    def __init__(self, options: SoundNetworkOptions):
        """Take the options; the hashes of the files become part of the fingerprint.

        Raises:
            ModuleNotFoundError, FileNotFoundError: onnxruntime or a file is missing.
            ValueError: a file is another one than the options say, or takes or gives something else.
        """
        hashed = with_hash(options, OPTION)
        if options.frontend:
            hashed = hashed.model_copy(update={"frontend": with_hash(options.frontend, f"{OPTION}.frontend")})
        super().__init__(hashed)
        self._width = Sound(hashed).width  # also sees that the shapes fit, before there is any work

    def fields(self) -> list[pa.Field]:
        options = self.options
        facts = {"network": options.model.name, "model_sha256": options.model_sha256}
        parts = [""] if options.pooling == "frames" else [f"{part}_" for part in STATISTICS[options.pooling]]
        names = [f"{part}{place:03d}" for part in parts for place in range(self._width)]
        unit = "output of the network"
        if options.pooling == "frames":
            values = frames_fields(self.name, self._width, names=names, unit=unit, **facts)
        else:
            metadata = {"names": json.dumps(names), "unit": unit, **{key: str(fact) for key, fact in facts.items()}}
            values = [pa.field(self.name, pa.list_(pa.float32(), len(names)), metadata=metadata)]
        cut = pa.field("cut_s", pa.float32(), metadata={"unit": "s", "meaning": "left out at the utterance's end"})
        return [*values, cut]

    @property
    def budget(self) -> float:
        return self.options.batch

    def size(self, prepared: Windows) -> float:
        return len(prepared.values)

    def prepare(self, source: Source) -> Windows:
        rate, signal = self.options.sample_rate_hz, source.audio(self.options.sample_rate_hz)
        kept = signal[: round(self.options.longest_s * rate)]
        return Windows(_load(self.options).windows(kept), (signal.size - kept.size) / rate)

    def compute(self, batch: Sequence[Windows]) -> Iterator[dict[str, Any]]:
        found = _load(self.options)([one.values for one in batch], self.options.batch)
        for one, frames in zip(batch, found, strict=True):
            yield {**value_row(self.name, pool_frames(frames, self.options.pooling)), "cut_s": one.cut_s}


class Sound:
    """A network with how it takes sound.

    Attributes:
        width: values of a vector.
    """

    def __init__(self, options: SoundNetworkOptions):
        """Load the files, and see on a second of silence (or a window of it) what comes out.

        Args:
            options: with the hashes of the files.

        Raises:
            ValueError: a network takes or gives something else than the options say.
        """
        self.options, self._network = options, network_of(options, OPTION)
        self._frontend = network_of(options.frontend, f"{OPTION}.frontend") if options.frontend else None
        window_s = options.window_s or 1.0
        silence = np.zeros(round((window_s + 0.1) * options.sample_rate_hz), np.float32)
        windows = self.windows(silence)
        rank = len(self._network.shape)
        self._axes = options.axes or _usual_axes(rank, windows.ndim == 3, self._network)
        sizes = {"b": None, "t": windows.shape[1] if options.window_s else None, "m": windows.shape[-1], "1": 1}
        self._network.check([sizes[axis] for axis in self._axes], f"axes {self._axes}")
        self.width = 0
        (found,) = self([windows], options.batch)
        self.width = found.shape[1]

    def windows(self, signal: np.ndarray) -> np.ndarray:
        """What the network is to hear of a signal.

        Args:
            signal: mono samples at the options' rate, shape (samples,).

        Returns:
            float32 of shape (windows, samples), or (windows, frames, bands); one window of all where `window_s` is
            None.

        Raises:
            Unusable: shorter than a window, or than a frame.
        """
        options, values = self.options, self._heard(signal)
        if options.window_s is None:
            return values[None]
        length, hop = (max(1, round(time_s / self._step_s)) for time_s in (options.window_s, options.hop))
        if (lacking := length - len(values)) > 0:
            if not options.pad_short:
                raise Unusable(
                    f"{signal.size / options.sample_rate_hz:.3f} s of audio: a window takes {options.window_s:g} s "
                    f"({OPTION}.pad_short pads with silence)"
                )
            silence = np.zeros(round(lacking * self._step_s * options.sample_rate_hz), np.float32)
            values = self._heard(np.concatenate([signal, silence]))
        found: np.ndarray = np.moveaxis(sliding_window_view(values, length, axis=0)[::hop], -1, 1)
        return found

    @property
    def _step_s(self) -> float:
        """Seconds from one step along time to the next."""
        options = self.options
        if options.mel or options.frontend:
            return (options.mel or options.frontend).step_ms / 1000  # type: ignore[union-attr]
        return 1 / options.sample_rate_hz

    def _heard(self, signal: np.ndarray) -> np.ndarray:
        """The signal as samples (T,) or frames (T, bands)."""
        options = self.options
        if options.mel:
            return mel_frames(signal * np.float32(options.scale), options.sample_rate_hz, options.mel)
        if options.frontend and self._frontend:
            scaled = signal * np.float32(options.scale)
            found = self._frontend(scaled[(None,) * (len(self._frontend.shape) - 1)])
            found = found.reshape([size for size in found.shape if size != 1] or [1])
            if found.ndim != 2:
                raise ValueError(
                    f"{OPTION}.frontend must give frames x bands, of {signal.size} samples it gives {found.shape}"
                )
            return found * np.float32(options.frontend.multiply) + np.float32(options.frontend.add)
        return signal * np.float32(options.scale)

    def __call__(self, batch: Sequence[np.ndarray], most: int) -> list[np.ndarray]:
        """Vectors of utterances.

        Args:
            batch: windows of each, as of `windows`.
            most: windows that are computed at once.

        Returns:
            For each float32 of shape (T, width): a row per window, or per frame that the network gives.

        Raises:
            ValueError: the network gives something else.
        """
        if self.options.window_s is None or "b" not in self._axes:  # of any length each, so each alone
            return [np.concatenate([self._vectors(window[None], 1) for window in windows]) for windows in batch]
        found = self._vectors(batch[0] if len(batch) == 1 else np.concatenate(batch), most)
        each = len(found) // sum(map(len, batch))
        return np.split(found, np.cumsum([each * len(windows) for windows in batch])[:-1])

    def _vectors(self, windows: np.ndarray, most: int) -> np.ndarray:
        """Vectors of windows (N, samples) or (N, frames, bands): (N, width), or (N * frames of the output, width)."""
        there = [axis for axis in self._axes if axis != "1"]
        order = ["btm".index(axis) for axis in there]
        if "b" in there:
            found = self._network.in_batches(self._spread(windows.transpose(order)), most)
            if len(found) != len(windows):
                raise ValueError(f"{OPTION}: of {len(windows)} windows the network gives {found.shape}: see axes")
        else:
            found = self._network(self._spread(windows[0].transpose([axis - 1 for axis in order])))[None]
        found = found.reshape(len(found), *(size for size in found.shape[1:] if size != 1))
        if found.ndim > 3:
            raise ValueError(
                f"{OPTION}: of a window the network gives {found.shape[1:]}: a vector or frames of vectors are needed; "
                f"name another output ({OPTION}.output)"
            )
        vectors: np.ndarray = found.reshape(-1, found.shape[-1] if found.ndim > 1 else 1)
        if self.width and vectors.shape[1] != self.width:
            raise ValueError(
                f"{OPTION}: the network's vectors have {vectors.shape[1]} values here, and {self.width} on silence: "
                "their number depends on the length, so give window_s"
            )
        return vectors

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """With the axes of size 1 that the network wants."""
        return np.expand_dims(values, [place for place, axis in enumerate(self._axes) if axis == "1"])


def _usual_axes(rank: int, frames: bool, network: OnnxNetwork) -> str:
    """How networks of so many axes mostly take waveforms, or frames."""
    usual = {2: "tm", 3: "btm", 4: "b1tm"} if frames else {1: "t", 2: "bt", 3: "b1t"}
    if rank not in usual:
        raise ValueError(f"{OPTION}.axes: the network's input has {rank} axes: say what they are, such as btm1")
    return "btm1" if rank == 4 and network.shape[3] == 1 else usual[rank]


@lru_cache(maxsize=2)
def _load(options: SoundNetworkOptions) -> Sound:
    """This process's network, loaded once; the hashes tell one from another."""
    return Sound(options)
