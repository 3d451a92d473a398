"""Nodes that train the networks behind the face families."""

from typing import Any

from semiser.faces.options import TrainFacesOptions
from semiser.options.places import PlacesOptions
from semiser.options.training import TrainingOptions


def train_expression_network(
    options: TrainFacesOptions, training: TrainingOptions, places: PlacesOptions
) -> dict[str, Any]:
    """The network of the `expression` family: its card; {} where none is to be trained."""
    return _train(options.expression, training, f"{places.models}/faces/expression")


def train_dface_network(options: TrainFacesOptions, training: TrainingOptions, places: PlacesOptions) -> dict[str, Any]:
    """The network of the `dface` family: its card; {} where none is to be trained."""
    return _train(options.dface, training, f"{places.models}/faces/dface")


def _train(options: Any, training: TrainingOptions, parent: str) -> dict[str, Any]:
    if options is None:
        return {}
    from semiser.demo.face_data import draw_faces
    from semiser.faces.fit import train

    return train(options, training, parent, draw_faces)
