"""How much faster the textual functionals are than a loop of scipy and numpy calls over utterances.

    python benchmarks/word2vec.py [utterances]

Both give the same values (checked here); the ratio of one run is what counts.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats

from semiser.features.word2vec import utterance_functionals

VALUES = 300
LONGEST = 20  # words


def by_scipy(vectors: np.ndarray) -> np.ndarray:
    """The 14 functionals of one utterance by library calls, shape (words, 300) -> (4200,), in float64 as ours are."""
    vectors = vectors.astype(np.float64)
    first, second, third = np.quantile(vectors, [0.25, 0.5, 0.75], axis=0)
    std = vectors.std(axis=0)
    rows = [vectors.max(axis=0), vectors.min(axis=0), vectors.mean(axis=0), np.ptp(vectors, axis=0), std]
    rows += [std / np.abs(vectors).mean(axis=0), stats.kurtosis(vectors), stats.skew(vectors)]
    rows += [second - first, third - second, stats.iqr(vectors, axis=0), first, second, third]
    return np.concatenate(rows)


def loop(utterances: Sequence[np.ndarray]) -> np.ndarray:
    """The loop to beat."""
    return np.array([by_scipy(vectors) for vectors in utterances], np.float32)


def one_by_one(utterances: Sequence[np.ndarray]) -> np.ndarray:
    """As the family calls it: one utterance at a time."""
    return np.concatenate([utterance_functionals([vectors]) for vectors in utterances])


def in_shards(utterances: Sequence[np.ndarray]) -> np.ndarray:
    """A hundred utterances at a time."""
    starts = range(0, len(utterances), 100)
    return np.concatenate([utterance_functionals(utterances[start : start + 100]) for start in starts])


def measure(function: Callable, utterances: Sequence[np.ndarray]) -> tuple[float, np.ndarray]:
    """Milliseconds per utterance (best of three), and the result."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = function(utterances)
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds) / len(utterances), found


def main(count: int = 1000) -> None:
    """Print milliseconds per utterance and ratios."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, LONGEST + 1, count)
    utterances = [random.standard_normal((length, VALUES)).astype(np.float32) for length in lengths]
    slow, expected = measure(loop, utterances)
    print(f"loop of scipy calls: {slow:.3f} ms an utterance of 2 to {LONGEST} words, {VALUES} values each")
    for function in (one_by_one, in_shards):
        fast, found = measure(function, utterances)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
        print(f"{function.__name__}: {fast:.3f} ms, {slow / fast:.1f} times as fast")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
