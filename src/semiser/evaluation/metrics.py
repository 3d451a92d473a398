"""Figures of merit, all from sums over utterances: confusion matrices, and moments for the concordance.

Every function takes leading axes, so that thousands of resampled test sets are one call. Classes that are absent:

* UAR averages the recall over the classes present in the targets (scikit-learn's `balanced_accuracy_score`).
* Macro F1 and the mean precision average over the classes present in targets or predictions (scikit-learn's default
  labels). A class that is present but never predicted has precision 0 and F1 0.
* A class's own recall is NaN where it is no target; its precision and F1 are NaN where it is neither target nor
  predicted. A matrix without utterances gives NaN.
"""

import numpy as np

AVERAGES = ("uar", "wa", "macro_f1", "weighted_f1", "macro_f1_uar_map")


def confusion_matrix(target: np.ndarray, prediction: np.ndarray, n_classes: int) -> np.ndarray:
    """Counts of utterances by target (rows) and prediction (columns).

    Args:
        target: (N,) integer classes in [0, n_classes).
        prediction: (N,) likewise.
        n_classes: C.

    Returns:
        (C, C) int64.

    Raises:
        ValueError: the lengths differ or a class is out of range.
    """
    cells = confusion_cells(target, prediction, n_classes)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def confusion_cells(target: np.ndarray, prediction: np.ndarray, n_classes: int) -> np.ndarray:
    """The place of each utterance in the flattened confusion matrix: target * C + prediction, (N,) int64."""
    target, prediction = np.asarray(target, dtype=np.int64), np.asarray(prediction, dtype=np.int64)
    if target.shape != prediction.shape:
        raise ValueError(f"targets and predictions must have one length, not {target.shape} and {prediction.shape}")
    for name, values in (("target", target), ("prediction", prediction)):
        if len(values) and not 0 <= values.min() <= values.max() < n_classes:
            raise ValueError(
                f"{name} must be classes in [0, {n_classes}), found {int(values.min())} to {int(values.max())}"
            )
    return target * n_classes + prediction


def recall(confusion: np.ndarray) -> np.ndarray:
    """Recall of each class, (..., C, C) -> (..., C); NaN where the class is no target."""
    return _ratio(_hits(confusion), confusion.sum(axis=-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Precision of each class, (..., C, C) -> (..., C); 0 for a target never predicted, NaN for an absent class."""
    targets, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return np.where(targets + predicted > 0, np.nan_to_num(_ratio(_hits(confusion), predicted)), np.nan)


def f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, 2 * hits / (targets + predicted), (..., C, C) -> (..., C); NaN for an absent class."""
    return _ratio(2 * _hits(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall over the classes present in the targets, (..., C, C) -> (...)."""
    return mean_of_known(recall(confusion))


def wa(confusion: np.ndarray) -> np.ndarray:
    """Weighted accuracy: the share of utterances that are right, (..., C, C) -> (...)."""
    return _ratio(_hits(confusion).sum(axis=-1), confusion.sum(axis=(-1, -2)))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 over the classes present in targets or predictions, (..., C, C) -> (...)."""
    return mean_of_known(f1(confusion))


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 weighted by the number of targets of each class, (..., C, C) -> (...)."""
    targets = confusion.sum(axis=-1)
    return _ratio((np.nan_to_num(f1(confusion)) * targets).sum(axis=-1), targets.sum(axis=-1))


def macro_f1_uar_map(confusion: np.ndarray) -> np.ndarray:
    """2 * UAR * MAP / (UAR + MAP), MAP being the mean precision (MSSGAN, ACII 2019, section IV-C), 0 where both are 0.

    The paper's printed formula has a further factor 1 / n, which its figures do not have.

    Shape:
        (..., C, C) -> (...)
    """
    mean_recall, mean_precision = uar(confusion), mean_of_known(precision(confusion))
    total = mean_recall + mean_precision
    return np.where(total == 0, 0.0, _ratio(2 * mean_recall * mean_precision, total))


def classification_figures(confusion: np.ndarray, classes: list[str]) -> dict[str, np.ndarray]:
    """All figures of a confusion matrix under their names in metrics.json.

    Args:
        confusion: (..., C, C).
        classes: C names.

    Returns:
        `uar`, `wa`, `macro_f1`, `weighted_f1`, `macro_f1_uar_map`, then `f1/<class>`, `precision/<class>` and
        `recall/<class>`, each (...).
    """
    averages = (uar, wa, macro_f1, weighted_f1, macro_f1_uar_map)
    figures = {name: function(confusion) for name, function in zip(AVERAGES, averages, strict=True)}
    for name, function in (("f1", f1), ("precision", precision), ("recall", recall)):
        values = function(confusion)
        figures |= {f"{name}/{label}": values[..., place] for place, label in enumerate(classes)}
    return figures


def moments(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """What the concordance needs of each value, to be summed: 1, x, y, x^2, y^2, xy, (N,) -> (N, 6) float64."""
    x, y = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)


def ccc_of_moments(sums: np.ndarray) -> np.ndarray:
    """Concordance correlation coefficient of summed `moments`, (..., 6) -> (...); see `ccc`."""
    n = sums[..., 0]
    x, y, xx, yy, xy = (_ratio(sums[..., place], n) for place in range(1, 6))
    spread = np.maximum(xx - x * x, 0) + np.maximum(yy - y * y, 0)
    return _ratio(2 * (xy - x * y), spread + np.square(x - y))


def ccc(target: np.ndarray, prediction: np.ndarray) -> float:
    """Concordance correlation coefficient (Lin 1989), with population moments.

    2 * cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2); NaN where both are constant and equal, or empty.

    Args:
        target: (N,) values.
        prediction: (N,) values.
    """
    target, prediction = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    centre = target.mean() if len(target) else 0.0  # the same shift of both changes nothing but the rounding
    return float(ccc_of_moments(moments(target - centre, prediction - centre).sum(axis=0)))


def _hits(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0, without a warning."""
    part, whole = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)


def mean_of_known(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over an axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis))
