"""Social attributes as one-hot vectors: query topic and location or accent.

Source: the social feature of MMMD (Zhou et al. 2021): "7 query topic types" and "user query locations as the accent
features". The paper does not list its locations: they are an option.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.features.family import Family, Source
from semiser.options.text_features import SocialOptions

OTHER = "Other"
TOPICS = ("Chat", "Consultation", "Joke", "Entertainment", "Operation", "Search", OTHER)


def one_hot(value: str | None, vocabulary: Sequence[str]) -> np.ndarray:
    """One-hot vector of a word.

    Args:
        value: the word; case and surrounding blanks do not matter. A word beyond the vocabulary counts as `Other`;
            None or blank, which means not known, is all zeros.
        vocabulary: the words, `Other` among them.

    Returns:
        float32 of shape (vocabulary,).
    """
    encoded = np.zeros(len(vocabulary), np.float32)
    if value and value.strip():
        places = {word.casefold(): place for place, word in enumerate(vocabulary)}
        encoded[places.get(value.strip().casefold(), places[OTHER.casefold()])] = 1
    return encoded


def accent_vocabulary(accents: Sequence[str]) -> tuple[str, ...]:
    """The accents of the options, and `Other` behind them.

    Raises:
        ValueError: an accent occurs twice (case does not matter), or is blank.
    """
    vocabulary = [accent.strip() for accent in accents if accent.strip().casefold() != OTHER.casefold()]
    if not all(vocabulary) or len({accent.casefold() for accent in vocabulary}) != len(vocabulary):
        raise ValueError(f"features.social.accents must be different words without regard to case, found {accents}")
    return (*vocabulary, OTHER)


class Social(Family[SocialOptions]):
    """The `social` table: one row per utterance, a one-hot vector and a flag for the topic and for the accent.

    An attribute that is not known is all zeros, with its flag set.
    """

    name = "social"
    version = 1
    inputs = ("query_topic", "accent")
    pool = "threads"  # a lookup: starting a process would cost more

    def fields(self) -> list[pa.Field]:
        columns = {"query_topic": TOPICS, "accent": accent_vocabulary(self.options.accents)}
        return [field for name, vocabulary in columns.items() for field in _fields(name, vocabulary)]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        topic = one_hot(source.row["query_topic"], TOPICS)
        accent = one_hot(source.row["accent"], accent_vocabulary(self.options.accents))
        yield {"query_topic": topic, "no_query_topic": not topic.any(), "accent": accent, "no_accent": not accent.any()}


def _fields(name: str, vocabulary: Sequence[str]) -> list[pa.Field]:
    metadata = {"names": json.dumps([f"{name}_{word}" for word in vocabulary]), "unit": "one-hot, 0 or 1"}
    return [
        pa.field(name, pa.list_(pa.float32(), len(vocabulary)), metadata=metadata),
        pa.field(f"no_{name}", pa.bool_(), metadata={"meaning": f"{name} is not known and all zeros"}),
    ]
