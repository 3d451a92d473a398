import numpy as np
import torch
from sklearn.svm import SVC

from semiser.data.vectors import FoldData
from semiser.systems.baselines import svm
from semiser.systems.baselines.options import SvmOptions


def _data(classes=3):
    y = torch.arange(60) % classes
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0)) + y[:, None]
    rows = {"train": torch.arange(40), "test": torch.arange(40, 60)}
    return FoldData(x, y, rows, tuple("abcd"[:classes]), tuple("vwxyz"))


def test_the_largest_score_is_sklearns_prediction():
    data = _data()
    scores = svm.fit(data, SvmOptions(), run=None)
    machine = SVC(kernel="rbf", C=10, gamma="scale", class_weight="balanced", break_ties=True)
    machine.fit(data.x[:40].numpy(), data.y[:40].numpy())
    np.testing.assert_array_equal(scores.argmax(1), machine.predict(data.x[40:].numpy()))


def test_two_classes_have_two_scores():
    data = _data(2)
    scores = svm.fit(data, SvmOptions(kernel="linear"), run=None)
    assert scores.shape == (20, 2)
    assert (scores.argmax(1) == data.y[40:]).float().mean() > 0.7


def test_a_class_without_training_row_scores_zero():
    data = _data()
    extra = FoldData(data.x, data.y, data.rows, ("a", "b", "c", "d"), data.names)
    assert svm.fit(extra, SvmOptions(), run=None)[:, 3].abs().sum() == 0
