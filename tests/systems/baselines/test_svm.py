import numpy as np
import pytest
import torch
from sklearn.svm import SVC

from semiser.data.vectors import FoldData
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.baselines import svm
from semiser.systems.baselines.options import SvmOptions
from semiser.systems.baselines.predict import load
from semiser.training.run import TrainingRun


def _data(classes=3):
    y = torch.arange(60) % classes
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0)) + y[:, None]
    rows = {"train": torch.arange(40), "test": torch.arange(40, 60)}
    return FoldData(x, y, rows, tuple("abcd"[:classes]), tuple("vwxyz"), {"is10": (0, 3), "accent": (3, 5)})


@pytest.fixture
def run(tmp_path):
    run = TrainingRun(tmp_path, 0, TrainingOptions(accelerator="cpu"), "key")
    statistics = {"mean": np.arange(5.0), "std": np.full(5, 2.0), "strategy": "speaker", "as_is": ["accent"]}
    run.provenance = Provenance(statistics)
    return run


def test_the_largest_score_is_sklearns_prediction(run):
    data = _data()
    scores = svm.fit(data, SvmOptions(), run)
    machine = SVC(kernel="rbf", C=10, gamma="scale", class_weight="balanced", break_ties=True)
    machine.fit(data.x[:40].numpy(), data.y[:40].numpy())
    np.testing.assert_array_equal(scores.argmax(1), machine.predict(data.x[40:].numpy()))


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_decisions_are_sklearns_to_a_millionth(classes, kernel):
    random = np.random.default_rng(classes)
    y = random.integers(0, classes, 150)
    x = (random.normal(size=(150, 9)) + np.eye(9)[y]).astype(np.float32)
    fitted = SVC(kernel=kernel, C=10, class_weight="balanced").fit(x, y)
    unseen = random.normal(size=(2500, 9)).astype(np.float32)  # more than a block
    wanted = fitted.decision_function(unseen)
    wanted = np.stack([-wanted, wanted], axis=1) if classes == 2 else wanted
    np.testing.assert_allclose(svm.Machine.of(fitted).decisions(unseen), wanted, rtol=0, atol=1e-6)


def test_a_saved_machine_gives_the_scores_of_its_training_and_scales_what_training_scaled(run):
    data = _data()
    scores = svm.fit(data, SvmOptions(), run)
    loaded = load(run.folder)
    x = data.x[40:].numpy()
    found = loaded.predict({"is10": [row[None, :3] for row in x], "accent": [row[None, 3:] for row in x]})
    np.testing.assert_allclose(found, scores, rtol=0, atol=1e-6)
    assert loaded.classes == data.classes and loaded.columns == ("is10", "accent") and loaded.by_speaker
    assert set(loaded.steps[0].scaling) == {"is10"}  # one-hot vectors are taken as they are
    np.testing.assert_array_equal(loaded.steps[0].scaling["is10"].mean, [0, 1, 2])


def test_two_classes_have_two_scores(run):
    data = _data(2)
    scores = svm.fit(data, SvmOptions(kernel="linear"), run)
    assert scores.shape == (20, 2)
    assert (scores.argmax(1) == data.y[40:]).float().mean() > 0.7


def test_a_class_without_training_row_scores_zero_and_no_test_row_gives_no_score(run):
    data = _data()
    extra = FoldData(data.x, data.y, data.rows, ("a", "b", "c", "d"), data.names)
    assert svm.fit(extra, SvmOptions(), run)[:, 3].abs().sum() == 0
    untested = FoldData(data.x, data.y, data.rows | {"test": torch.arange(0)}, data.classes, data.names)
    assert svm.fit(untested, SvmOptions(), run).shape == (0, 3)
