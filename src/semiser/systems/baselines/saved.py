"""How a baseline is saved: arrays and scaling as safetensors, the rest in the card. No pickle."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from semiser.data.vectors import FoldData
from semiser.options.base import Options
from semiser.training.run import TrainingRun


def save(
    arrays: Mapping[str, np.ndarray], network: str, data: FoldData, options: Options, run: TrainingRun, **facts: Any
) -> None:
    """Write a trained baseline with its card.

    Args:
        arrays: of the model, by name.
        network: its kind, which `predict.load` builds again.
        data: of the fold: classes and feature names.
        options: of the training.
        run: says where, and how the data were scaled.
        facts: further ones of the card.
    """
    scaling = {f"scaling.{name}": run.scaling[name] for name in ("mean", "std")}
    card = {
        "system": "baselines",
        "network": network,
        "options": options.model_dump(mode="json"),
        **facts,
        "classes": data.classes,
        "features": {column: data.names[first:end] for column, (first, end) in data.ranges.items()},
        "scaling": run.scaling["strategy"],
        "as_is": run.scaling["as_is"],
    }
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in {**arrays, **scaling}.items()}
    run.save_model(tensors, card)
