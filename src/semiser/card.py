"""The card of a trained network, typed: what it must say before it is trusted.

`semiser.training.saved` reads and writes it; a system's own card is a subclass that lies beside what it describes.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from semiser.options.modalities import Statistic


def distinct(names: Sequence[str]) -> Sequence[str]:
    """The names, of which none stands there twice."""
    if double := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{double[0]!r} stands there twice")
    return names


def _inside(place: str) -> str:
    if Path(place).is_absolute() or not re.fullmatch(r"[^\\\0]+", place) or {"..", ""} & set(place.split("/")):
        raise ValueError(f"{place!r} is no path inside the folder of models")
    return place


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Classes = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...],
    Field(min_length=1, max_length=10_000),
    AfterValidator(distinct),
]
Inside = Annotated[str, Field(max_length=1000), AfterValidator(_inside)]  # relative, without `..`


class Pooling(BaseModel):
    """How frames or matrices became one vector per utterance (`semiser.data.pooling`)."""

    model_config = ConfigDict(frozen=True)
    statistics: Annotated[tuple[Statistic, ...], Field(min_length=1)]
    time_axis: Literal[0, 1]


class MadeBy(BaseModel):
    """The family that made a feature column in training."""

    model_config = ConfigDict(frozen=True)
    family: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
    version: Annotated[int, Field(ge=0, le=1_000_000)]
    options: dict[str, Any]
    libraries: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")], str] = {}
    pooling: Pooling | None = None


class Card(BaseModel):
    """What every trained network says of itself; systems add their own in a subclass.

    Attributes:
        system: whose network it is.
        weights_sha256: of the file of weights beside the card.
        seed: of the training.
        key: fingerprint of data, options and seed.
        classes: names in the order of the outputs, where the network has classes.
        families: feature column to what made it, as `MadeBy`, which who predicts asks for.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    system: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
    weights_sha256: Sha256
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    key: str
    classes: Classes | None = None
    families: dict[str, dict[str, Any]] = {}
