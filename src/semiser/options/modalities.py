"""Which features are a modality: a vector per utterance, or what statistics over frames make one."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Literal

from semiser.options.families import DECLARED

Statistic = Literal["mean", "std", "min", "max", "median"]
SocialAttribute = Literal["query_topic", "accent"]

ATTRIBUTES: tuple[SocialAttribute, ...] = ("query_topic", "accent")
PAPERS = {"acoustic": "is10", "text": "word2vec"}  # what MMMD's paper calls them

MODALITY_FAMILIES = (*(name for name, family in DECLARED.items() if family.gives), "social")
MODALITIES = (*PAPERS, *MODALITY_FAMILIES)  # what a list of modalities may name
# Feature columns that are neither sound nor picture.
TEXTUAL = (*(name for name, family in DECLARED.items() if family.gives and family.group == "text"), *ATTRIBUTES)
# Families of frames of sound: a sequence per utterance.
FRAME_FAMILIES = tuple(
    name for name, family in DECLARED.items() if family.gives == "frames" and family.group == "audio"
)
# Families of sound that are segments of one size, or frames that segments are cut from.
SEGMENT_FAMILIES = tuple(
    name for name, family in DECLARED.items() if family.gives in ("segments", "frames") and family.group == "audio"
)
if TYPE_CHECKING:
    FrameFamily = str
    SegmentFamily = str
else:
    FrameFamily, SegmentFamily = Literal[FRAME_FAMILIES], Literal[SEGMENT_FAMILIES]


def feature_columns(modalities: Collection[str], social: Collection[SocialAttribute]) -> tuple[str, ...]:
    """The feature columns of modalities, in the order in which they stand side by side: sound, others, text, social.

    A family's column has its name.

    Raises:
        ValueError: a modality is none, or a family is named twice.
    """
    if unknown := [name for name in modalities if name not in MODALITIES]:
        raise ValueError(f"modalities names {unknown[0]}, which is none: there are {', '.join(MODALITIES)}")
    named = [PAPERS.get(name, name) for name in modalities if name != "social"]
    if doubled := {name for name in named if named.count(name) > 1}:
        raise ValueError(f"modalities names {', '.join(sorted(doubled))} twice: take one of {list(modalities)} out")
    attributes = [name for name in social if "social" in modalities]
    return tuple(sorted(named, key=lambda name: (name in TEXTUAL, name != "is10"))) + tuple(attributes)


def families_of(columns: Iterable[str]) -> tuple[str, ...]:
    """The families that have these feature columns."""
    return tuple(dict.fromkeys(family_of_column(column) for column in columns))


def family_of_column(column: str) -> str:
    """The family that has a feature column."""
    return "social" if column in ATTRIBUTES else column
