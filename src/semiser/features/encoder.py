"""What pretrained encoders share: layers chosen, merged and pooled, and the columns that this gives."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from semiser.features.spectra import frames_fields
from semiser.options.encoders import EncoderOptions

if TYPE_CHECKING:
    import torch

STATISTICS = {"mean": ("mean",), "mean_std": ("mean", "std")}


def chosen_layers(options: EncoderOptions, hidden_layers: int, option: str) -> list[int]:
    """Numbers of the hidden states that are taken, 0 for what the first layer gets.

    Args:
        options: with `layers`.
        hidden_layers: of the model; it has one hidden state more.
        option: for the error.

    Raises:
        ValueError: the model has no such layer.
    """
    if options.layers == "all":
        return list(range(hidden_layers + 1))
    if beyond := [number for number in options.layers if not -hidden_layers - 1 <= number <= hidden_layers]:
        raise ValueError(
            f"{option}.layers names {beyond[0]}: the model has {hidden_layers} layers, so 0 (what the first gets) to "
            f"{hidden_layers}, or -1 (the last) to {-hidden_layers - 1}"
        )
    return [number % (hidden_layers + 1) for number in options.layers]


def merge_and_pool(states: Sequence[np.ndarray], options: EncoderOptions) -> np.ndarray:
    """Of an utterance's hidden states what the options ask for.

    Args:
        states: of each chosen layer, float32 of shape (T, width).
        options: `merge` and `pooling`.

    Returns:
        float32 of shape (T, D), or (D,) where frames are pooled, in the order of `value_names`.
    """
    layers = [np.mean(states, axis=0)] if options.merge == "mean" else states
    if options.pooling == "frames":
        return np.concatenate(layers, axis=1)
    return np.concatenate([pool_frames(layer, options.pooling) for layer in layers])


def pool_frames(frames: np.ndarray, pooling: str) -> np.ndarray:
    """Frames (T, D) as they are, or their statistics one after the other, float32."""
    if pooling == "frames":
        return frames
    return np.concatenate([getattr(frames, name)(axis=0) for name in STATISTICS[pooling]]).astype(np.float32)


def value_names(width: int, layers: Sequence[int], options: EncoderOptions) -> list[str]:
    """Names of the values of `merge_and_pool`: `layer_03_mean_000`, without the layer where they are merged by mean."""
    named = [""] if options.merge == "mean" else [f"layer_{number:02d}_" for number in layers]
    of_layer = [""] if options.pooling == "frames" else [f"{name}_" for name in STATISTICS[options.pooling]]
    return [f"{layer}{name}{place:03d}" for layer in named for name in of_layer for place in range(width)]


def value_fields(column: str, width: int, layers: Sequence[int], options: EncoderOptions) -> list[pa.Field]:
    """The columns of an encoder's values: a vector, or frames with their number."""
    names = value_names(width, layers, options)
    facts = {
        "checkpoint": options.checkpoint.name,
        "checkpoint_sha256": options.checkpoint_sha256,
        "layers": list(layers),
    }
    unit = "hidden state of the encoder"
    if options.pooling == "frames":
        return frames_fields(column, len(names), names=names, unit=unit, **facts)
    metadata = {"names": json.dumps(names), "unit": unit, **{key: json.dumps(fact) for key, fact in facts.items()}}
    return [pa.field(column, pa.list_(pa.float32(), len(names)), metadata=metadata)]


def value_row(column: str, values: np.ndarray) -> dict[str, object]:
    """An utterance's values as its row has them, in the columns of `value_fields`."""
    return {column: values} if values.ndim == 1 else {"frames": len(values), column: values.ravel()}


def model_device(device: str, option: str) -> "torch.device":
    """The device of that name, seen to be there.

    Args:
        device: as torch calls it: `cpu`, `cuda`, `cuda:1`.
        option: that names it, for the error.

    Raises:
        ValueError: torch knows no such device, or this machine has none.
    """
    import torch

    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:  # a torch without CUDA asserts
        raise ValueError(f"{option}: {device} cannot be used here ({str(error).splitlines()[0]}): give cpu") from error
    return found


@contextmanager
def computing(device: "torch.device | str", precision: str = "float32") -> Iterator[None]:
    """A network's forward passes: no gradients, float32 in full or bfloat16 where it is asked for.

    TF32, which torch allows itself in convolutions, keeps ten bits: with it a GPU's values would differ by 1e-3.

    Raises:
        MemoryError: the device's memory is used up.
    """
    import torch

    low = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16")
    try:
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False), low:
            yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryError(f"on {device}: {str(error).splitlines()[0]}") from error
