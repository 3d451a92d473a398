"""Trained models of MMMD and its neural variants."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from semiser.card import Card, Classes
from semiser.data.scaling import Scaler
from semiser.data.vectors import FoldData
from semiser.options.modalities import ATTRIBUTES
from semiser.prediction.loaded import Features, Loaded, Step
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.network import Mmd
from semiser.systems.mmmd.options import MmmdOptions
from semiser.training.saved import read_saved


class MmmdCard(Card):
    """What `semiser.systems.mmmd.fit` says of a network: feature column to the names of its values, in order."""

    system: Literal["mmmd"]
    options: MmmdOptions
    classes: Classes
    features: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    scaling: Literal["global", "speaker"]


def load(folder: Path) -> Loaded:
    """The network with its weights; one-hot columns are not scaled."""
    saved = read_saved(folder, MmmdCard)
    card, options = saved.card, saved.card.options.network
    names = tuple(name for values in card.features.values() for name in values)
    ends = np.cumsum([len(values) for values in card.features.values()]).tolist()
    ranges = dict(zip(card.features, zip([0, *ends[:-1]], ends, strict=True), strict=True))

    def make() -> Mmd:
        nothing = torch.empty(0)
        data = FoldData(nothing, nothing, {}, card.classes, names, ranges)
        return Mmd(*mmmd.network_paths(data, options.grouping), len(card.classes), options, seed=card.seed)

    network = saved.build(make)
    mean, std = (values.numpy() for values in saved.statistics((len(names),)))
    scaling = {name: Scaler(mean[slice(*ranges[name])], std[slice(*ranges[name])]) for name in ranges
               if name not in ATTRIBUTES}  # fmt: skip

    def predict(features: Features) -> np.ndarray:
        x = np.concatenate([np.concatenate(features[column]) for column in ranges], axis=1)  # (N, D)
        return mmmd.predict(network, torch.from_numpy(x), options).numpy()

    return Loaded(card.classes, tuple(ranges), (Step(scaling=scaling, by_speaker=card.scaling == "speaker"),), predict)
