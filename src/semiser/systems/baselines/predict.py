"""Trained support vector machines."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from semiser.data.scaling import Scaler
from semiser.prediction.loaded import Features, Loaded, Step
from semiser.systems.baselines.svm import Machine


def load(card: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Loaded:
    """The machine with its support vectors; columns that training took as they were, as one-hots, are not scaled."""
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    mean, std = arrays.pop("scaling.mean"), arrays.pop("scaling.std")
    machine = Machine(**arrays, kernel=card["options"]["kernel"], gamma=card["gamma"])
    classes, columns = tuple(card["classes"]), tuple(card["features"])
    ends = np.cumsum([len(card["features"][column]) for column in columns]).tolist()
    ranges = zip(columns, [0, *ends[:-1]], ends, strict=True)
    scaling = {
        column: Scaler(mean[first:end], std[first:end]) for column, first, end in ranges if column not in card["as_is"]
    }

    def predict(features: Features) -> np.ndarray:
        x = np.concatenate([np.concatenate(features[column]) for column in columns], axis=1)  # (N, D)
        return machine.scores(x, len(classes))

    return Loaded(classes, columns, (Step(scaling=scaling, by_speaker=card["scaling"] == "speaker"),), predict)
