"""Trained baselines; `mlp` is a network of MMMD's and loads as one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from semiser.card import Card, Classes
from semiser.data.scaling import Scaler
from semiser.prediction.loaded import Features, Loaded, Step
from semiser.systems.baselines.linear import Linear
from semiser.systems.baselines.neighbours import Neighbours
from semiser.systems.baselines.options import SvmOptions
from semiser.systems.baselines.svm import Machine
from semiser.training.saved import WEIGHTS, Saved, read_saved


class BaselineCard(Card):
    """What the training says of a baseline.

    Attributes:
        network: which kind it is.
        features: feature column to the names of its values.
        scaling: strategy.
        as_is: columns that are not scaled.
    """

    system: Literal["baselines"]
    network: Literal["svm", "linear", "neighbours"]
    options: dict[str, Any]
    classes: Classes
    features: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    scaling: Literal["global", "speaker"]
    as_is: tuple[str, ...]


class SvmCard(BaselineCard):
    """Of a machine, with the gamma that `scale` stood for."""

    network: Literal["svm"]
    options: SvmOptions  # type: ignore[assignment]
    gamma: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class NeighboursCard(BaselineCard):
    """Of neighbours, with how many are asked."""

    network: Literal["neighbours"]
    k: Annotated[int, Field(ge=1)]


def load(folder: Path) -> Loaded:
    """The model with its arrays; columns that training took as they were, as one-hots, are not scaled."""
    saved = read_saved(folder, BaselineCard)
    card, columns = saved.card, tuple(saved.card.features)
    ends = np.cumsum([len(values) for values in card.features.values()]).tolist()
    model = _MAKERS[card.network](folder, ends[-1])
    mean, std = (values.numpy() for values in saved.statistics((ends[-1],)))
    ranges = zip(columns, [0, *ends[:-1]], ends, strict=True)
    scaling = {
        column: Scaler(mean[first:end], std[first:end]) for column, first, end in ranges if column not in card.as_is
    }

    def predict(features: Features) -> np.ndarray:
        x = np.concatenate([np.concatenate(features[column]) for column in columns], axis=1)  # (N, D)
        return model.scores(x, len(card.classes))

    return Loaded(card.classes, columns, (Step(scaling=scaling, by_speaker=card.scaling == "speaker"),), predict)


def _machine(folder: Path, width: int) -> Machine:
    """The machine, whose arrays fit each other: S support vectors of `width` values, K of the card's classes."""
    saved = read_saved(folder, SvmCard)
    count, known = _rows(saved, "vectors"), _rows(saved, "classes")
    shapes = {
        "vectors": (count, width),
        "coefficients": (max(known - 1, 0), count),
        "intercepts": (known * (known - 1) // 2,),
        "per_class": (known,),
        "classes": (known,),
    }
    arrays = _arrays(saved, shapes)
    if not _are_classes(arrays["classes"], saved) or arrays["per_class"].sum() != count:
        raise ValueError(f"{folder / WEIGHTS}: its classes and support vectors are not those of one machine")
    return Machine(**arrays, kernel=saved.card.options.kernel, gamma=saved.card.gamma)


def _linear(folder: Path, width: int) -> Linear:
    """The classifier, whose arrays fit each other: K of the card's classes, `width` values."""
    saved = read_saved(folder, BaselineCard)
    known = _rows(saved, "classes")
    arrays = _arrays(saved, {"weights": (known, width), "intercepts": (known,), "classes": (known,)})
    if not _are_classes(arrays["classes"], saved):
        raise ValueError(f"{folder / WEIGHTS}: its classes are not those of the card")
    return Linear(**arrays)


def _neighbours(folder: Path, width: int) -> Neighbours:
    """The neighbours, M utterances of `width` values with their shares of the card's classes."""
    saved = read_saved(folder, NeighboursCard)
    count = _rows(saved, "x")
    arrays = _arrays(saved, {"x": (count, width), "shares": (count, len(saved.card.classes))})
    if not count or (arrays["shares"] < 0).any():
        raise ValueError(f"{folder / WEIGHTS}: neighbours without utterances, or with shares below 0")
    return Neighbours(**arrays, k=saved.card.k)


_MAKERS: Mapping[str, Callable[[Path, int], Machine | Linear | Neighbours]] = {
    "svm": _machine,
    "linear": _linear,
    "neighbours": _neighbours,
}


def _rows(saved: Saved[Any], name: str) -> int:
    return int((*saved.header.get(name, ("", ()))[1], 0)[0])


def _arrays(saved: Saved[Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    return {name: saved.tensor(name, shape).numpy() for name, shape in shapes.items()}


def _are_classes(numbers: np.ndarray, saved: Saved[Any]) -> bool:
    """Whether they are two or more of the card's classes, none twice."""
    return len(numbers) > 1 and len({*numbers.tolist()} & {*range(len(saved.card.classes))}) == len(numbers)
