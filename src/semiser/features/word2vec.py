"""Textual functionals: 14 statistics over the word vectors of an utterance, 4,200 values for vectors of 300.

Source: the textual feature of MMMD (Zhou et al. 2021), "the statistic functions (max, min, mean, range, std, disp,
kurtosis, skewness, iqr1-2/2-3/1-3, quartile1/2/3)" over word vectors.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.features.family import Family, Source
from semiser.features.tokens import LIBRARIES, transcript_words
from semiser.features.word_vectors import open_word_vectors, read_card
from semiser.options.text_features import Word2VecOptions

FUNCTIONALS = tuple(
    "max min mean range std disp kurtosis skewness iqr1-2 iqr2-3 iqr1-3 quartile1 quartile2 quartile3".split()
)


def functionals(vectors: np.ndarray) -> np.ndarray:
    """The 14 functionals of each dimension over the n words of utterances of equal length.

    With values x_1 .. x_n of one dimension, in the order of `FUNCTIONALS`:

    * max, min, mean, and range = max - min;
    * std = sqrt(m_2), where m_k = mean((x - mean)^k): the population's, so that one word has a value, 0;
    * disp = std / mean(|x|). The paper names it and does not define it. It is taken as the relative dispersion; the
      usual divisor, the mean, lies around 0 for word vectors and would let it explode, with the mean magnitude it
      stays within [0, sqrt(n - 1)];
    * kurtosis = m_4 / m_2^2 - 3 (excess), skewness = m_3 / m_2^1.5, of the population;
    * quartiles by linear interpolation (numpy's default); iqr1-2 = quartile2 - quartile1, iqr2-3, iqr1-3 likewise.

    Where all values are equal (one word among them), std, disp, kurtosis and skewness are 0.

    Args:
        vectors: shape (utterances, words, values), at least one word.

    Returns:
        float32 of shape (utterances, 14, values); an utterance's values do not depend on the others.
    """
    ordered = np.sort(vectors, axis=1).astype(np.float64)  # (U, n, D)
    smallest, largest = ordered[:, 0], ordered[:, -1]
    mean = ordered.mean(axis=1)
    std, kurtosis, skewness = _moments(ordered - mean[:, None])
    disp = _ratio(std, np.abs(ordered).mean(axis=1))
    first, second, third = (_quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    spreads = (second - first, third - second, third - first)
    values = (smallest, mean, largest - smallest, std, disp, kurtosis, skewness, *spreads, first, second, third)
    return np.stack((largest, *values), axis=1).astype(np.float32)


def utterance_functionals(utterances: Sequence[np.ndarray]) -> np.ndarray:
    """The functionals of utterances of any lengths; those of equal length are computed together.

    Args:
        utterances: word vectors of each, shape (words, values), at least one word.

    Returns:
        float32 of shape (utterances, 14 * values), functional by functional.
    """
    lengths = np.array([len(vectors) for vectors in utterances])
    found = np.empty((len(utterances), len(FUNCTIONALS) * utterances[0].shape[1]), np.float32)
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        batch = np.stack([utterances[int(place)] for place in places])  # (U, n, D)
        found[places] = functionals(batch).reshape(len(places), -1)  # (U, 14, D) -> (U, 14 * D)
    return found


def _moments(deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standard deviation, excess kurtosis and skewness from deviations of shape (U, n, D)."""
    squares = deviations * deviations
    second = squares.mean(axis=1)
    fourth = (squares * squares).mean(axis=1)
    squares *= deviations
    third = squares.mean(axis=1)
    std = np.sqrt(second)
    kurtosis = _ratio(fourth, second * second) - 3 * (second > 0)
    return std, kurtosis, _ratio(third, second * std)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _quantile(ordered: np.ndarray, share: float) -> np.ndarray:
    """Quantile of values in ascending order on axis 1, interpolated linearly."""
    place = share * (ordered.shape[1] - 1)
    below = int(place)
    above = min(below + 1, ordered.shape[1] - 1)
    return ordered[:, below] + (place - below) * (ordered[:, above] - ordered[:, below])


class Word2Vec(Family[Word2VecOptions]):
    """The `word2vec` table: one row per utterance, the functionals, and how many of its words have a vector.

    Unknown words are skipped. An utterance without a known word, or without a transcript, is a row of zeros with
    `no_known_word` set: text is a modality that may be missing, not a fault that quarantines an utterance.
    """

    name = "word2vec"
    version = 1
    inputs = ("transcript", "language")
    # Threads share one THULAC (770 MB) and, on two cores, were as fast as processes on 20,000 utterances (1,080 and
    # 1,289 a second), twice as fast on 2,000.
    pool = "threads"
    libraries = ("numpy", *LIBRARIES)

    def __init__(self, options: Word2VecOptions, vectors: str | Path):
        """Take the options and the file of `make_word_vectors`, whose hash becomes part of the fingerprint.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: `options.vectors_sha256` names other vectors.
        """
        card = read_card(vectors)
        if card is None:
            raise FileNotFoundError(f"no word vectors at {vectors}: `kedro run --pipelines=features` makes them")
        if options.vectors_sha256 not in (None, card["sha256"]):
            raise ValueError(
                f"features.word2vec.vectors_sha256 is {options.vectors_sha256}, but the vectors at {vectors} "
                f"({card['origin']}) have {card['sha256']}: remove the option or give the vectors that it names"
            )
        super().__init__(options.model_copy(update={"vectors_sha256": card["sha256"]}))
        self.vectors, self.vector_size, self.origin = str(vectors), card["vector_size"], card["origin"]

    def fields(self) -> list[pa.Field]:
        size = self.vector_size
        names = [f"{functional}_{dimension:03d}" for functional in FUNCTIONALS for dimension in range(size)]
        metadata = {"names": json.dumps(names), "unit": "as the word vectors", "vectors": self.origin}
        return [
            pa.field("word2vec", pa.list_(pa.float32(), len(names)), metadata=metadata),
            pa.field("words", pa.int32(), metadata={"unit": "words of the transcript"}),
            pa.field("known_words", pa.int32(), metadata={"unit": "words that have a vector"}),
            pa.field("no_known_word", pa.bool_(), metadata={"meaning": "word2vec is all zeros"}),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        words = transcript_words(source, self.options.lower_case)
        known = open_word_vectors(self.vectors, self.options.vectors_sha256).of_known(words)
        zeros = np.zeros(len(FUNCTIONALS) * self.vector_size, np.float32)
        yield {
            "word2vec": utterance_functionals([known])[0] if len(known) else zeros,
            "words": len(words),
            "known_words": len(known),
            "no_known_word": not len(known),
        }
