"""How much faster the paired tests of many variants are than pair by pair, exchange by exchange.

    python benchmarks/paired_tests.py [variants] [speakers] [folds]

The reference exchanges speakers in one confusion matrix per fold after the other, and asks scikit-learn for the
balanced accuracy; on a few pairs and exchanges, for it is slow. Both give the same p from the same exchanges (checked
here).
"""

import os
import sys
import time
from itertools import combinations

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from semiser.evaluation.metrics import Margins, average_figures, margins
from semiser.evaluation.significance import ClusteredSums, clustered_counts, compare_pairs, enough_exchanges

UTTERANCES, CLASSES = 2474, 5
FEW = 200  # exchanges of the reference


def figures(sums: np.ndarray) -> np.ndarray:
    """The five averages of flattened margins, (..., 3 C) -> (..., 5)."""
    found = average_figures(Margins(*np.split(sums, 3, axis=-1)))
    return np.moveaxis(np.stack(list(found.values())), 0, -1)


def sums_of(fold: np.ndarray, speaker: np.ndarray, target: np.ndarray, prediction: np.ndarray) -> ClusteredSums:
    """Margins of every speaker's confusion matrix in every fold."""
    counts = clustered_counts(fold, speaker, target * CLASSES + prediction, CLASSES**2)
    parts = margins(counts.sums.reshape(-1, CLASSES, CLASSES))
    return ClusteredSums(counts.cell, counts.cluster, np.concatenate(parts, axis=-1), counts.n_cells, counts.n_clusters)


def plainly(fold: np.ndarray, speaker: np.ndarray, target: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """p of a - b in UAR, one exchange after the other."""

    def difference(first: np.ndarray, second: np.ndarray) -> float:
        scores = [
            balanced_accuracy_score(target[own], first[own]) - balanced_accuracy_score(target[own], second[own])
            for own in (fold == number for number in np.unique(fold))
        ]
        return float(np.mean(scores))

    observed, as_large = abs(difference(a, b)), 0
    for pattern in np.random.default_rng([0, 1]).integers(2, size=(FEW, speaker.max() + 1)):
        swapped = pattern[speaker] == 1
        as_large += abs(difference(np.where(swapped, b, a), np.where(swapped, a, b))) >= observed - 1e-12
    return (as_large + 1) / (FEW + 1)


def main(variants: int = 24, speakers: int = 65, folds: int = 10) -> None:
    """Time both."""
    random = np.random.default_rng(0)
    speaker, target = random.integers(0, speakers, UTTERANCES), random.integers(0, CLASSES, UTTERANCES)
    fold = speaker % folds
    predictions = {
        f"v{number}": np.where(
            random.random(UTTERANCES) < 0.6 + 0.01 * number, target, random.integers(0, CLASSES, UTTERANCES)
        )
        for number in range(variants)
    }
    sums = {name: sums_of(fold, speaker, target, values) for name, values in predictions.items()}
    pairs = list(combinations(predictions, 2))
    few = pairs[:2]
    start = time.process_time()
    by_reference = [plainly(fold, speaker, target, predictions[a], predictions[b]) for a, b in few]
    reference = (time.process_time() - start) / len(few) / FEW
    ours = compare_pairs(sums, few, figures, exchanges=FEW)
    np.testing.assert_allclose([ours[pair].p[0] for pair in few], by_reference)

    exchanges = enough_exchanges(len(pairs))
    start = time.process_time()
    found = compare_pairs(sums, pairs, figures, exchanges=exchanges)
    seconds = time.process_time() - start
    reached = sum(comparison.p[0] * len(pairs) < 0.05 for comparison in found.values())
    print(f"{variants} variants, {len(pairs)} pairs, {speakers} speakers in {folds} folds, {exchanges:,} exchanges")
    print(f"ours: {seconds:.1f} s of processor time for five figures, bootstrap included")
    print(f"reference, scikit-learn exchange by exchange: {1e3 * reference:.2f} ms an exchange for one figure")
    print(f"ratio for all pairs and exchanges: {reference * len(pairs) * exchanges / seconds:,.0f} x as fast")
    print(f"pairs whose p times {len(pairs)} is below 0.05: {reached}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
