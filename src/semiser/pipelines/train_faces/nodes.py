"""Nodes that train the networks behind the face families."""

from typing import Any

from semiser.options.faces import TrainFacesOptions
from semiser.options.training import TrainingOptions


def train_expression_network(options: TrainFacesOptions, training: TrainingOptions, models: str) -> dict[str, Any]:
    """The network of the `expression` family: its card; {} where it is not configured."""
    return _train(options.expression, training, f"{models}/expression")


def train_dface_network(options: TrainFacesOptions, training: TrainingOptions, models: str) -> dict[str, Any]:
    """The network of the `dface` family: its card; {} where it is not configured."""
    return _train(options.dface, training, f"{models}/dface")


def _train(options: Any, training: TrainingOptions, folder: str) -> dict[str, Any]:
    if options is None:
        return {}
    from semiser.faces.fit import train

    return train(options, training, folder)
