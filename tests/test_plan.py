"""What is known of a training before features are extracted."""

from pathlib import Path

import pyarrow as pa
import pytest

from semiser.configuration import load_parameters
from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.needs import configured_systems
from semiser.plan import plan_training, refuse_impossible, speakers_unknown
from semiser.systems.system import get_system, system_names

ROOT = Path(__file__).parents[1]
MMMD = get_system("mmmd")
FOLDS = {"experiment": "e", "corpora": ["mine"], "unlabelled_corpora": ["pile"], "validation": {"kind": "none"}}


def _utterances(speakers="ab", pile=True, known=True):
    rows = [
        {"utterance_id": f"mine/{s}{n}", "corpus": "mine", "speaker_id": f"mine/{s}" if known else None, "emotion": e}
        for s in speakers
        for n, e in enumerate(["anger", "sadness"])
    ]
    rows += [{"utterance_id": f"pile/{n}", "corpus": "pile"} for n in range(3 if pile else 0)]
    return pa.Table.from_pylist(rows, UTTERANCES_SCHEMA)


def _parameters(strategy="speaker", **folds):
    return {"train_mmmd": {"folds": FOLDS | folds, "scaling": {"strategy": strategy}}}


def test_folds_are_planned_without_features_and_a_pile_without_speakers_is_scaled_as_one():
    folds = plan_training(MMMD, _parameters(), _utterances())
    assert folds["role"].to_pylist().count("unlabelled") == 6  # three in each of two folds
    options = MMMD.options(**_parameters()["train_mmmd"])
    assert speakers_unknown(folds, _utterances(), options) == {"pile": 3}
    assert speakers_unknown(folds, _utterances(), MMMD.options(**_parameters("global")["train_mmmd"])) == {}


@pytest.fixture(scope="module")
def demo():
    parameters = load_parameters(ROOT / "conf", "demo")
    corpora = {name: own | {"root": str(ROOT / own["root"])} for name, own in parameters["ingest"]["corpora"].items()}
    return parameters, ingest(IngestOptions(corpora=corpora)).utterances


@pytest.mark.parametrize("system", system_names())
def test_every_system_of_the_demo_is_planned(demo, system):
    parameters, utterances = demo
    folds = plan_training(get_system(system), parameters, utterances)
    assert {"train", "test"} <= set(folds["role"].to_pylist())


def test_in_a_plan_every_unlabelled_utterance_has_visual_knowledge():
    knowledge = {"class_map": {"anger": "anger"}, "unlabelled_with_knowledge": True, "scaling": "none"}
    options = {"folds": FOLDS, "input": "fbank", "variants": ["cmkt_labels"], "visual": {"kind": "expression"}}
    folds = plan_training(get_system("cmkt"), {"train_cmkt": options | knowledge}, _utterances())
    assert folds["role"].to_pylist().count("unlabelled") == 6


@pytest.mark.parametrize(
    ("utterances", "parameters", "message"),
    [
        (_utterances("a"), _parameters(), "train_mmmd: mine: leave_one_speaker_out needs at least two labelled"),
        (_utterances(pile=False), _parameters(), "train_mmmd: unknown corpus pile"),
        (_utterances(), _parameters(classes=["fear", "calm"]), "train_mmmd: no labelled utterance in mine"),
        (
            _utterances(known=False),
            _parameters(protocol={"kind": "k_fold", "k": 2, "group": "utterance"}),
            r"train_mmmd: mine: scaling by speaker needs the speaker_id of every labelled utterance, .* null for \d+; "
            "complete it, or set the training's scaling.strategy to global",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(utterances, parameters, message, caplog):
    with pytest.raises(ValueError, match=message):
        refuse_impossible(["mmmd"], configured_systems(parameters), parameters, utterances)
    refuse_impossible([], configured_systems(parameters), parameters, utterances)  # a run of features alone
    assert "train_mmmd" in caplog.text
