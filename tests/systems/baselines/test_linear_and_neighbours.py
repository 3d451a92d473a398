import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from semiser.data.vectors import FoldData
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.baselines import linear, neighbours
from semiser.systems.baselines.options import KnnOptions, LabelSpreadingOptions, LogisticOptions, SelfTrainingOptions
from semiser.systems.baselines.predict import load
from semiser.training.run import TrainingRun

FITS = {
    "logistic": (linear.fit_logistic, LogisticOptions()),
    "knn": (neighbours.fit_knn, KnnOptions(k=5)),
    "self_training": (linear.fit_self_training, SelfTrainingOptions(threshold=0.6)),
    "label_spreading": (neighbours.fit_label_spreading, LabelSpreadingOptions(k=5)),
}


@pytest.fixture
def run(tmp_path):
    run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "key")
    statistics = {"mean": np.zeros(5), "std": np.ones(5), "strategy": "global", "as_is": []}
    run.provenance = Provenance(statistics)
    return run


def fold(classes=3, labelled=12):
    """12 labelled, 48 unlabelled and 30 test rows of classes that lie two deviations apart."""
    y = torch.arange(90) % classes
    x = torch.randn(90, 5, generator=torch.Generator().manual_seed(0)) + 2 * torch.eye(5)[y]
    rows = {"train": torch.arange(labelled), "unlabelled": torch.arange(labelled, 60), "test": torch.arange(60, 90)}
    return FoldData(x, y, rows, tuple("abcd"[:classes]), tuple("vwxyz"), {"is10": (0, 5)})


def parts(data):
    x, y = data.x.numpy(), data.y.numpy()
    hidden = np.concatenate([y[data.rows["train"]], np.full(len(data.rows["unlabelled"]), -1)])
    both = np.concatenate([x[data.rows["train"]], x[data.rows["unlabelled"]]])
    return x[data.rows["train"]], y[data.rows["train"]], both, hidden, x[data.rows["test"]]


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_scikit_learns(run, classes):
    data = fold(classes)
    x, y, both, hidden, test = parts(data)
    regression = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    found = {name: fit(data, options, run).numpy() for name, (fit, options) in FITS.items()}
    np.testing.assert_allclose(found["logistic"], regression.fit(x, y).predict_proba(test), atol=1e-6)
    np.testing.assert_allclose(found["knn"], KNeighborsClassifier(5).fit(x, y).predict_proba(test), atol=1e-6)
    trained = SelfTrainingClassifier(regression, threshold=0.6, max_iter=10).fit(both, hidden)
    np.testing.assert_allclose(found["self_training"], trained.predict_proba(test), atol=1e-6)
    spread = LabelSpreading(kernel="knn", n_neighbors=5, alpha=0.2, max_iter=100).fit(both, hidden)
    np.testing.assert_allclose(found["label_spreading"], spread.predict_proba(test), atol=1e-6)


def test_unlabelled_utterances_help_where_classes_are_apart(run):
    data = fold(labelled=3)
    y = data.y[60:]
    right = {name: (fit(data, options, run).argmax(1) == y).float().mean() for name, (fit, options) in FITS.items()}
    assert right["label_spreading"] > right["knn"]


@pytest.mark.parametrize("name", FITS)
def test_a_saved_model_gives_the_scores_of_its_training(run, name):
    fit, options = FITS[name]
    data = fold()
    scores = fit(data, options, run)
    loaded = load(run.folder)
    found = loaded.predict({"is10": [row[None] for row in data.x[60:].numpy()]})
    np.testing.assert_allclose(found, scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("name", FITS)
def test_a_class_without_training_row_scores_zero_and_no_unlabelled_row_is_fine(run, name):
    fit, options = FITS[name]
    data = fold()
    more = FoldData(data.x, data.y, data.rows | {"unlabelled": torch.arange(0)}, ("a", "b", "c", "d"), data.names)
    assert fit(more, options, run)[:, 3].abs().sum() == 0
    untested = FoldData(data.x, data.y, data.rows | {"test": torch.arange(0)}, data.classes, data.names)
    assert fit(untested, options, run).shape == (0, 3)


def test_where_no_label_arrives_all_classes_are_alike():
    model = neighbours.Neighbours(np.array([[0.0], [9.0]]), np.array([[0.0, 0.0], [1.0, 0.0]]), k=1)
    np.testing.assert_allclose(model.scores(np.array([[1.0], [8.0]]), 2), [[0.5, 0.5], [1, 0]])
