"""Figures of merit against scikit-learn, and by hand where classes are absent."""

import numpy as np
import pytest
from sklearn import metrics as reference

from semiser.evaluation.metrics import (
    ccc,
    ccc_of_moments,
    classification_figures,
    confusion_matrix,
    margins,
    moments,
    precision,
    recall,
)

CLASSES = ["anger", "joy", "fear", "calm"]


@pytest.mark.parametrize(("seed", "used"), [(0, 4), (1, 4), (2, 3), (3, 2)])
@pytest.mark.filterwarnings("ignore")  # scikit-learn warns where a class is only predicted
def test_figures_agree_with_scikit_learn(seed, used):
    random = np.random.default_rng(seed)
    target, prediction = random.integers(0, used, 60), random.integers(0, 4, 60)
    confusion = confusion_matrix(target, prediction, 4)
    assert np.array_equal(confusion, reference.confusion_matrix(target, prediction, labels=range(4)))
    figures = classification_figures(margins(confusion), CLASSES)
    mean_precision = reference.precision_score(target, prediction, average="macro", zero_division=0)
    expected = {
        "uar": reference.balanced_accuracy_score(target, prediction),
        "wa": reference.accuracy_score(target, prediction),
        "macro_f1": reference.f1_score(target, prediction, average="macro", zero_division=0),
        "weighted_f1": reference.f1_score(target, prediction, average="weighted", zero_division=0),
    }
    both = expected["uar"] + mean_precision
    expected["macro_f1_uar_map"] = 2 * expected["uar"] * mean_precision / both
    for name, value in expected.items():
        assert figures[name] == pytest.approx(value), name
    each = reference.precision_recall_fscore_support(target, prediction, labels=range(4), zero_division=0)
    for place, label in enumerate(CLASSES):
        for name, values in zip(("precision", "recall", "f1"), each[:3], strict=True):
            if not np.isnan(figures[f"{name}/{label}"]):
                assert figures[f"{name}/{label}"] == pytest.approx(values[place])


def test_absent_classes_by_hand():
    # anger: 2 of 3 right, one taken for fear; joy: its one utterance taken for anger; fear and calm are no target.
    confusion = confusion_matrix([0, 0, 0, 1], [0, 0, 2, 0], 4)
    figures = classification_figures(margins(confusion), CLASSES)
    assert figures["uar"] == pytest.approx((2 / 3 + 0) / 2)
    assert figures["wa"] == 0.5
    assert figures["macro_f1"] == pytest.approx((4 / 6 + 0 + 0) / 3)  # fear counts: it was predicted
    assert figures["weighted_f1"] == pytest.approx(3 / 4 * 4 / 6)
    mean_precision = (2 / 3 + 0 + 0) / 3
    assert figures["macro_f1_uar_map"] == pytest.approx(2 / 3 * mean_precision / (1 / 3 + mean_precision))
    np.testing.assert_allclose(recall(confusion), [2 / 3, 0, np.nan, np.nan])
    np.testing.assert_allclose(precision(confusion), [2 / 3, 0, 0, np.nan])
    assert np.isnan(figures["f1/calm"]) and figures["f1/fear"] == 0


def test_nothing_right_is_zero_and_nothing_at_all_is_nan():
    assert classification_figures(margins(np.array([[0, 1], [1, 0]])), ["a", "b"])["macro_f1_uar_map"] == 0
    empty = classification_figures(margins(np.zeros((2, 2))), ["a", "b"])
    assert all(np.isnan(value) for value in empty.values())


def test_leading_axes_give_each_matrix_its_own_figures():
    stack = np.random.default_rng(0).integers(0, 9, (3, 5, 4, 4))
    together = classification_figures(margins(stack), CLASSES)
    alone = classification_figures(margins(stack[2, 1]), CLASSES)
    for name, value in alone.items():
        assert together[name].shape == (3, 5)
        assert together[name][2, 1] == pytest.approx(value)


def test_classes_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"prediction must be classes in \[0, 2\), found 0 to 2"):
        confusion_matrix([0, 1], [0, 2], 2)
    with pytest.raises(ValueError, match="one length"):
        confusion_matrix([0, 1], [0], 2)


def test_ccc_by_hand():
    # x = 1, 2, 3: mean 2, variance 2/3. y = 2, 2, 5: mean 3, variance 2. Covariance (-1 * -1 + 0 + 1 * 2) / 3 = 1.
    assert ccc([1, 2, 3], [2, 2, 5]) == pytest.approx(2 * 1 / (2 / 3 + 2 + 1))
    assert ccc([1, 2, 3], [1, 2, 3]) == pytest.approx(1)
    assert ccc([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert ccc([1, 2, 3], [2, 2, 2]) == 0
    assert np.isnan(ccc([2, 2], [2, 2]))
    assert ccc([1e6 + 1, 1e6 + 2, 1e6 + 3], [1e6 + 2, 1e6 + 2, 1e6 + 5]) == pytest.approx(6 / 11)


def test_moments_add_up_over_parts():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    parts = np.stack([moments(x[:10], y[:10]).sum(axis=0), moments(x[10:], y[10:]).sum(axis=0)])
    assert float(ccc_of_moments(parts.sum(axis=0))) == pytest.approx(ccc(x, y))
