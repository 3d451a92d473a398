"""Trained support vector machines."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from semiser.card import Card, Classes
from semiser.data.scaling import Scaler
from semiser.prediction.loaded import Features, Loaded, Step
from semiser.systems.baselines.options import SvmOptions
from semiser.systems.baselines.svm import Machine
from semiser.training.saved import WEIGHTS, Saved, read_saved


class SvmCard(Card):
    """What the training says of a machine: feature column to the names of its values; columns that are not scaled."""

    system: Literal["baselines"]
    network: Literal["svm"]
    options: SvmOptions
    gamma: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    classes: Classes
    features: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    scaling: Literal["global", "speaker"]
    as_is: tuple[str, ...]


def load(folder: Path) -> Loaded:
    """The machine with its support vectors; columns that training took as they were, as one-hots, are not scaled."""
    saved = read_saved(folder, SvmCard)
    card, columns = saved.card, tuple(saved.card.features)
    ends = np.cumsum([len(values) for values in card.features.values()]).tolist()
    machine = _machine(saved, ends[-1])
    mean, std = (values.numpy() for values in saved.statistics((ends[-1],)))
    ranges = zip(columns, [0, *ends[:-1]], ends, strict=True)
    scaling = {
        column: Scaler(mean[first:end], std[first:end]) for column, first, end in ranges if column not in card.as_is
    }

    def predict(features: Features) -> np.ndarray:
        x = np.concatenate([np.concatenate(features[column]) for column in columns], axis=1)  # (N, D)
        return machine.scores(x, len(card.classes))

    return Loaded(card.classes, columns, (Step(scaling=scaling, by_speaker=card.scaling == "speaker"),), predict)


def _machine(saved: Saved[SvmCard], width: int) -> Machine:
    """The machine, whose arrays fit each other: S support vectors of `width` values, K of the card's classes."""
    card = saved.card
    vectors, classes = (saved.header.get(name, ("", ()))[1] for name in ("vectors", "classes"))
    count, known = (*vectors, 0)[0], (*classes, 0)[0]
    pairs = known * (known - 1) // 2
    shapes = {
        "vectors": (count, width),
        "coefficients": (max(known - 1, 0), count),
        "intercepts": (pairs,),
        "per_class": (known,),
        "classes": (known,),
    }
    arrays = {name: saved.tensor(name, shape).numpy() for name, shape in shapes.items()}
    numbers, per_class = arrays["classes"].tolist(), arrays["per_class"].tolist()
    if known < 2 or len({*numbers} & {*range(len(card.classes))}) != known or sum(per_class) != count:
        raise ValueError(f"{saved.folder / WEIGHTS}: its classes and support vectors are not those of one machine")
    return Machine(**arrays, kernel=card.options.kernel, gamma=card.gamma)
