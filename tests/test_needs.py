"""What follows from what an experiment configures."""

from pathlib import Path

import pytest

from semiser.configuration import load_parameters
from semiser.evaluation.hyperparameters import PUBLISHED_ENVS
from semiser.needs import (
    as_configured,
    check_run,
    configured_systems,
    families_without_network,
    needed_families,
    tell_missing,
    training_pipelines,
)

CONF = Path(__file__).parents[1] / "conf"

FOLDS = {"experiment": "e", "corpora": ["c"], "validation": {"kind": "none"}}
AVSPNET = {"background": {"corpora": ["b"]}, "corpora": ["c"], "tasks": {"emotion": {}}}
DICTIONARY = {"features": {"valence": {"cvaw": "words.csv"}}}


def test_a_training_is_configured_where_it_names_corpora():
    parameters = {
        "train_mmmd": {"mmd": {"epochs": 2}},
        "train_cmkt": {"folds": FOLDS},
        "train_avspnet": {"corpora": ["c"]},
        "train_began": {"folds": {"corpora": []}},
    }
    assert configured_systems(parameters) == ["avspnet", "cmkt"]


@pytest.mark.parametrize(
    "parameters, families",
    [
        ({}, ()),
        ({"train_mmmd": {"folds": FOLDS}}, ("is10",)),
        ({"train_mmmd": {"folds": FOLDS, "modalities": ["social", "text"]}}, ("word2vec", "social")),
        ({"train_began": {"folds": FOLDS, "variants": ["svm"]}}, ("is10", "chunks")),
        ({"train_began": {"folds": FOLDS, "variants": ["began"]}}, ("chunks",)),
        ({"train_mssgan": {"folds": FOLDS | {"validation": {"kind": "speakers"}}}}, ("fft", "fbank", "dface")),
        ({"train_cmkt": {"folds": FOLDS}}, ("stft", "expression")),
        ({"train_cmkt": {"folds": FOLDS, "input": "fbank", "visual": {"kind": "published"}}}, ("fbank",)),
        ({"train_avspnet": AVSPNET}, ("segments", "voice")),
        ({"train_avspnet": AVSPNET, **DICTIONARY}, ("segments", "voice", "valence")),
        (
            {"train_avspnet": AVSPNET | {"variants": ["autoencoder_then_valence"]}, **DICTIONARY},
            ("segments", "valence"),
        ),
        ({"train_avspnet": AVSPNET | {"variants": ["random"]}, **DICTIONARY}, ("segments",)),
        ({"train_mmmd": {"folds": FOLDS}, "train_avspnet": AVSPNET}, ("is10", "segments", "voice")),
    ],
)
def test_the_families_follow_from_the_trainings(parameters, families):
    assert needed_families(parameters) == families


def test_a_wrong_option_of_a_training_is_named():
    with pytest.raises(ValueError, match=r"^train_mmmd\.mmd: there is no option .epoch., did you mean .epochs.\?"):
        needed_families({"train_mmmd": {"folds": FOLDS, "mmd": {"epoch": 3}}})


def test_what_is_not_configured_goes_and_the_families_that_are_needed_come():
    mine = {"folds": FOLDS, "modalities": ["text"]}
    parameters = {"train_mmmd": mine, "mmmd_sweeps": {"epochs": 1}, "train_cmkt": {}, "cmkt_sweeps": {}, "engine": {}}
    features = {"features": {"word2vec": {"window": 3}, "extract": None}}
    assert as_configured(parameters | features) == {
        "train_mmmd": mine,
        "mmmd_sweeps": {"epochs": 1},
        "engine": {},
        "features": {"word2vec": {"window": 3}, "extract": ["word2vec"]},
        "final": {"model": "train_mmmd"},
    }
    both = {"train_cmkt": {"folds": FOLDS | {"classes": ["negative", "positive", "neutral"]}}}
    assert as_configured(parameters | both)["final"] == {}  # which one, the experiment has to say
    named = as_configured(parameters | {"final": {"kind": "ensemble", "model": "train_mmmd/svm"}})
    assert named["final"] == {"kind": "ensemble", "model": "train_mmmd/svm"}


def test_sweeps_of_a_configured_training_are_there_without_a_word_in_conf():
    found = as_configured({"train_cmkt": {"folds": FOLDS | {"classes": ["negative", "positive", "neutral"]}}})
    assert found["cmkt_sweeps"] == {} and "mmmd_sweeps" not in found


GIVEN = {
    "mmmd_ivd": ["ivd.root (your own voice logs", "avd.root (your own acted speech"],
    "mmmd_iemocap": ["iemocap.root (the Univ", "features.word2vec.vectors (a file"],
    "cmkt_ch_sims": ["ch_sims.root (its authors", "iqiyi.root (iQIYI-VID", "expression.images.root (RAF-DB"],
    "cmkt_iemocap": [
        "iemocap.root (the Univ",
        "emovoxceleb.root (the Visual",
        "features.wav2vec.checkpoint (the folder",
    ],
}


@pytest.mark.parametrize("env", [env for envs in PUBLISHED_ENVS.values() for env in envs])
def test_what_only_the_user_has_is_told_in_one_line_with_where_it_is_had(env):
    found = tell_missing(load_parameters(CONF, env), env)
    options = found.split(": ", 1)[1].split("; ")
    assert found.startswith(f"{env} needs what only you have") and "\n" not in found
    assert all(" (" in option for option in options)
    for wanted in GIVEN.get(env, []):
        assert wanted in found


def test_an_experiment_that_has_its_files_lacks_nothing():
    assert tell_missing({"ingest": {"corpora": {"c": {"reader": "manifest", "root": "here"}}}}, "mine") == ""


def test_families_that_the_user_names_stay():
    named = {"features": {"extract": ["voice"]}}
    assert as_configured({"train_mmmd": {"folds": FOLDS}} | named)["features"]["extract"] == ["voice"]


def test_sweeps_need_the_training_of_their_system():
    assert training_pipelines()["mssgan_sweeps"] == "train_mssgan"
    assert "avspnet_sweeps" not in training_pipelines()  # it has none


@pytest.mark.parametrize("pipelines", [["features", "train_cmkt"], ["cmkt_sweeps"]])
def test_a_run_that_is_not_configured_is_told_what_is(pipelines):
    parameters = {"train_mmmd": {"folds": FOLDS}, "train_avspnet": AVSPNET}
    with pytest.raises(ValueError) as caught:
        check_run(parameters, pipelines, "kedro run --env mine")
    assert str(caught.value) == (
        f"{pipelines[-1]} is not configured in this experiment: train_cmkt names no corpora. It configures "
        "train_avspnet, train_mmmd: `kedro run --env mine --pipelines=features,train_avspnet`, "
        "`kedro run --env mine --pipelines=features,train_mmmd`"
    )


def test_the_default_run_trains_mmmd():
    with pytest.raises(ValueError, match=r"^train_mmmd is not configured.*No training is: choose an experiment by"):
        check_run({}, ["__default__"])
    check_run({}, ["ingest", "report"])
    check_run({"train_mmmd": {"folds": FOLDS}}, ["__default__"])


def test_a_face_family_needs_a_network_or_weights(tmp_path):
    parameters = {"train_cmkt": {"folds": FOLDS}, "features": {"expression": {"weights": str(tmp_path)}}}
    assert families_without_network(parameters) == ["expression"]
    with pytest.raises(ValueError, match=r"expression need a network.*train_faces\.expression\.images\.reader"):
        check_run(parameters, ["features"])
    check_run(parameters, ["train_cmkt"])  # the table may be there
    assert families_without_network(parameters | {"train_faces": {"expression": {"images": "drawn"}}}) == []
    (tmp_path / "card.json").touch()
    assert families_without_network(parameters) == []


@pytest.mark.parametrize("option", ["input", "card"])
def test_what_is_to_be_predicted_and_by_what_is_looked_for_first(option, tmp_path):
    check_run({"predict": {option: str(tmp_path)}}, ["predict"])
    with pytest.raises(FileNotFoundError, match=f"predict.{option}: nothing at nowhere"):
        check_run({"predict": {option: "nowhere"}}, ["predict"])
