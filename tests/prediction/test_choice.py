"""A model by its name among those that an experiment has trained."""

import pytest

from semiser.prediction.choice import choose_model

MODELS = [
    {"pipeline": "train_mmmd", "variant": name, "seed": seed, "fold": fold, "folder": f"{name}/{seed}/{fold}"}
    for name in ("svm", "mmd")
    for seed in (0, 1)
    for fold in (0, 1)
]


def test_the_first_training_is_taken_unless_another_is_named():
    assert choose_model(MODELS, "train_mmmd/mmd", None, None) == "train_mmmd/mmd/0/0"
    assert choose_model(MODELS, "train_mmmd/mmd", 1, None) == "train_mmmd/mmd/1/0"
    assert choose_model(MODELS, "train_mmmd/mmd", None, 1) == "train_mmmd/mmd/0/1"


def test_what_there_is_not_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match="this experiment has trained train_mmmd/svm, train_mmmd/mmd"):
        choose_model(MODELS, "train_mmmd/dnn", None, None)
    with pytest.raises(
        ValueError, match=r"predict\.seed 7 and predict\.fold None: it has seed 0 fold 0, seed 0 fold 1"
    ):
        choose_model(MODELS, "train_mmmd/mmd", 7, None)
    with pytest.raises(ValueError, match="nothing yet: run one of its training pipelines"):
        choose_model([], "train_mmmd/mmd", None, None)
