"""Expression networks by their options: built, fed with faces, and loaded from a folder of weights and card."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file
from torch import Tensor

from semiser.networks.densenet import DenseNet
from semiser.networks.mobilenet import MobileNetV2
from semiser.options.face_features import NetworkOptions

ExpressionNetwork = MobileNetV2 | DenseNet


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
        ValueError: the weights do not fit the card's network.
    """
    card = read_card(folder)
    network = build_expression_network(network_options(card), len(card["classes"]))
    try:
        network.load_state_dict(load_file(folder / "model.safetensors"))
    except RuntimeError as error:
        raise ValueError(f"{folder}: model.safetensors does not fit the network in card.json: {error}") from error
    return network.eval(), card


def read_card(folder: Path) -> dict[str, Any]:
    """The JSON card of a trained network.

    Raises:
        FileNotFoundError: there is none.
    """
    path = folder / "card.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"no expression network at {folder} (no card.json): `kedro run --pipelines=train_faces` trains one, or "
            "name the folder of yours in the family's option `weights`"
        )
    return json.loads(path.read_text(encoding="utf-8"))


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
