"""What the options of every feature family share."""

from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from semiser.options.base import Options


class FamilyOptions(Options):
    """Options of a feature family. The two here change no value, so they are no part of a fingerprint.

    Attributes:
        corpora: corpora to extract from; None takes all.
        max_quarantined_share: the run stops when more than this share of a corpus's utterances cannot be used; None
            takes that of `features.shards`.
    """

    corpora: tuple[str, ...] | None = Field(default=None, exclude=True)
    max_quarantined_share: float | None = Field(default=None, ge=0, le=1, exclude=True)


Stored = Literal["float32", "float16"]
STORED: tuple[Stored, ...] = get_args(Stored)


class StoredOptions(Options):
    """How the matrices of a family lie in its shards.

    Attributes:
        stored: `float16` takes half the room; training reads float32 of either. A value beyond its range makes an
            utterance unusable. It is part of a fingerprint only where it is not `float32`.
    """

    stored: Stored = Field(default="float32", exclude_if=lambda stored: stored == "float32")


Group = Literal["audio", "text", "video"]
Gives = Literal["vector", "frames", "segments"]


@dataclass(frozen=True)
class Declared:
    """A feature family as all see it that do not compute it: pipelines, options, and systems that may read it.

    Attributes:
        name: of the family, its table, its column of features, and its options in `params:features`.
        made: its class (`semiser.features.family.Family`), or `<module>:<class>`, imported once it is computed.
        options: their model; their defaults are the family's.
        group: families of a group are computed in one pass: an utterance is decoded, or tracked, once for all.
        gives: of an utterance one `vector` of numbers; `frames`, a sequence or a matrix over time; or `segments`,
            several matrices. None: no numbers that say how it sounds, reads or looks, so no modality.
        lacks: an option that nobody but the user can give, and what belongs there; the family has no options, and
            cannot be extracted, until it is given.
    """

    name: str
    made: str | type
    options: type[FamilyOptions] = FamilyOptions
    group: Group = "audio"
    gives: Gives | None = "vector"
    lacks: str | None = None
