"""The honest baseline beside every neural figure: a support vector machine on the same folds and scaling."""

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from semiser.data.vectors import FoldData
from semiser.systems.baselines.options import SvmOptions
from semiser.systems.baselines.saved import save
from semiser.training.run import TrainingRun

if TYPE_CHECKING:
    from sklearn.svm import SVC

BLOCK_ROWS = 1024  # of a kernel matrix that are in memory at a time


def fit(data: FoldData, options: SvmOptions, run: TrainingRun) -> Tensor:
    """Train on the labelled part, score the test part.

    Args:
        data: the fold; validation and unlabelled rows are not used.
        options: kernel, C, gamma, class weights.
        run: gets the machine and its card; the machine itself draws nothing.

    Returns:
        Softmax of the one-against-rest decision values, shape (tests, classes): an order of the classes whose largest
        is the prediction, not calibrated probabilities. A class without training row scores 0.
    """
    from sklearn.svm import SVC

    found = SVC(
        kernel=options.kernel, C=options.c, gamma=options.gamma, class_weight="balanced", decision_function_shape="ovr"
    )
    x, y = data.x.numpy(force=True), data.y.numpy(force=True)
    train, test = data.rows["train"].numpy(force=True), data.rows["test"].numpy(force=True)
    found.fit(x[train], y[train])
    machine = Machine.of(found)
    kept = ("vectors", "coefficients", "intercepts", "per_class", "classes")
    save({name: getattr(machine, name) for name in kept}, "svm", data, options, run, gamma=machine.gamma)
    return torch.from_numpy(machine.scores(x[test], len(data.classes)))


@dataclass(frozen=True)
class Machine:
    """A trained machine as arrays: S support vectors of D features, ordered by class, K trained classes.

    Attributes:
        vectors: (S, D).
        coefficients: (K - 1, S), as libsvm orders them: of a vector of class i, the row j - 1 (j, where j < i) belongs
            to the decision between i and j.
        intercepts: (K (K - 1) / 2,), of the pairs (0, 1), (0, 2), ..., (1, 2), ...
        per_class: (K,) number of vectors of each class.
        classes: (K,) numbers of the classes that had training rows.
        kernel: `rbf` or `linear`.
        gamma: of the RBF kernel.
    """

    vectors: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    per_class: np.ndarray
    classes: np.ndarray
    kernel: str
    gamma: float

    @classmethod
    def of(cls, found: "SVC") -> "Machine":
        """What scikit-learn fitted."""
        return cls(
            vectors=found.support_vectors_.astype(np.float64),
            coefficients=found.dual_coef_.astype(np.float64),
            intercepts=found.intercept_.astype(np.float64),
            per_class=found.n_support_.astype(np.int64),
            classes=found.classes_.astype(np.int64),
            kernel=found.kernel,
            gamma=float(found._gamma),
        )

    def decisions(self, x: np.ndarray) -> np.ndarray:
        """One-against-rest decision values (N, K), those of scikit-learn's `decision_function`.

        Every pair of classes votes for one of the two, and how clearly it did breaks ties. Of two classes: minus and
        plus the decision for the second.
        """
        blocks = [x[start : start + BLOCK_ROWS] for start in range(0, len(x), BLOCK_ROWS)]
        return np.concatenate([np.empty((0, len(self.classes))), *map(self._block, blocks)])

    def scores(self, x: np.ndarray, classes: int) -> np.ndarray:
        """Softmax of the decision values, (N, classes); 0 for a class that had no training row."""
        decisions = self.decisions(x)
        powers = np.exp(decisions - decisions.max(axis=1, keepdims=True))
        scores = np.zeros((len(x), classes))
        scores[:, self.classes] = powers / powers.sum(axis=1, keepdims=True)
        return scores

    def _block(self, x: np.ndarray) -> np.ndarray:
        kernel = self._kernel(x.astype(np.float64))
        if len(self.classes) == 2:
            second = kernel @ self.coefficients[0] + self.intercepts[0]
            return np.stack([-second, second], axis=1)
        ends = np.cumsum(self.per_class)
        of_class = [slice(end - count, end) for end, count in zip(ends, self.per_class, strict=True)]
        votes = np.zeros((len(x), len(self.classes)))
        margins = np.zeros_like(votes)
        for (i, j), intercept in zip(combinations(range(len(self.classes)), 2), self.intercepts, strict=True):
            first, second = of_class[i], of_class[j]
            decision = kernel[:, first] @ self.coefficients[j - 1, first] + intercept
            decision += kernel[:, second] @ self.coefficients[i, second]
            votes[:, i] += decision > 0
            votes[:, j] += decision <= 0
            margins[:, i] += decision
            margins[:, j] -= decision
        return votes + margins / (3 * (np.abs(margins) + 1))

    def _kernel(self, x: np.ndarray) -> np.ndarray:
        """(N, S) values of the kernel."""
        products = x @ self.vectors.T
        if self.kernel == "linear":
            return products
        squares = np.square(x).sum(axis=1)[:, None] + np.square(self.vectors).sum(axis=1) - 2 * products
        return np.exp(-self.gamma * np.maximum(squares, 0))
