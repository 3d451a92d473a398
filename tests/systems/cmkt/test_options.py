import pytest
from pydantic import ValidationError

from semiser.systems.cmkt.options import (
    PUBLISHED,
    VARIANTS,
    CmktOptions,
    ConsistentRandom,
    TrainCmktOptions,
    WeightedFusion,
)
from semiser.systems.cmkt.sweeps import CmktSweepsOptions

FOLDS = {"experiment": "e", "corpora": ["c"], "validation": {"kind": "none"}}


def _options(**changes) -> TrainCmktOptions:
    return TrainCmktOptions(**{"folds": FOLDS} | changes)


def test_variants_are_options_of_one_algorithm():
    options = _options(epsilon=0.4, alpha=0.3, threshold=0.8, unlabelled_weight=0.2)
    found = {name: options.neural(name) for name in VARIANTS}
    assert found["fixmatch"].unlabelled == WeightedFusion(alpha=1, threshold=0.8)
    assert found["cmkt_labels"].unlabelled == ConsistentRandom(epsilon=1)
    assert found["consistent_random"].unlabelled == ConsistentRandom(epsilon=0.4)
    assert found["weighted_fusion"].unlabelled == WeightedFusion(alpha=0.3, threshold=0.8)
    assert {name for name in VARIANTS if not found[name].labelled} == {"dcmkt", "dcmkt_finetuned"}
    assert found["dcmkt"].unlabelled_weight == 1 and found["fixmatch"].unlabelled_weight == 0.2
    assert found["dcmkt_finetuned"].finetune == options.optimisation and found["dcmkt"].finetune is None
    assert found["supervised"].unlabelled is None


def test_ours_differ_from_the_papers_in_specaugment_alone_and_are_trained_where_they_are_asked_for():
    options = _options(augment={"band_share": 0.2})
    for name in ("supervised", "fixmatch", "pi_model", "temporal_ensembling"):
        masked, unmasked = options.neural(name), options.neural(f"{name}_unmasked")
        assert (unmasked.augment.band_masks, unmasked.augment.time_masks) == (0, 0) != masked.augment.band_masks
        assert unmasked.model_copy(update={"augment": masked.augment}) == masked
    assert options.variants == PUBLISHED and len(PUBLISHED) == 9


def test_the_defaults_are_the_published_ones():
    options = _options()
    how = options.optimisation
    assert (options.unlabelled_weight, options.epsilon, options.alpha, options.threshold) == (0.1, 0.5, 0.2, 0.9)
    assert (how.epochs, how.batch_size, how.decay, how.decay_epochs, how.clip_norm) == (50, 32, 1.17, 4, 1)
    assert (how.first_learning_rate, how.learning_rate, how.warmup_epochs) == (0.0025, 0.01, 4)
    assert (options.pi_model.weight, options.temporal_ensembling.weight) == (100, 30)
    assert options.temporal_ensembling.momentum == 0.6


def test_options_travel_through_json():
    for name in VARIANTS:
        options = _options().neural(name)
        assert CmktOptions(**options.model_dump(mode="json")) == options


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"visual": None}, "dcmkt, dcmkt_finetuned, cmkt_labels, consistent_random, weighted_fusion need visual"),
        ({"select": "validation"}, "there is nothing to select by"),
        ({"folds": FOLDS | {"classes": ["low", "high"]}}, "class_map maps to negative, neutral, positive"),
        ({"visual": {"kind": "simulated", "confidence": [0.3, 0.9]}}, "a range within 0.5 to 1, not 0.3 to 0.9"),
    ],
)
def test_options_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        _options(**changes)


def test_what_needs_no_visual_knowledge_goes_without():
    assert _options(visual=None, variants=["supervised", "fixmatch", "pi_model"]).visual is None


def test_simulated_knowledge_needs_no_map():
    folds = FOLDS | {"classes": ["low", "high"]}
    assert _options(folds=folds, visual={"kind": "simulated"}).visual.inconsistency == 0.5181


def test_sweeps_change_one_option_of_one_fusion():
    sweeps = CmktSweepsOptions(epsilon=[0, 0.5], alpha=[1], epochs=3)
    found = {name: options for name, options in sweeps.settings("epsilon", _options())}
    assert {name: options.unlabelled.epsilon for name, options in found.items()} == {"0": 0, "0.5": 0.5}
    ((name, options),) = sweeps.settings("alpha", _options())
    assert name == "1" and options.unlabelled == WeightedFusion(alpha=1) and options.optimisation.epochs == 3
    assert CmktSweepsOptions().epsilon == tuple(n / 10 for n in range(10))
    assert CmktSweepsOptions().alpha[-1] == 1
