"""The final model of an experiment, from training to prediction."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers import committed, resaved, utterances_of, voice, write_wav
from system_runs import run_system

import semiser
from semiser.features.registry import make_families
from semiser.options.features import FeaturesOptions, ShardOptions
from semiser.options.final import FinalOptions
from semiser.prediction.features import InProcess
from semiser.prediction.final import _remove_others, find_final, locate
from semiser.shards.extract import extract
from semiser.systems.mmmd.options import TrainMmmdOptions

FOLDS = {"experiment": "tiny", "corpora": ["tiny"], "validation": {"kind": "none"}}
OPTIONS = TrainMmmdOptions(
    folds=FOLDS,
    variants=["svm", "dnn"],
    dnn={"grouping": "joint", "hidden": [8, 4], "epochs": 8, "batch_size": 6, "learning_rate": 0.02},
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Three speakers, two emotions told apart by pitch, in a project with `data/06_models/tiny`."""
    folder = tmp_path_factory.mktemp("project")
    for speaker in "abc":
        for number in range(6):
            signal = voice(0.5, pitch_hz=(110, 220)[number % 2] + number, seed=10 * ord(speaker) + number)
            write_wav(folder / "corpus" / speaker / f"{number}.wav", signal)
    utterances = utterances_of(folder / "corpus")
    emotions = ["happiness" if int(name[-1]) % 2 else "sadness" for name in utterances["utterance_id"].to_pylist()]
    place = utterances.column_names.index("emotion")
    utterances = utterances.set_column(place, utterances.schema.field("emotion"), pa.array(emotions))
    families = make_families(("is10",), FeaturesOptions(extract=["is10"]))
    roots = {"tiny": str(folder / "corpus")}
    receipts = extract(families.values(), str(folder / "features"), utterances, roots, InProcess(), ShardOptions())
    return folder, {"utterances": utterances, "is10": committed(receipts["is10"], folder).dataset()}


def _train(project, final, experiment="tiny", options=OPTIONS):
    folder, data = project
    models = folder / "data" / "06_models" / experiment
    return run_system("mmmd", data, options, models, final=final), models


def _probabilities(table):
    return np.stack([table[f"probability/{name}"].to_numpy() for name in ("happiness", "sadness")], axis=1)


def test_the_best_is_trained_once_more_and_its_card_says_what_to_expect(project, monkeypatch):
    made, models = _train(project, FinalOptions(model="train_mmmd"))
    scores = {name: figures["uar"]["mean"] for name, figures in made["train_mmmd_metrics"]["variants"].items()}
    card = json.loads((models / "final" / "card.json").read_text())
    best = max(scores, key=scores.get)
    assert card["variant"] == best and card["expected"]["mean"] == scores[best]
    assert card["expected"]["chosen_from"] == 2 and "which is therefore optimistic" in card["expected"]["note"]
    assert card["labelled"] == {"happiness": 9, "sadness": 9} and card["speakers"] == 3 and card["unlabelled"] == 0
    (row,) = made["train_mmmd_final"]
    assert row["variant"] == f"final/{best}" and (models / "train_mmmd" / row["folder"] / "card.json").is_file()

    monkeypatch.chdir(project[0] / "corpus")  # somewhere in the project
    model = semiser.load("tiny")
    found = model.predict(project[0] / "corpus" / "a")
    assert found["prediction"].to_pylist() == ["sadness", "happiness"] * 3
    assert repr(model) == f"<Model MMMD {best} of tiny: happiness, sadness; expected UAR {scores[best]:.3f}>"
    said = " ".join(model.summary().split())
    assert "18 utterances of 3 speakers (9 happiness, 9 sadness); 0 without label" in said
    assert "The model itself has been trained on all of this speech and was tested on none." in said


def test_what_is_finished_is_not_trained_again_and_another_choice_takes_its_place(project):
    made, models = _train(project, FinalOptions(model="train_mmmd/dnn"))
    weights = models / "train_mmmd" / made["train_mmmd_final"][0]["folder"] / "model.safetensors"
    written = weights.stat().st_mtime_ns
    _train(project, FinalOptions(model="train_mmmd/svm"))
    made, _ = _train(project, FinalOptions(model="train_mmmd/dnn"))
    assert weights.stat().st_mtime_ns == written
    card = json.loads((models / "final" / "card.json").read_text())
    assert card["variant"] == "dnn" and card["expected"]["chosen_from"] == 1
    assert [path.name for path in (models / "final").iterdir() if path.is_dir()] == [card["members"][0]["folder"]]


def test_of_the_models_before_not_even_folders_are_left(tmp_path):
    for place in ("", "mmd/fold-00", "mmd/fold-01", "svm/seed-0/fold-00", "parts/encoder"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "card.json").write_text("{}")
    _remove_others(tmp_path, {Path("mmd/fold-01"), Path("parts/encoder")})
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    folders = {"mmd", "mmd/fold-01", "parts", "parts/encoder"}
    assert left == folders | {"card.json", "mmd/fold-01/card.json", "parts/encoder/card.json"}


def test_an_ensemble_averages_the_models_of_the_folds(project):
    made, models = _train(project, FinalOptions(kind="ensemble", model="train_mmmd/svm"), "ensemble")
    model = semiser.load(models / "final")
    assert len(model.final.members) == 3 == len(made["train_mmmd_final"])
    each = [models / "train_mmmd" / row["folder"] for row in made["train_mmmd_final"]]
    wanted = np.mean([_probabilities(semiser.load(folder).predict(project[0] / "corpus/b")) for folder in each], axis=0)
    np.testing.assert_allclose(_probabilities(model.predict(project[0] / "corpus/b")), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [FinalOptions(kind="none", model="train_mmmd"), FinalOptions(model="train_cmkt")])
def test_none_is_made_where_none_or_another_is_wanted(project, options, tmp_path):
    made, models = _train(project, options, "none")
    assert made["train_mmmd_final"] == [] and not (models / "final").exists()


def test_a_choice_that_was_not_scored_is_refused_with_what_was(project):
    with pytest.raises(ValueError, match=r"final\.model is 'train_mmmd/mmd', but train_mmmd has scored svm, dnn"):
        _train(project, FinalOptions(model="train_mmmd/mmd"))


def test_the_folder_is_whole_wherever_it_is_copied_and_mixed_ones_are_refused(project, tmp_path):
    _, models = _train(project, FinalOptions(model="train_mmmd/svm"))
    copied = tmp_path / "sent"
    shutil.copytree(models / "final", copied)
    assert semiser.load(copied / "card.json").predict(project[0] / "corpus/a/1.wav")["prediction"].to_pylist()
    member = json.loads((copied / "card.json").read_text())["members"][0]["folder"]
    card = copied / member / "card.json"
    card.write_text(card.read_text().replace("rbf", "linear"))
    with pytest.raises(ValueError, match=r"is not the card that .* names"):
        semiser.load(copied)
    shutil.rmtree(copied / member)
    with pytest.raises(FileNotFoundError, match="copy the folder as a whole"):
        semiser.load(copied)
    own = copied / "card.json"
    own.write_text(own.read_text().replace(f'"folder":"{member}"', '"folder":"../../x"').replace(member, "../../x"))
    with pytest.raises(ValueError, match="outside its folder"):
        semiser.load(copied)
    sound = json.loads(own.read_text())
    own.write_text(json.dumps(sound | {"members": []}))
    with pytest.raises(ValueError, match=r"is no card of a final model: members"):
        semiser.load(copied)
    for changes, message in [
        ({"members": sound["members"] * 2}, "one of them is named twice"),
        ({"speakers": -3}, "speakers"),
        ({"labelled": {"happiness": -1}}, "labelled"),
        ({"expected": sound["expected"] | {"mean": float("nan")}}, "expected.mean"),
    ]:
        own.write_text(json.dumps(sound | changes))
        with pytest.raises(ValueError, match=f"is no card of a final model: .*{message}"):
            semiser.load(copied)
    own.write_text('{"final": "x"}')
    with pytest.raises(ValueError, match="is no card of a final model"):
        semiser.load(copied)


def test_models_that_cannot_be_averaged_are_refused(project, tmp_path):
    _, models = _train(project, FinalOptions(kind="ensemble", model="train_mmmd/svm"), "ensemble")
    copied = tmp_path / "sent"
    shutil.copytree(models / "final", copied)
    sound = json.loads((copied / "card.json").read_text())
    (copied / "card.json").write_text(json.dumps(sound | {"classes": ["sadness", "happiness"]}))
    with pytest.raises(ValueError, match=r"happiness, sadness are not those of the final model, sadness, happiness"):
        semiser.load(copied)
    member = copied / sound["members"][1]["folder"]
    families = json.loads((member / "card.json").read_text())["families"]
    families["is10"]["options"]["sample_rate_hz"] = 8000
    resaved(member, families=families)
    sound["members"][1]["sha256"] = hashlib.sha256((member / "card.json").read_bytes()).hexdigest()
    (copied / "card.json").write_text(json.dumps(sound))
    with pytest.raises(ValueError, match=f"{member.name}/card.json: its features are made otherwise"):
        semiser.load(copied)


def test_an_experiment_without_final_model_is_told_from_those_that_have_one(project, tmp_path, monkeypatch):
    _train(project, FinalOptions(model="train_mmmd/svm"))
    with pytest.raises(FileNotFoundError, match=r"'mine' has no final model .* These have one: .*tiny"):
        find_final(project[0] / "data/06_models", "mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="is in no project with data/06_models"):
        locate("tiny")
