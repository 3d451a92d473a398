"""What a model's card says of its features: how they were scaled, and which families made them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """Of the data of a fold.

    Attributes:
        scaling: strategy, and means and standard deviations that a new utterance must be scaled with.
        families: feature column to the family that computes it for a new utterance: name, version, options.
    """

    scaling: Mapping[str, Any] = field(default_factory=dict)
    families: Mapping[str, Any] = field(default_factory=dict)
