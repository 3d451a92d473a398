"""Intervals and paired tests: against enumeration, scipy, and speakers whose answer is known."""

import time
from itertools import product

import numpy as np
import pytest
from scipy import stats

from semiser.evaluation.metrics import classification_figures, confusion_cells, margins, uar, wa
from semiser.evaluation.significance import (
    _weighted_means,
    bootstrap_interval,
    clustered_counts,
    compare,
    compare_pairs,
    enough_exchanges,
    holm,
    smallest_p,
)


def figures(sums: np.ndarray) -> np.ndarray:
    """Accuracy and UAR of two classes."""
    confusion = sums.reshape(*sums.shape[:-1], 2, 2)
    return np.stack([wa(confusion), uar(confusion)], axis=-1)


def sums_of(right: list[list[int]], cell: list[int] | None = None):
    """Each list is a speaker's utterances, 1 where the prediction is right; targets alternate between two classes."""
    target = np.concatenate([np.arange(len(part)) % 2 for part in right])
    hit = np.concatenate(right)
    speaker = np.repeat(np.arange(len(right)), [len(part) for part in right])
    cells = np.zeros_like(speaker) if cell is None else np.asarray(cell)[speaker]
    return clustered_counts(cells, speaker, confusion_cells(target, np.where(hit, target, 1 - target), 2), 4)


def test_interval_matches_all_resamples_of_three_speakers():
    data = sums_of([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 1]])  # accuracies 1, 0.5, 0.25
    means = [np.mean([(1, 0.5, 0.25)[place] for place in drawn]) for drawn in product(range(3), repeat=3)]
    low, high = bootstrap_interval(data, figures, resamples=20_000)[0]
    assert (low, high) == pytest.approx((min(means), max(means)))  # either end has a probability of 1 / 27


def test_folds_that_are_speakers_are_resampled_with_their_figures():
    # Accuracies 1, 0.5 and 0.25, the last of a speaker with twenty times the others' utterances.
    right = [[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 1] * 20]
    apart = bootstrap_interval(sums_of(right, [0, 1, 2]), figures, 3000, seed=2)
    equal = bootstrap_interval(sums_of([right[0], right[1], right[2][:4]]), figures, 3000, seed=2)
    np.testing.assert_allclose(apart[0], equal[0])  # in a mean over folds the long one weighs no more
    drawn = np.array([[1, 1, 1], [2, 1, 0], [0, 3, 0]], dtype=float)
    means = _weighted_means(sums_of(right, [0, 1, 2]), figures, drawn)[:, 0]
    np.testing.assert_allclose(means, [1.75 / 3, 2.5 / 3, 0.5])
    pooled = _weighted_means(sums_of(right), figures, drawn)[:, 0]
    np.testing.assert_allclose(pooled, [26 / 88, 10 / 12, 0.5])


def test_interval_holds_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    inside = 0
    for trial in range(200):
        skill = np.clip(random.normal(0.6, 0.1, 30), 0, 1)
        data = sums_of([list((random.random(20) < level).astype(int)) for level in skill])
        low, high = bootstrap_interval(data, figures, resamples=400, seed=trial)[0]
        inside += low <= 0.6 <= high
    assert 0.89 <= inside / 200 <= 0.99


def test_same_seed_same_interval_and_blocks_change_nothing(monkeypatch):
    data = sums_of([[1, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 1]])
    first = bootstrap_interval(data, figures, 300, seed=7)
    assert np.array_equal(first, bootstrap_interval(data, figures, 300, seed=7))
    monkeypatch.setattr("semiser.evaluation.significance.WEIGHTS_AT_ONCE", 40)
    assert np.array_equal(first, bootstrap_interval(data, figures, 300, seed=7))


def test_swap_test_of_six_speakers_reaches_its_smallest_p():
    better, worse = sums_of([[1, 1, 1, 0]] * 6), sums_of([[1, 0, 0, 0]] * 6)
    result = compare(better, worse, figures)
    assert result.test == "swap"
    assert result.difference[0] == pytest.approx(0.5)
    assert result.p[0] == 2 / 2**6  # only no exchange and all exchanged are as large
    assert result.ci95[0].tolist() == [0.5, 0.5]


def test_swap_test_agrees_with_scipy_where_folds_are_speakers():
    random = np.random.default_rng(3)
    right = [[list(row) for row in random.integers(0, 2, (8, 12))] for _ in range(2)]
    a, b = (sums_of(part, list(range(8))) for part in right)
    first, second = (np.mean(part, axis=1) for part in right)
    expected = stats.permutation_test(
        (first, second), lambda x, y, axis: np.mean(x - y, axis), permutation_type="samples", vectorized=True
    )
    result = compare(a, b, figures)
    assert result.difference[0] == pytest.approx(expected.statistic)
    assert result.p[0] == pytest.approx(expected.pvalue)


def test_many_speakers_use_random_swaps_and_keep_the_level():
    random = np.random.default_rng(4)
    p = []
    for trial in range(100):
        right = random.random((2, 14, 10)) < random.normal(0.5, 0.15, (1, 14, 1))
        a, b = (sums_of([list(row.astype(int)) for row in part]) for part in right)
        p.append(compare(a, b, figures, resamples=200, seed=trial).p[0])
    assert min(p) >= 1 / 201
    assert np.mean(np.array(p) < 0.05) <= 0.12
    assert np.mean(p) == pytest.approx(0.5, abs=0.15)


def test_pairs_tested_together_are_what_they_are_alone():
    random = np.random.default_rng(5)
    data = {
        name: sums_of([list(row) for row in random.integers(0, 2, (13, 6))], [n % 3 for n in range(13)])
        for name in "abc"
    }
    pairs = [("b", "a"), ("c", "a"), ("b", "c")]
    together = compare_pairs(data, pairs, figures, seed=3)
    for a, b in pairs:
        alone = compare(data[a], data[b], figures, seed=3)
        assert together[a, b].p.tolist() == alone.p.tolist()
        assert together[a, b].ci95.tolist() == alone.ci95.tolist()
        assert together[a, b].difference.tolist() == alone.difference.tolist()


def test_random_exchanges_by_hand():
    # Twelve speakers of two utterances; a is right in one more of the first three speakers, b of the fourth. Whatever
    # the others are exchanged for, the difference is that of four signs: (3 - 1) / 24 is reached by 10 of 16 patterns.
    a = sums_of([[1, 0]] * 3 + [[0, 0]] + [[1, 1]] * 8)
    b = sums_of([[0, 0]] * 3 + [[1, 0]] + [[1, 1]] * 8)
    result = compare(a, b, figures)
    assert result.difference[0] == pytest.approx(2 / 24)
    patterns = np.random.default_rng([0, 1]).integers(2, size=(2000, 12))[:, :4]
    signs = np.where(patterns == 1, -1, 1) * [1, 1, 1, -1]
    assert result.p[0] == (np.sum(np.abs(signs.sum(axis=1)) >= 2) + 1) / 2001
    assert result.p[0] == pytest.approx(10 / 16, abs=0.04)


def test_many_pairs_have_exchanges_enough_for_holms_correction():
    assert enough_exchanges(1) == enough_exchanges(50) == 2000
    assert enough_exchanges(276) == 11_040
    rest = {str(number): 1.0 for number in range(275)}
    assert holm({"best": 1 / 2001, **rest})["best"] > 0.05
    assert holm({"best": smallest_p(65, 11_040), **rest})["best"] == pytest.approx(0.025, rel=1e-3)
    assert smallest_p(4, 2000) == 0  # t
    assert smallest_p(6, 2000) == 2 / 64
    assert smallest_p(11, 9000) == 2 / 2048
    assert smallest_p(12, 9000) == 1 / 9001


def test_more_exchanges_tell_small_p_apart_and_leave_the_others():
    better, worse = sums_of([[1, 1, 1, 0]] * 30), sums_of([[1, 0, 0, 0]] * 30)
    alike = sums_of([[1, 1, 0, 0]] * 15 + [[0, 0, 0, 0]] * 15)
    data, pairs = {"better": better, "worse": worse, "alike": alike}, [("better", "worse"), ("alike", "worse")]
    few, many = (compare_pairs(data, pairs, figures, exchanges=number) for number in (2000, 5000))
    assert (few[pairs[0]].p[0], many[pairs[0]].p[0]) == (1 / 2001, 1 / 5001)
    assert few[pairs[1]].p[0] == many[pairs[1]].p[0] > 0.01


def test_four_speakers_use_a_t_test_on_their_own_figures():
    right = [[[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 1], [1, 1, 1, 1]], [[1, 0, 0, 0]] * 3 + [[1, 1, 0, 0]]]
    result = compare(*(sums_of(part, [0, 1, 2, 3]) for part in right), figures)
    expected = stats.ttest_rel(*(np.mean(part, axis=1) for part in right))
    assert result.test == "t"
    assert result.p[0] == pytest.approx(expected.pvalue)
    assert result.p[0] < 0.05
    assert result.difference[0] == pytest.approx(0.875 - 0.3125)


def test_no_difference_at_all_is_p_one_and_one_same_difference_is_not_defined():
    a, b = sums_of([[1, 1], [1, 0]]), sums_of([[1, 0], [0, 0]])
    assert compare(a, a, figures).p.tolist() == [1, 1]
    assert np.isnan(compare(a, b, figures).p[0])
    six = sums_of([[1, 0]] * 6)
    assert compare(six, six, figures).p.tolist() == [1, 1]


def test_comparison_needs_the_same_speakers():
    with pytest.raises(ValueError, match="same folds, seeds and speakers"):
        compare(sums_of([[1, 1]]), sums_of([[1], [1]]), figures)


def test_two_thousand_resamples_of_five_thousand_utterances_take_well_under_a_second():
    random = np.random.default_rng(0)
    speaker, fold = random.integers(0, 40, 5000), random.integers(0, 5, 5000)
    data = clustered_counts(fold, speaker, random.integers(0, 49, 5000), 49)
    names = [str(place) for place in range(7)]

    def all_figures(sums: np.ndarray) -> np.ndarray:
        confusion = sums.reshape(*sums.shape[:-1], 7, 7)
        return np.stack(list(classification_figures(margins(confusion), names).values()), axis=-1)

    start = time.process_time()
    assert bootstrap_interval(data, all_figures).shape == (26, 2)
    assert time.process_time() - start < 1.0
