"""ONNX networks of the user's own: found, known by their hash, loaded with bounded memory, and their shapes checked.

The file is read whole, so that weights in other files, which its hash would not know of, are refused. Source: the ONNX
standard, by onnxruntime.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import numpy as np

from semiser.features.face_track import checked_hash
from semiser.options.onnx import OnnxOptions

OnnxOptionsT = TypeVar("OnnxOptionsT", bound=OnnxOptions)

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int16)": np.int16,
}
_LIMITS: dict[type[np.generic], tuple[int, int]] = {np.uint8: (0, 255), np.int16: (-32768, 32767)}
_PROVIDERS = {"cpu": "CPUExecutionProvider", "gpu": "CUDAExecutionProvider"}


def with_hash(options: OnnxOptionsT, option: str) -> OnnxOptionsT:
    """The options with the hash of their file, so that another network makes another fingerprint.

    Args:
        options: of the network.
        option: that has them, for errors.

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
        FileNotFoundError: there is no such file.
        ValueError: its hash is not `model_sha256`.
    """
    if find_spec("onnxruntime") is None:
        raise ModuleNotFoundError(
            f"{option} needs the package onnxruntime: pip install 'semiser[onnx]' (on a GPU: onnxruntime-gpu), or do "
            "without"
        )
    sha256 = checked_hash([options.model], options.model_sha256, f"{option}.model")
    return options.model_copy(update={"model_sha256": sha256})


class OnnxNetwork:
    """A network of one input, and that of its outputs which is taken.

    Attributes:
        shape: of the input, None for what may vary.
    """

    def __init__(self, file: Path, provider: str, output: str | None, option: str):
        """Load a file; several in one process share no threads.

        Args:
            file: of the network.
            provider: `cpu` or `gpu`.
            output: name of the output; None: the first.
            option: that names the file, for errors.

        Raises:
            ValueError: the file is no network, has several inputs or no such output, or there is no such provider.
        """
        import onnxruntime

        self._option = option
        if _PROVIDERS[provider] not in (here := onnxruntime.get_available_providers()):
            raise ValueError(
                f"{option}.provider: this onnxruntime has no {_PROVIDERS[provider]}, it has {', '.join(here)}: install "
                "onnxruntime-gpu in its place, or give cpu"
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1  # the shard map already fills the processors
        settings.enable_cpu_mem_arena = settings.enable_mem_pattern = False  # inputs of any length would add up
        settings.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                file.read_bytes(), settings, providers=list(dict.fromkeys([_PROVIDERS[provider], _PROVIDERS["cpu"]]))
            )
        except Exception as error:  # onnxruntime has no class of its own for them
            raise ValueError(
                f"{option}.model: {file} cannot be loaded by onnxruntime {onnxruntime.__version__}: give one .onnx "
                f"file with all its weights in it. {_first_line(error)}"
            ) from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _TYPES:
            found = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
            raise ValueError(f"{option}.model: {file} must take one input of numbers, it takes {found or 'none'}")
        names = [one.name for one in self._session.get_outputs()]
        if output is not None and output not in names:
            raise ValueError(f"{option}.output: {file} has no output {output}: it has {', '.join(names)}")
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        self._output = output or names[0]
        self.shape = tuple(size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape)

    def check(self, shape: Sequence[int | None], axes: str) -> None:
        """See that the network takes input of this shape.

        Args:
            shape: None for what may vary.
            axes: what they are, for the error.

        Raises:
            ValueError: it does not.
        """
        fits = len(shape) == len(self.shape) and all(
            given in (None, own) or own is None for given, own in zip(shape, self.shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{self._option}: the network takes {_shown(self.shape)}, and the options make {_shown(shape)} "
                f"({axes}): mend the options that say how its input is made"
            )

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The output for an input.

        Args:
            values: of the network's shape; made the type that it takes, rounded where that is a whole number.

        Raises:
            ValueError: the network refuses them.
        """
        if self._type in _LIMITS:
            values = np.clip(np.rint(values), *_LIMITS[self._type])
        try:
            (found,) = self._session.run([self._output], {self._input: np.ascontiguousarray(values, self._type)})
        except Exception as error:  # onnxruntime has no class of its own for them
            raise ValueError(
                f"{self._option}: the network refuses an input of shape {values.shape}: {_first_line(error)}"
            ) from error
        return np.asarray(found, np.float32)

    def in_batches(self, values: np.ndarray, most: int) -> np.ndarray:
        """The outputs for inputs along the first axis, at most so many at once, one by one where the network says so.

        Raises:
            ValueError: the network takes another number at once than one or any.
        """
        if self.shape[0] not in (None, 1):
            raise ValueError(
                f"{self._option}: the network takes {self.shape[0]} inputs at once: export it for one, or for any"
            )
        step = self.shape[0] or most
        return np.concatenate([self(values[first : first + step]) for first in range(0, len(values), step)])


@lru_cache(maxsize=4)
def load_network(file: Path, sha256: str, provider: str, output: str | None, option: str) -> OnnxNetwork:
    """This process's network, loaded once; the hash tells one from another."""
    return OnnxNetwork(file, provider, output, option)


def network_of(options: OnnxOptions, option: str) -> OnnxNetwork:
    """This process's network of options that have its hash."""
    assert options.model_sha256, "with_hash comes first"
    return load_network(options.model, options.model_sha256, options.provider, options.output, option)


def _shown(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
