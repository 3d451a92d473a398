"""Trained models of MMMD and its neural variants."""

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator

from semiser.card import Card, Classes
from semiser.data.scaling import Scaler
from semiser.data.vectors import FoldData
from semiser.options.modalities import ATTRIBUTES
from semiser.prediction.loaded import Features, Loaded, Step
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd import guarded
from semiser.systems.mmmd.guarded import Vote
from semiser.systems.mmmd.network import Mmd
from semiser.systems.mmmd.options import MmmdOptions
from semiser.training.saved import read_saved

_ROUNDING = 1e-6


class MmmdCard(Card):
    """What `semiser.systems.mmmd.fit` or `guarded` says of a network, or of several that vote.

    Attributes:
        network: one, or several whose weights are named by their number.
        features: feature column to the names of its values, in order.
        votes: of several networks, whose weights add up to 1.
    """

    system: Literal["mmmd"]
    network: Literal["mmd", "guarded"]
    options: MmmdOptions
    votes: Annotated[tuple[Vote, ...], Field(max_length=1000)] = ()
    classes: Classes
    features: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    scaling: Literal["global", "speaker"]

    @model_validator(mode="after")
    def _votes_are_those_of_several(self) -> Self:
        if (self.network == "guarded") != bool(self.votes):
            raise ValueError(f"votes: a network {self.network!r} has {len(self.votes)}")
        if self.votes and abs(sum(vote.weight for vote in self.votes) - 1) > _ROUNDING:
            raise ValueError("votes: their weights do not add up to 1")
        return self


def load(folder: Path) -> Loaded:
    """The network with its weights, or all that vote; one-hot columns are not scaled."""
    saved = read_saved(folder, MmmdCard)
    card, options = saved.card, saved.card.options.network
    names = tuple(name for values in card.features.values() for name in values)
    ends = np.cumsum([len(values) for values in card.features.values()]).tolist()
    ranges = dict(zip(card.features, zip([0, *ends[:-1]], ends, strict=True), strict=True))

    def make() -> Mmd:
        nothing = torch.empty(0)
        data = FoldData(nothing, nothing, {}, card.classes, names, ranges)
        return Mmd(*mmmd.network_paths(data, options.grouping), len(card.classes), options, seed=card.seed)

    prefixes = [f"{place}." for place in range(len(card.votes))] or [""]
    networks = [saved.build(make, prefix, [other for other in prefixes if other != prefix]) for prefix in prefixes]
    mean, std = (values.numpy() for values in saved.statistics((len(names),)))
    scaling = {name: Scaler(mean[slice(*ranges[name])], std[slice(*ranges[name])]) for name in ranges
               if name not in ATTRIBUTES}  # fmt: skip

    def predict(features: Features) -> np.ndarray:
        x = np.concatenate([np.concatenate(features[column]) for column in ranges], axis=1)  # (N, D)
        if card.votes:
            voting = list(zip(networks, card.votes, strict=True))
            return guarded.predict(voting, torch.from_numpy(x), options).numpy()
        return mmmd.predict(networks[0], torch.from_numpy(x), options).numpy()

    return Loaded(card.classes, tuple(ranges), (Step(scaling=scaling, by_speaker=card.scaling == "speaker"),), predict)
