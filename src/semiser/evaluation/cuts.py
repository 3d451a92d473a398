"""A small decision tree on one quantity: the quantity's axis cut into pieces, each with a class.

scikit-learn's tree gives the same pieces but where two cuts are equally good (the tests hold them together). It takes
1.5 s to import, which every run of a training would pay.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class _Cut(NamedTuple):
    gain: float
    start: int
    at: int  # rank of the first value on the right
    end: int


@dataclass(frozen=True)
class Cuts:
    """A tree on one quantity.

    Attributes:
        ends: where each piece ends, but for the last, ascending.
        labels: the class of each piece, one more.
    """

    ends: np.ndarray
    labels: np.ndarray

    def predict(self, values: np.ndarray) -> np.ndarray:
        """The class of each value: that of the piece it lies in, a piece's end being in it."""
        return self.labels[np.searchsorted(self.ends, values.astype(np.float32), side="left")]


def grow_cuts(values: np.ndarray, labels: np.ndarray, pieces: int, least: int) -> Cuts:
    """Cut where Gini's impurity falls most, all classes weighing the same, again and again.

    Args:
        values: of shape (N,), finite; float32 decides which are the same.
        labels: class of each.
        pieces: at most.
        least: values in a piece, at least.

    Source: Breiman et al., "Classification and Regression Trees" (1984), grown best first.
    """
    order = np.argsort(values, kind="stable")
    values = values[order].astype(np.float32).astype(np.float64)
    classes, codes, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    weights = np.zeros((len(values) + 1, len(classes)))
    weights[np.arange(len(values)) + 1, codes] = len(values) / (len(classes) * counts[codes])
    before = weights.cumsum(axis=0)  # weight of each class among the first values
    edges = [0, len(values)]
    open_cuts = [_best_cut(values, before, 0, len(values), least)]
    while len(edges) <= pieces and (cut := max(open_cuts)).gain > -np.inf:
        open_cuts.remove(cut)
        open_cuts += [_best_cut(values, before, start, end, least) for start, end in ((cut.start, cut.at),
                                                                                    (cut.at, cut.end))]  # fmt: skip
        edges.append(cut.at)
    edges.sort()
    inside = np.diff(before[edges], axis=0)
    cuts = np.asarray(edges[1:-1], dtype=np.int64)
    return Cuts((values[cuts - 1] + values[cuts]) / 2, classes[inside.argmax(axis=1)])


def _best_cut(values: np.ndarray, before: np.ndarray, start: int, end: int, least: int) -> _Cut:
    """The cut of values start to end that lowers impurity most, its gain -inf where there is none."""
    at = np.arange(start + least, end - least + 1)
    at = at[values[at] > values[at - 1]] if len(at) else at
    inside = before[end] - before[start]
    if not len(at) or np.count_nonzero(inside > 1e-9) < 2:
        return _Cut(-np.inf, start, start, end)
    gains = _purity(before[at] - before[start]) + _purity(before[end] - before[at]) - _purity(inside)
    best = int(gains.argmax())
    return _Cut(float(gains[best]), start, int(at[best]), end)


def _purity(weights: np.ndarray) -> np.ndarray:
    """The weight of a piece times (1 - its impurity), from the weights of its classes, (..., classes)."""
    return np.square(weights).sum(axis=-1) / weights.sum(axis=-1)
