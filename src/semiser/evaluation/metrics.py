"""Figures of merit, all from sums over utterances: confusion matrices, and moments for the concordance.

Every function takes leading axes, so that thousands of resampled test sets are one call: fastest where it is a
leading axis that is contiguous in memory. Classes that are absent:

* UAR averages the recall over the classes present in the targets (scikit-learn's `balanced_accuracy_score`).
* Macro F1 and the mean precision average over the classes present in targets or predictions (scikit-learn's default
  labels). A class that is present but never predicted has precision 0 and F1 0.
* A class's own recall is NaN where it is no target; its precision and F1 are NaN where it is neither target nor
  predicted. A matrix without utterances gives NaN.
"""

from typing import NamedTuple

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


class Margins(NamedTuple):
    """What all figures of a confusion matrix are made of, each (..., C).

    Attributes:
        hits: utterances of the class that were predicted as such.
        targets: utterances of the class.
        predicted: utterances that were predicted as the class.
    """

    hits: np.ndarray
    targets: np.ndarray
    predicted: np.ndarray


def margins(confusion: np.ndarray) -> Margins:
    """Diagonal and sums of the rows and columns, (..., C, C) -> three of (..., C)."""
    return Margins(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1), confusion.sum(axis=-2))


def recall(confusion: np.ndarray) -> np.ndarray:
    """Recall of each class, (..., C, C) -> (..., C); NaN where the class is no target."""
    return _recall(margins(confusion))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Precision of each class, (..., C, C) -> (..., C); 0 for a target never predicted, NaN for an absent class."""
    return _precision(margins(confusion))


def f1(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class, 2 * hits / (targets + predicted), (..., C, C) -> (..., C); NaN for an absent class."""
    return _f1(margins(confusion))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall over the classes present in the targets, (..., C, C) -> (...)."""
    return mean_of_known(recall(confusion))


def wa(confusion: np.ndarray) -> np.ndarray:
    """Weighted accuracy: the share of utterances that are right, (..., C, C) -> (...)."""
    return average_figures(margins(confusion))["wa"]


def average_figures(of: Margins) -> dict[str, np.ndarray]:
    """The figures over all classes, `AVERAGES`, each (...).

    * `uar`: unweighted average recall over the classes present in the targets.
    * `wa`: the share of utterances that are right.
    * `macro_f1`: mean F1 over the classes present in targets or predictions.
    * `weighted_f1`: mean F1 weighted by the number of targets of each class.
    * `macro_f1_uar_map`: 2 * UAR * MAP / (UAR + MAP), MAP being the mean precision (MSSGAN, ACII 2019, section IV-C), 0
      where both are 0. The paper's printed formula has a further factor 1 / n, which its figures do not have.
    """
    scores, total = _f1(of), of.targets.sum(axis=-1)
    mean_recall, mean_precision = mean_of_known(_recall(of)), mean_of_known(_precision(of))
    both = mean_recall + mean_precision
    return {
        "uar": mean_recall,
        "wa": _ratio(of.hits.sum(axis=-1), total),
        "macro_f1": mean_of_known(scores),
        "weighted_f1": _ratio((np.where(of.targets > 0, scores, 0.0) * of.targets).sum(axis=-1), total),
        "macro_f1_uar_map": np.where(both == 0, 0.0, _ratio(2 * mean_recall * mean_precision, both)),
    }


def classification_figures(of: Margins, classes: list[str]) -> dict[str, np.ndarray]:
    """All figures of a confusion matrix under their names in metrics.json.

    Args:
        of: its margins, (..., C).
        classes: C names.

    Returns:
        `AVERAGES`, then `f1/<class>`, `precision/<class>` and `recall/<class>`, each (...).
    """
    figures = average_figures(of)
    for name, values in (("f1", _f1(of)), ("precision", _precision(of)), ("recall", _recall(of))):
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


def _recall(of: Margins) -> np.ndarray:
    return _ratio(of.hits, of.targets)


def _precision(of: Margins) -> np.ndarray:
    never_predicted = np.where(of.targets > 0, 0.0, np.nan)
    return np.where(of.predicted > 0, _ratio(of.hits, of.predicted), never_predicted)


def _f1(of: Margins) -> np.ndarray:
    return _ratio(2 * of.hits, of.targets + of.predicted)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0, without a warning; laid out in memory as they are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole != 0, np.true_divide(part, whole), np.nan)


def mean_of_known(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean over an axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=axis), known.sum(axis=axis))
