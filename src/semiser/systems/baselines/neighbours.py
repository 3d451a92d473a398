"""Classes of the nearest neighbours: given labels, or labels that spread over the unlabelled utterances before."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from semiser.data.vectors import FoldData
from semiser.systems.baselines.linear import arrays_of, unlabelled_in_memory
from semiser.systems.baselines.options import KnnOptions, LabelSpreadingOptions
from semiser.systems.baselines.saved import save
from semiser.training.run import TrainingRun


@dataclass(frozen=True)
class Neighbours:
    """Utterances with their classes.

    Attributes:
        x: (M, D) their features.
        shares: (M, C) how much of each class they are, in [0, 1].
        k: neighbours that are asked.
    """

    x: np.ndarray
    shares: np.ndarray
    k: int

    def scores(self, x: np.ndarray, classes: int) -> np.ndarray:
        """Mean shares of the k nearest by Euclidean distance, (N, classes), which add up to 1.

        Where the neighbours know nothing, because labels spread to none of them, all classes are alike.
        """
        from sklearn.neighbors import NearestNeighbors

        if not len(x):
            return np.empty((0, classes))
        nearest = NearestNeighbors(n_neighbors=min(self.k, len(self.x))).fit(self.x)
        shares = self.shares[nearest.kneighbors(x, return_distance=False)].sum(axis=1)
        total = shares.sum(axis=1, keepdims=True)
        found: np.ndarray = np.where(total > 0, shares / np.where(total > 0, total, 1), 1 / classes)
        return found


def fit_knn(data: FoldData, options: KnnOptions, run: TrainingRun) -> Tensor:
    """Keep the labelled part, score the test part.

    Args:
        data: the fold; validation and unlabelled rows are not used.
        options: number of neighbours.
        run: gets the model and its card.

    Returns:
        Shares of the classes among the neighbours, shape (tests, classes).
    """
    x, y, train, test = arrays_of(data)
    model = Neighbours(x[train], np.eye(len(data.classes))[y[train]], options.k)
    return _scored(model, data, x[test], options, run)


def fit_label_spreading(data: FoldData, options: LabelSpreadingOptions, run: TrainingRun) -> Tensor:
    """Let labels spread along a graph of neighbours over labelled and unlabelled utterances (scikit-learn's).

    Source: Zhou et al., "Learning with local and global consistency" (2004). A test utterance is no part of the graph:
    it takes the shares of its neighbours there.

    Args:
        data: the fold; validation rows are not used.
        options: neighbours, and how much an utterance takes from them.
        run: gets the model and its card.

    Returns:
        Shares of the classes, shape (tests, classes).

    Raises:
        ValueError: the unlabelled utterances are not in memory.
    """
    from sklearn.semi_supervised import LabelSpreading

    x, y, train, test = arrays_of(data)
    unlabelled = unlabelled_in_memory(data, "label_spreading")
    both = np.concatenate([x[train], x[unlabelled]])
    labels = np.concatenate([y[train], np.full(len(unlabelled), -1)])
    found = LabelSpreading(
        kernel="knn", n_neighbors=min(options.k, len(both) - 1), alpha=options.alpha, max_iter=options.max_iterations
    ).fit(both, labels)
    shares = np.zeros((len(both), len(data.classes)))
    shares[:, found.classes_] = found.label_distributions_
    return _scored(Neighbours(both, shares, options.k), data, x[test], options, run)


def _scored(
    model: Neighbours, data: FoldData, x: np.ndarray, options: KnnOptions | LabelSpreadingOptions, run: TrainingRun
) -> Tensor:
    arrays = {name: array for name, array in asdict(model).items() if name != "k"}
    save(arrays, "neighbours", data, options, run, k=model.k)
    return torch.from_numpy(model.scores(x, len(data.classes)))
