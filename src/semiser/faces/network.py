"""Expression networks by their options: built, fed with faces, and loaded from a folder of weights and card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from semiser.card import Card, Classes
from semiser.faces.densenet import DenseNet
from semiser.faces.mobilenet import MobileNetV2
from semiser.options.base import first_problem
from semiser.options.face_features import NetworkOptions
from semiser.training.saved import CARD, read_facts, read_saved

ExpressionNetwork = MobileNetV2 | DenseNet


class ExpressionCard(Card):
    """What the training of a face network says of it."""

    system: Literal["expression"] = "expression"
    network: NetworkOptions
    classes: Annotated[Classes, Field(min_length=2, max_length=1000)]


def build_expression_network(options: NetworkOptions, classes: int) -> ExpressionNetwork:
    """The network that the options describe, with random weights."""
    return MobileNetV2(options, classes) if options.kind == "mobilenet_v2" else DenseNet(options, classes)


def start_from(network: ExpressionNetwork, file: Path) -> None:
    """Give a network the weights of a file, all but those of its classifier, whose classes are its own.

    Args:
        network: is changed in place.
        file: safetensors under the names of the network's modules; a classifier in it is passed over.

    Raises:
        ValueError: it is none, or lacks a tensor of that name and shape; the message names the first.
    """
    wanted = {name: value for name, value in network.state_dict().items() if not name.startswith("classifier.")}
    try:
        with safe_open(file, framework="pt") as given:
            names = set(given.keys())
            for name, value in wanted.items():
                found = tuple(given.get_slice(name).get_shape()) if name in names else "none"
                if found != tuple(value.shape):
                    raise ValueError(
                        f"initial_weights: {file} must have a tensor {name} of shape {tuple(value.shape)}, it has "
                        f"{found}: give weights of this very network"
                    )
            network.load_state_dict({name: given.get_tensor(name) for name in wanted}, strict=False)
    except SafetensorError as error:
        raise ValueError(f"initial_weights: {file} is no safetensors file: {error}") from error


def to_input(faces: Tensor) -> Tensor:
    """Faces as every expression network takes them: uint8 0 to 255 -> float32 -1 to 1, same shape.

    Channels come last in memory, a single one, too: small convolutions are half as fast again that way.
    """
    found = torch.empty(faces.shape, dtype=torch.float32, device=faces.device, memory_format=torch.channels_last)
    return torch.div(faces, 127.5, out=found).sub_(1)


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
    if not (folder / CARD).is_file():
        raise FileNotFoundError(_missing(folder))
    saved = read_saved(folder, ExpressionCard)
    options, classes = saved.card.network, len(saved.card.classes)
    return saved.build(lambda: build_expression_network(options, classes)), saved.facts


def read_card(folder: Path) -> dict[str, Any]:
    """The JSON card of a trained network; its weights are not looked at.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or describes no expression network.
    """
    if not (folder / CARD).is_file():
        raise FileNotFoundError(_missing(folder))
    facts = read_facts(folder / CARD)
    try:
        ExpressionCard.model_validate({"weights_sha256": "0" * 64, **facts})
    except ValidationError as error:
        raise ValueError(f"{folder / CARD} is no card of an expression network: {first_problem(error)}") from error
    return facts


def _missing(folder: Path) -> str:
    return (
        f"no expression network at {folder} (no card.json): `kedro run --pipelines=train_faces` trains one, or "
        "name the folder of yours in the family's option `weights`"
    )


def network_options(card: Mapping[str, Any]) -> NetworkOptions:
    """The options in a card, checked."""
    return TypeAdapter(NetworkOptions).validate_python(card["network"])


@torch.no_grad()
def predict_probabilities(network: ExpressionNetwork, faces: Tensor, batch_size: int = 256) -> Tensor:
    """Class probabilities of uint8 faces (N, channels, S, S), shape (N, C), float32; both stay on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    parts = (network(to_input(part.to(device))) for part in faces.split(batch_size))
    return torch.cat([part.float().softmax(1).cpu() for part in parts])


@torch.no_grad()
def predict_pooled(network: ExpressionNetwork, faces: Tensor, batch_size: int = 64) -> Tensor:
    """The last pooling layer for uint8 faces (N, channels, S, S), shape (N, F), float32; both stay on the CPU."""
    network.eval()
    device = next(network.parameters()).device
    return torch.cat([network.pooled(to_input(part.to(device))).float().cpu() for part in faces.split(batch_size)])
