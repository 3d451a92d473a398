"""What the options of every feature family share."""

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
