"""Options of AV-SpNET: what the names of variants, tasks and settings stand for."""

import pytest
from pydantic import ValidationError

from semiser.systems.avspnet.options import PUBLISHED, RECIPES, VARIANTS, TrainAvspnetOptions

GIVEN = {"background": {"corpora": ["b"]}, "corpora": ["c"], "tasks": {"emotion": {}}}


def test_the_defaults_are_the_published_ones():
    options = TrainAvspnetOptions(**GIVEN)
    network, pretraining, recognition = options.network, options.pretraining, options.recognition["published"]
    assert (network.kernels, network.dense, network.latent, network.proxy_hidden) == (32, 1024, 256, (512, 128))
    assert (pretraining.learning_rate, pretraining.batch_size) == (1e-3, 32)
    assert (recognition.optimiser, recognition.learning_rate, recognition.batch_size) == ("sgd", 1e-5, 32)
    assert recognition.hidden == (1024, 512, 128) and recognition.front_end == "maps"  # 2.3: three layers on them
    assert (pretraining.reduction, recognition.reduction, options.overlapping) == ("mean", "sum", "leave_out")
    assert options.shares == (0.25, 0.5, 0.75, 1.0) and (options.protocol.kind, options.protocol.k) == ("k_fold", 5)
    assert options.variants == PUBLISHED and len(PUBLISHED) == 9
    ours = {"random_mel", "proxy_arousal_mel", "avspnet_arousal_mel"}
    assert set(VARIANTS) - set(PUBLISHED) == {name for name, recipe in RECIPES.items() if recipe.mel} == ours


def test_a_front_end_comes_after_the_one_that_it_starts_from_even_where_that_is_no_variant():
    options = TrainAvspnetOptions(**GIVEN, variants=["autoencoder_then_arousal", "random"])
    assert options.front_ends == ["random", "autoencoder", "autoencoder_then_arousal"]


def test_a_task_with_a_share_gives_folds():
    tasks = {
        "valence": {"corpora": ["d"], "target": "valence", "discretise": {"kind": "speaker_mean"}},
        "emotion": None,
    }
    options = TrainAvspnetOptions(**GIVEN | {"tasks": tasks}, seed=3)
    folds = options.fold_options("valence", 0.25)
    assert options.active_tasks == ["valence"]
    assert (folds.experiment, folds.corpora, folds.target) == ("task=valence/share=0.25", ["d"], "valence")
    assert folds.label_budget.share == 0.25 and folds.discretise.names == ["low", "high"] and folds.seed == 3


def test_the_option_set_is_part_of_a_name_only_where_there_are_several():
    one = TrainAvspnetOptions(**GIVEN)
    two = TrainAvspnetOptions(**GIVEN, recognition={"published": {}, "tuned": {"optimiser": "adam"}, "other": None})
    assert one.key("random", "emotion", 0.5, "published") == "random/task=emotion/share=0.5"
    assert two.key("random", "emotion", 1.0, "tuned") == "random/task=emotion/share=1/recognition=tuned"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"tasks": {"emotion": None}}, "tasks: all are null"),
        ({"recognition": {"published": None}}, "recognition: all option sets are null"),
        ({"tasks": {"emotion": {"classes": ["joy", "joy"]}}}, "classes names a class twice"),
        ({"variants": ["autoencodr"]}, "variants"),
        ({"shares": [0.0]}, "shares"),
        ({"mel": {"bands": 3, "coefficients": 4}}, "coefficients=4 must be at most bands=3"),
        ({"variants": ["random_mel"], "input": "fbank"}, "random_mel have a mel axis, which is made of `segments`"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        TrainAvspnetOptions(**GIVEN | changes)
