"""Dictionary valence of transcripts: the sum behind AV-SpNET's proxy valence (Lu et al. 2018, Eq. 3)."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from semiser.features.family import Family, Source
from semiser.features.lexicons import Lexicon, read_lexicons, sentiment_value
from semiser.features.tokens import LIBRARIES, transcript_words
from semiser.options.text_features import ValenceOptions


def lexicon_sum(words: Sequence[str], lexicons: Mapping[str, Lexicon]) -> tuple[int, int]:
    """Sum of sentiment values over dictionaries and words, v_u = sum_i sum_j D^(i)_{w_{u,j}} (Eq. 3).

    Args:
        words: of one utterance, lower case, in simplified characters.
        lexicons: dictionaries by name.

    Returns:
        The sum, and the number of words that at least one dictionary knows.
    """
    values = [[sentiment_value(lexicon, word) for lexicon in lexicons.values()] for word in words]
    return sum(map(sum, values)), sum(map(any, values))


class Valence(Family[ValenceOptions]):
    """The `valence` table: one row per utterance, its dictionary sum and counts.

    Where a transcript has words and none is in a dictionary, the sum is 0, as Eq. 3 has it. Without a transcript, or
    with one that holds no word, the sum is null and `missing` says why: that is no valence of 0.
    """

    name = "valence"
    version = 1
    inputs = ("transcript", "language")
    pool = "threads"  # they share one THULAC: see `Word2Vec`
    libraries = LIBRARIES

    def __init__(self, options: ValenceOptions):
        """Read the dictionaries, as each worker does once; their words' hash becomes part of the fingerprint.

        Raises:
            BadLexicon: none is given, or one cannot be read.
            ValueError: `options.lexicons_sha256` names other dictionaries.
        """
        lexicons = read_lexicons(options)
        _check_hash(lexicons, options)
        super().__init__(options.model_copy(update={"lexicons_sha256": _sha256(lexicons)}))
        self.sizes = {name: len(lexicon) for name, lexicon in lexicons.items()}

    def fields(self) -> list[pa.Field]:
        meaning = "sum of +1 and -1 over dictionaries and words; null where missing"
        metadata = {"meaning": meaning, "dictionaries": json.dumps(self.sizes)}
        return [
            pa.field("valence_sum", pa.int32(), metadata=metadata),
            pa.field("matched_words", pa.int32(), metadata={"unit": "words that a dictionary knows"}),
            pa.field("words", pa.int32(), metadata={"unit": "words of the transcript"}),
            pa.field("missing", pa.string(), metadata={"meaning": "why there is no sum; null where there is one"}),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        words = transcript_words(source, lower_case=True)
        total, matched = lexicon_sum(words, _lexicons(self.options))
        yield {
            "valence_sum": total if words else None,
            "matched_words": matched,
            "words": len(words),
            "missing": None if words else _reason(source.row["transcript"]),
        }


@lru_cache(maxsize=2)
def _lexicons(options: ValenceOptions) -> dict[str, Lexicon]:
    """This process's dictionaries, which must still be those that the fingerprint names."""
    lexicons = read_lexicons(options)
    _check_hash(lexicons, options)
    return lexicons


def _sha256(lexicons: Mapping[str, Lexicon]) -> str:
    return hashlib.sha256(json.dumps(lexicons, sort_keys=True).encode()).hexdigest()


def _check_hash(lexicons: Mapping[str, Lexicon], options: ValenceOptions) -> None:
    found = _sha256(lexicons)
    if options.lexicons_sha256 not in (None, found):
        raise ValueError(
            f"features.valence: expected dictionaries with the hash {options.lexicons_sha256}, found {found} for "
            f"{', '.join(lexicons)}: give the files that lexicons_sha256 names or remove it, and run again"
        )


def _reason(transcript: str | None) -> str:
    return "the corpus gives no transcript" if transcript is None else "the transcript holds no word"
