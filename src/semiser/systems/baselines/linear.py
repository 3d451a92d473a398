"""Logistic regression, on labels alone and with labels that it gives itself."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from semiser.data.vectors import FoldData
from semiser.systems.baselines.options import LogisticOptions, SelfTrainingOptions
from semiser.systems.baselines.saved import save
from semiser.training.run import TrainingRun

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Linear:
    """A trained classifier as arrays, K trained classes.

    Attributes:
        weights: (K, D).
        intercepts: (K,).
        classes: (K,) numbers of the classes that had training rows.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    classes: np.ndarray

    @classmethod
    def of(cls, found: "LogisticRegression") -> "Linear":
        """What scikit-learn fitted; of two classes it has the second's weights alone."""
        weights, intercepts = found.coef_.astype(np.float64), found.intercept_.astype(np.float64)
        if len(weights) == 1:
            weights, intercepts = np.concatenate([0 * weights, weights]), np.concatenate([0 * intercepts, intercepts])
        return cls(weights, intercepts, found.classes_.astype(np.int64))

    def scores(self, x: np.ndarray, classes: int) -> np.ndarray:
        """Probabilities (N, classes); 0 for a class that had no training row."""
        logits = x.astype(np.float64) @ self.weights.T + self.intercepts
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = np.zeros((len(x), classes))
        scores[:, self.classes] = powers / powers.sum(axis=1, keepdims=True)
        return scores


def fit_logistic(data: FoldData, options: LogisticOptions, run: TrainingRun) -> Tensor:
    """Train on the labelled part, score the test part.

    Args:
        data: the fold; validation and unlabelled rows are not used.
        options: penalty.
        run: gets the model and its card.

    Returns:
        Probabilities of the test rows, shape (tests, classes).
    """
    x, y, train, test = arrays_of(data)
    found = _regression(options).fit(x[train], y[train])
    return _scored(Linear.of(found), data, x[test], options, run)


def fit_self_training(data: FoldData, options: SelfTrainingOptions, run: TrainingRun) -> Tensor:
    """Train, label what is unlabelled and sure enough, train again, until nothing is added (scikit-learn's).

    Source: Yarowsky, "Unsupervised word sense disambiguation rivaling supervised methods" (1995).

    Args:
        data: the fold; validation rows are not used.
        options: the classifier, how sure is enough, and how often.
        run: gets the last model and its card.

    Returns:
        Probabilities of the test rows, shape (tests, classes).

    Raises:
        ValueError: the unlabelled utterances are not in memory.
    """
    from sklearn.semi_supervised import SelfTrainingClassifier

    x, y, train, test = arrays_of(data)
    unlabelled = unlabelled_in_memory(data, "self_training")
    if not len(unlabelled):
        return _scored(Linear.of(_regression(options.logistic).fit(x[train], y[train])), data, x[test], options, run)
    found = SelfTrainingClassifier(
        _regression(options.logistic), threshold=options.threshold, max_iter=options.rounds
    ).fit(np.concatenate([x[train], x[unlabelled]]), np.concatenate([y[train], np.full(len(unlabelled), -1)]))
    return _scored(Linear.of(found.estimator_), data, x[test], options, run)


def arrays_of(data: FoldData) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, class numbers, and the rows that train and that are tested."""
    train, test = (data.rows[role].numpy(force=True) for role in ("train", "test"))
    return data.x.numpy(force=True), data.y.numpy(force=True), train, test


def unlabelled_in_memory(data: FoldData, variant: str) -> np.ndarray:
    """The unlabelled rows.

    Raises:
        ValueError: they are a stream.
    """
    if data.unlabelled:
        raise ValueError(
            f"{variant} needs the unlabelled utterances in memory: raise train_baselines.unlabelled_in_memory_mb, or "
            f"leave {variant} out"
        )
    rows: np.ndarray = data.rows["unlabelled"].numpy(force=True) if "unlabelled" in data.rows else np.empty(0, np.int64)
    return rows


def _regression(options: LogisticOptions) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=options.c, class_weight="balanced", max_iter=options.max_iterations)


def _scored(
    model: Linear, data: FoldData, x: np.ndarray, options: LogisticOptions | SelfTrainingOptions, run: TrainingRun
) -> Tensor:
    save(asdict(model), "linear", data, options, run)
    return torch.from_numpy(model.scores(x, len(data.classes)))
