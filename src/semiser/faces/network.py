"""Expression networks by their options: built, fed with faces, and loaded from a folder of weights and card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from semiser.faces.densenet import DenseNet
from semiser.faces.mobilenet import MobileNetV2
from semiser.options.face_features import NetworkOptions

ExpressionNetwork = MobileNetV2 | DenseNet
_CLASSES = TypeAdapter(Annotated[list[str], Field(min_length=2, max_length=1000)])


def build_expression_network(options: NetworkOptions, classes: int) -> ExpressionNetwork:
    """The network that the options describe, with random weights."""
    return (MobileNetV2 if options.kind == "mobilenet_v2" else DenseNet)(options, classes)


def to_input(faces: Tensor) -> Tensor:
    """Faces as every expression network takes them: uint8 0 to 255 -> float32 -1 to 1, same shape.

    Channels come last in memory: small convolutions are half as fast again that way.
    """
    return (faces.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def load_expression_network(folder: Path) -> tuple[ExpressionNetwork, Mapping[str, Any]]:
    """A trained network, on the CPU and in evaluation mode.

    Args:
        folder: with `model.safetensors` and `card.json` (`network`: its options, `classes`: names in order).

    Returns:
        Network and card.

    Raises:
        FileNotFoundError: there is no card; the message names the command that makes one.
        ValueError: the card is none, or the weights do not fit its network.
    """
    card = read_card(folder)
    with torch.device("meta"):  # takes no memory: a card may describe any network, the file holds only its own weights
        planned = build_expression_network(network_options(card), len(card["classes"]))
    try:
        weights = load_file(folder / "model.safetensors")
        planned.load_state_dict(weights, assign=True)
        network = build_expression_network(network_options(card), len(card["classes"]))
        network.load_state_dict(weights)
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"{folder}: model.safetensors does not fit the network in card.json: {error}") from error
    return network.eval(), card


def read_card(folder: Path) -> dict[str, Any]:
    """The JSON card of a trained network.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or describes no expression network.
    """
    path = folder / "card.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"no expression network at {folder} (no card.json): `kedro run --pipelines=train_faces` trains one, or "
            "name the folder of yours in the family's option `weights`"
        )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        network_options(card)
        _CLASSES.validate_python(card["classes"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no card of an expression network: {error}") from error
    return card


def network_options(card: Mapping[str, Any]) -> NetworkOptions:
    """The options in a card, checked."""
    return TypeAdapter(NetworkOptions).validate_python(card["network"])


@torch.no_grad()
def predict_probabilities(network: ExpressionNetwork, faces: Tensor, batch_size: int = 256) -> Tensor:
    """Class probabilities of uint8 faces (N, channels, S, S), shape (N, C), float32."""
    network.eval()
    return torch.cat([network(to_input(part)).float().softmax(1) for part in faces.split(batch_size)])


@torch.no_grad()
def predict_pooled(network: ExpressionNetwork, faces: Tensor, batch_size: int = 64) -> Tensor:
    """The last pooling layer for uint8 faces (N, channels, S, S), shape (N, F), float32."""
    network.eval()
    return torch.cat([network.pooled(to_input(part)).float() for part in faces.split(batch_size)])
