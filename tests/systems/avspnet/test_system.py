"""AV-SpNET's pipeline on two tiny corpora: background `bg`, target `tg`."""

import hashlib
import json

import numpy as np
import pytest
import torch
from helpers import resaved
from safetensors.torch import load_file
from segment_tables import proxy_table, segment_table, utterance_table, utterances
from system_runs import run_system

from semiser.options.training import TrainingOptions
from semiser.systems.avspnet import front_end as front_end_module
from semiser.systems.avspnet.front_end import load_front_end
from semiser.systems.avspnet.options import PUBLISHED, TrainAvspnetOptions
from semiser.systems.avspnet.recognition import load_avspnet

ROWS = utterances("ab", "bg", per_class=4) + utterances("cde", "tg")
CPU = TrainingOptions(accelerator="cpu", seeds=(0, 1))


TUNED = {"front_end": "dense", "hidden": [4], "optimiser": "adam", "epochs": 2, "scaling": {"strategy": "speaker"}}


def make_options(**changes) -> TrainAvspnetOptions:
    given = {
        "background": {"corpora": ["bg"]},
        "corpora": ["tg"],
        "tasks": {
            "emotion": {"classes": ["low", "high"]},
            "arousal": {"target": "arousal", "discretise": {"kind": "speaker_mean"}},
        },
        "shares": [0.5, 1.0],
        "protocol": {"kind": "leave_one_speaker_out"},
        "network": {"kernels": 2, "dense": 6, "latent": 3, "proxy_hidden": [4]},
        "pretraining": {"epochs": 1, "batch_size": 8, "held_out_share": 0.2},
        "recognition": {"tuned": TUNED},
    }
    return TrainAvspnetOptions(**given | changes)


def run(folder, options, valence=("negative", "positive"), upto=None, change=None):
    """What the pipeline makes of the rows; models lie below the folder."""
    data = {
        "utterances": utterance_table(ROWS),
        "segments": segment_table(folder / "segments", ROWS),
        "proxy_arousal": proxy_table(ROWS[:16], ("low", "high")),
        "proxy_valence": proxy_table(ROWS[:16], valence),
    }
    return run_system("avspnet", data, options, folder, CPU, upto=upto, change=change)


def hashes(folder, variant):
    """Of the front ends of a variant as they lie on disk."""
    files = (folder / "train_avspnet/front_ends" / variant).rglob("model.safetensors")
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("avspnet")


@pytest.fixture(scope="module")
def made(folder):
    return run(folder, make_options())


def test_folds_of_tasks_and_shares_stand_in_one_table_with_nested_labels(made):
    experiments = [f"task={task}/share={share}" for task in ("emotion", "arousal") for share in ("0.5", "1")]
    assert made["folds"]["experiment"].unique().to_pylist() == experiments
    rows = made["folds"].to_pylist()

    def of_role(role):
        of_experiment = {name: set() for name in experiments}
        for row in rows:
            if row["role"] == role:
                of_experiment[row["experiment"]].add((row["fold"], row["utterance_id"]))
        return of_experiment

    train, test = of_role("train"), of_role("test")
    assert train[experiments[0]] < train[experiments[1]] and len(train[experiments[1]]) == 3 * 8
    assert test[experiments[0]] == test[experiments[1]] and len(test[experiments[0]]) == 12


def test_every_variant_gives_a_prediction_for_every_task_share_seed_and_utterance(made):
    for variant in PUBLISHED:
        predictions, curves = made[f"{variant}_predictions"], made[f"{variant}_curves"]
        assert predictions.num_rows == 2 * 2 * 2 * 12
        keys = {f"{variant}/task={task}/share={share}" for task in ("emotion", "arousal") for share in ("0.5", "1")}
        assert set(predictions["variant"].to_pylist()) == set(curves["variant"].to_pylist()) == keys


def test_random_has_a_front_end_for_every_seed_and_the_others_as_many_as_asked_for(made, folder):
    seeds = {variant: list(cards) for variant, cards in made["front_ends_stage"]["front_ends"].items()}
    assert seeds.pop("random") == ["0", "1"] and set(map(tuple, seeds.values())) == {("0",)}
    first, second = hashes(folder, "random")
    assert first != second


def test_frozen_means_frozen(tmp_path, monkeypatch):
    """The encoder is bit-equal before and after recognition training, on disk and in memory, statistics and all."""
    held, before = [], []
    make = front_end_module.FrontEnd.__init__

    def remember(self, *arguments):
        make(self, *arguments)
        held.append((self.encoder, {name: value.clone() for name, value in self.encoder.state_dict().items()}))

    def look(made):
        if "train_avspnet.experiment" in made and not before:
            before.extend(hashes(tmp_path, "avspnet_arousal"))

    monkeypatch.setattr(front_end_module.FrontEnd, "__init__", remember)
    run(tmp_path, make_options(variants=["avspnet_arousal"]), change=look)
    assert held and before and hashes(tmp_path, "avspnet_arousal") == before
    for encoder, state in held:
        after = encoder.state_dict()
        assert any("running_var" in name for name in after) and not encoder.training
        assert all(torch.equal(after[name], value) for name, value in state.items())


def test_a_variant_that_was_left_out_or_is_switched_off_gives_empty_tables(tmp_path):
    options = make_options(variants=["random", "proxy_valence", "avspnet_valence"])
    made = run(tmp_path, options, valence=("negative", "negative"))
    assert set(made["front_ends_stage"]["left_out"]) == {"proxy_valence", "avspnet_valence"}
    assert list(made["front_ends_stage"]["front_ends"]) == ["random"]
    assert [name for name in PUBLISHED if len(made[f"{name}_predictions"])] == ["random"]
    background = made["train_avspnet_metrics"]["protocol"]["background"]
    assert "nothing to tell apart" in background["left_out"]["proxy_valence"]


def test_a_background_with_test_speakers_is_refused_unless_it_is_declared(tmp_path):
    with pytest.raises(ValueError, match=r"3 of its speakers are tested, such as tg/c"):
        run(tmp_path / "refused", make_options(background={"corpora": ["bg", "tg"]}, variants=["random"]))
    declared = {"corpora": ["bg", "tg"], "transductive": True}
    made = run(tmp_path / "declared", make_options(background=declared, variants=["random"]))
    assert made["train_avspnet_metrics"]["protocol"]["background"]["transductive"] is True


def test_metrics_have_a_row_for_every_setting_and_compare_with_random(made):
    metrics = made["train_avspnet_metrics"]
    assert len(metrics["variants"]) == 9 * 2 * 2 == len(made["metrics_table"])
    assert metrics["protocol"]["tasks"]["arousal"]["discretise"] == {"kind": "speaker_mean"}
    assert metrics["protocol"]["tasks"]["emotion"]["classes"] == ["low", "high"]
    pair = "avspnet_arousal/task=emotion/share=0.5 - random/task=emotion/share=0.5"
    assert pair in metrics["paired"] and len(metrics["paired"]) == 8 * 2 * 2
    assert len(metrics["variants"]["random/task=arousal/share=1"]["uar"]["per_fold"]) == 3
    protocol = metrics["protocol"]
    assert protocol["network"]["kernels"] == 2 and protocol["recognition"]["tuned"]["optimiser"] == "adam"
    assert protocol["overlapping"] == "leave_out"
    json.dumps(metrics)
    assert len(made["confusion_figure"].axes) == 9
    assert [axis.get_title() for axis in made["shares_figure"].axes] == ["task=emotion", "task=arousal"]


def test_figures_show_curves_and_a_held_out_segment_beside_its_reconstructions(made):
    titles = {axis.get_title() for axis in made["curves_figure"].axes}
    assert {"reconstruction_loss", "proxy_loss", "loss task=emotion", "loss task=arousal"} <= titles
    assert len(made["curves_figure"].legends[0].texts) == 9
    titles = [axis.get_title() for axis in made["reconstructions_figure"].axes if axis.get_title()]
    assert titles[0].startswith("held out: bg/") and titles[1:] == ["autoencoder", "avspnet_arousal", "avspnet_valence"]


def test_a_second_run_trains_nothing_again(made, folder, monkeypatch):
    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("semiser.systems.avspnet.pretraining.fit_front_end", never)
    monkeypatch.setattr("semiser.systems.avspnet.recognition.fit", never)
    again = run(folder, make_options())
    assert again["front_ends_stage"] == made["front_ends_stage"]
    assert again["avspnet_valence_predictions"] == made["avspnet_valence_predictions"]


def test_a_recogniser_is_loaded_with_its_front_end_and_says_what_it_said(tmp_path):
    options = make_options(
        variants=["proxy_arousal"],
        recognition={"tuned": {"hidden": [4], "front_end": "dense", "epochs": 1, "scaling": {"strategy": "global"}}},
    )
    made = run(tmp_path, options)
    predictions = made["proxy_arousal_predictions"].to_pylist()
    row = next(row for row in predictions if (row["experiment"], row["fold"]) == ("task=emotion/share=1", 2))
    wanted = (row["variant"], 0, 2)
    (model,) = [
        found for found in made["proxy_arousal_models"] if (found["variant"], found["seed"], found["fold"]) == wanted
    ]
    models = tmp_path / "train_avspnet"
    rows = segment_table(tmp_path / "again", ROWS).to_table().to_pylist()
    segments = np.array([r["segments"] for r in rows if r["utterance_id"] == row["utterance_id"]], np.float32)
    recogniser = load_avspnet(models / model["folder"])
    np.testing.assert_allclose(recogniser(segments.reshape(-1, 20, 20)), row["probabilities"], atol=1e-5)
    assert recogniser.classes == ("low", "high")
    front_end = models / made["front_ends_stage"]["front_ends"]["proxy_arousal"]["0"]["folder"]
    resaved(front_end, {name: 2 * tensor for name, tensor in load_file(front_end / "model.safetensors").items()})
    with pytest.raises(ValueError, match="its front end was trained anew since"):
        load_avspnet(models / model["folder"])


MEL = {"mel": {"bands": 18}, "variants": ["random", "random_mel", "proxy_arousal_mel", "avspnet_arousal_mel"]}


def test_front_ends_on_a_mel_axis_stand_beside_the_published_ones(tmp_path):
    made = run(tmp_path, make_options(**MEL))
    cards = {name: found["0"] for name, found in made["front_ends_stage"]["front_ends"].items()}
    assert cards["random"]["size"] == [20, 20]  # 20 bins of 20 Hz
    assert all(cards[name]["size"] == [18, 20] for name in MEL["variants"][1:])
    assert cards["random"]["mel"] is None and cards["random_mel"]["mel"] == {"bands": 18, "coefficients": None}
    assert {pair.split(" - ")[1].split("/")[0] for pair in made["train_avspnet_metrics"]["paired"]} == {"random_mel"}
    titles = [axis.get_title() for axis in made["reconstructions_figure"].axes if axis.get_title()]
    assert titles[0].startswith("held out, mel: bg/") and titles[1:] == ["avspnet_arousal_mel"]
    front_end = load_front_end(tmp_path / "train_avspnet" / cards["random_mel"]["folder"])
    assert front_end.segments(np.zeros(8000)).shape == (4, 18, 20)  # a second: 99 frames of 20 ms, every 10
