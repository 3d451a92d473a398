"""Trained models of MMMD and its neural variants."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semiser.data.scaling import Scaler
from semiser.data.vectors import FoldData
from semiser.options.modalities import ATTRIBUTES
from semiser.prediction.loaded import Features, Loaded, Step
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.network import Mmd
from semiser.systems.mmmd.options import MmmdOptions


def load(card: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Loaded:
    """The network with its weights; one-hot columns are not scaled."""
    options, classes, columns = MmmdOptions(**card["options"]).network, tuple(card["classes"]), tuple(card["features"])
    names = tuple(name for column in columns for name in card["features"][column])
    ends = np.cumsum([len(card["features"][column]) for column in columns]).tolist()
    ranges = dict(zip(columns, zip([0, *ends[:-1]], ends, strict=True), strict=True))
    nothing = torch.empty(0)
    paths = mmmd.network_paths(FoldData(nothing, nothing, {}, classes, names, ranges), options.grouping)
    network = Mmd(*paths, len(classes), options, seed=card["seed"])
    network.load_state_dict({name: tensor for name, tensor in tensors.items() if not name.startswith("scaling.")})
    mean, std = (tensors[f"scaling.{name}"].numpy() for name in ("mean", "std"))
    scaling = {name: Scaler(mean[slice(*ranges[name])], std[slice(*ranges[name])]) for name in columns
               if name not in ATTRIBUTES}  # fmt: skip

    def predict(features: Features) -> np.ndarray:
        x = np.concatenate([np.concatenate(features[column]) for column in columns], axis=1)  # (N, D)
        return mmmd.predict(network, torch.from_numpy(x), options).numpy()

    return Loaded(classes, columns, (Step(scaling=scaling, by_speaker=card["scaling"] == "speaker"),), predict)
