"""Nodes of train_avspnet on two tiny corpora: background `bg`, target `tg`."""

import hashlib
import json

import numpy as np
import pytest
import torch
from segment_tables import proxy_table, segment_table, utterance_table, utterances
from semiser.pipelines.train_avspnet.nodes import (
    draw_reconstructions,
    evaluate_avspnet,
    make_avspnet_folds,
    plot_curves,
    pretrain_front_ends,
    variant_trainer,
)

from semiser.options.training import TrainingOptions
from semiser.systems.avspnet import front_end as front_end_module
from semiser.systems.avspnet.options import VARIANTS, TrainAvspnetOptions
from semiser.systems.avspnet.recognition import load_avspnet

ROWS = utterances("ab", "bg", per_class=4) + utterances("cde", "tg")
CPU = TrainingOptions(accelerator="cpu", seeds=(0, 1))


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
        "recognition": {"tuned": {"hidden": [4], "optimiser": "adam", "epochs": 2, "scaling": {"strategy": "speaker"}}},
    }
    return TrainAvspnetOptions(**given | changes)


class World:
    """What a run of the nodes leaves."""

    def __init__(self, folder, options):
        self.options, self.models = options, str(folder / "models")
        self.utterances, self.segments = utterance_table(ROWS), segment_table(folder / "segments", ROWS)
        self.folds = make_avspnet_folds(self.utterances, self.segments, options)
        self.front_ends = self.pretrain()

    def pretrain(self, valence=("negative", "positive")):
        proxies = proxy_table(ROWS[:16], ("low", "high")), proxy_table(ROWS[:16], valence)
        return pretrain_front_ends(self.utterances, self.segments, *proxies, self.folds, self.options, CPU, self.models)

    def train(self, variant, front_ends=None):
        given = self.front_ends if front_ends is None else front_ends
        return variant_trainer(variant)(
            self.folds, self.utterances, self.segments, given, self.options, CPU, self.models
        )

    def bytes_of(self, variant):
        """Hashes of the front ends of a variant as they lie on disk."""
        from pathlib import Path

        files = Path(self.models).glob(f"front_ends/{variant}/*/model.safetensors")
        return [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("avspnet"), make_options())


@pytest.fixture(scope="module")
def trained(world):
    return {variant: world.train(variant) for variant in VARIANTS}


def test_folds_of_tasks_and_shares_stand_in_one_table_with_nested_labels(world):
    experiments = [f"task={task}/share={share}" for task in ("emotion", "arousal") for share in ("0.5", "1")]
    assert world.folds["experiment"].unique().to_pylist() == experiments
    rows = world.folds.to_pylist()

    def of_role(role):
        of_experiment = {name: set() for name in experiments}
        for row in rows:
            if row["role"] == role:
                of_experiment[row["experiment"]].add((row["fold"], row["utterance_id"]))
        return of_experiment

    train, test = of_role("train"), of_role("test")
    assert train[experiments[0]] < train[experiments[1]] and len(train[experiments[1]]) == 3 * 8
    assert test[experiments[0]] == test[experiments[1]] and len(test[experiments[0]]) == 12


def test_every_variant_gives_a_prediction_for_every_task_share_seed_and_utterance(trained):
    for variant, (predictions, curves) in trained.items():
        assert predictions.num_rows == 2 * 2 * 2 * 12
        keys = {f"{variant}/task={task}/share={share}" for task in ("emotion", "arousal") for share in ("0.5", "1")}
        assert set(predictions["variant"].to_pylist()) == set(curves["variant"].to_pylist()) == keys


def test_random_has_a_front_end_for_every_seed_and_the_others_as_many_as_asked_for(world):
    seeds = {variant: list(cards) for variant, cards in world.front_ends["front_ends"].items()}
    assert seeds.pop("random") == ["0", "1"] and set(map(tuple, seeds.values())) == {("0",)}
    assert world.bytes_of("random")[0] != world.bytes_of("random")[1]


def test_frozen_means_frozen(tmp_path, monkeypatch):
    """The encoder is bit-equal before and after recognition training, on disk and in memory, statistics and all."""
    world, held = World(tmp_path, make_options(variants=["avspnet_arousal"])), []
    make = front_end_module.FrontEnd.__init__

    def remember(self, *arguments):
        make(self, *arguments)
        held.append((self.encoder, {name: value.clone() for name, value in self.encoder.state_dict().items()}))

    monkeypatch.setattr(front_end_module.FrontEnd, "__init__", remember)
    before = world.bytes_of("avspnet_arousal")
    world.train("avspnet_arousal")
    assert held and world.bytes_of("avspnet_arousal") == before
    for encoder, state in held:
        after = encoder.state_dict()
        assert any("running_var" in name for name in after) and not encoder.training
        assert all(torch.equal(after[name], value) for name, value in state.items())


def test_a_variant_that_was_left_out_or_is_switched_off_gives_empty_tables(tmp_path):
    world = World(tmp_path, make_options(variants=["random", "proxy_valence", "avspnet_valence"]))
    without = world.pretrain(valence=("negative", "negative"))
    assert set(without["left_out"]) == {"proxy_valence", "avspnet_valence"}
    assert list(without["front_ends"]) == ["random"]
    tables = {variant: world.train(variant, without) for variant in VARIANTS}
    assert [variant for variant, (table, _) in tables.items() if len(table)] == ["random"]
    metrics, *_ = evaluate_avspnet(world.folds, without, world.options, *(table for table, _ in tables.values()))
    assert "nothing to tell apart" in metrics["protocol"]["background"]["left_out"]["proxy_valence"]


def test_a_background_with_test_speakers_is_refused_unless_it_is_declared(tmp_path):
    with pytest.raises(ValueError, match=r"3 of its speakers are tested, such as tg/c"):
        World(tmp_path / "refused", make_options(background={"corpora": ["bg", "tg"]}, variants=["random"]))
    declared = {"corpora": ["bg", "tg"], "transductive": True}
    world = World(tmp_path / "declared", make_options(background=declared, variants=["random"]))
    metrics, *_ = evaluate_avspnet(world.folds, world.front_ends, world.options, world.train("random")[0])
    assert metrics["protocol"]["background"]["transductive"] is True


def test_metrics_have_a_row_for_every_setting_and_compare_with_random(world, trained):
    predictions = [table for table, _ in trained.values()]
    metrics, table, confusion, shares = evaluate_avspnet(world.folds, world.front_ends, world.options, *predictions)
    assert len(metrics["variants"]) == 8 * 2 * 2 == len(table)
    assert metrics["protocol"]["tasks"]["arousal"]["discretise"] == {"kind": "speaker_mean"}
    assert metrics["protocol"]["tasks"]["emotion"]["classes"] == ["low", "high"]
    pair = "avspnet_arousal/task=emotion/share=0.5 - random/task=emotion/share=0.5"
    assert pair in metrics["paired"] and len(metrics["paired"]) == 7 * 2 * 2
    assert len(metrics["variants"]["random/task=arousal/share=1"]["uar"]["per_fold"]) == 3
    json.dumps(metrics)
    assert len(confusion.axes) == 8 and [axis.get_title() for axis in shares.axes] == ["task=emotion", "task=arousal"]


def test_figures_show_curves_and_a_held_out_segment_beside_its_reconstructions(world, trained):
    curves = plot_curves(world.front_ends, world.options, *(table for _, table in trained.values()))
    titles = {axis.get_title() for axis in curves.axes}
    assert {"reconstruction_loss", "proxy_loss", "loss task=emotion", "loss task=arousal"} <= titles
    assert len(curves.legends[0].texts) == 8
    figure = draw_reconstructions(world.utterances, world.segments, world.front_ends, world.models)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles[0].startswith("held out: bg/") and titles[1:] == ["autoencoder", "avspnet_arousal", "avspnet_valence"]


def test_a_second_run_trains_nothing_again(world, trained, monkeypatch):
    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("semiser.systems.avspnet.recognition.fit_front_end", never)
    monkeypatch.setattr("semiser.systems.avspnet.fit", never)
    assert world.pretrain() == world.front_ends
    assert world.train("avspnet_valence")[0] == trained["avspnet_valence"][0]


def test_a_recogniser_is_loaded_with_its_front_end_and_says_what_it_said(tmp_path):
    options = make_options(
        variants=["proxy_arousal"],
        recognition={"tuned": {"hidden": [4], "epochs": 1, "scaling": {"strategy": "global"}}},
    )
    world = World(tmp_path, options)
    predictions = world.train("proxy_arousal")[0].to_pylist()
    row = next(row for row in predictions if (row["experiment"], row["fold"]) == ("task=emotion/share=1", 2))
    folder = f"{world.models}/{row['variant']}/seed-0/fold-02"
    rows = world.segments.to_table().to_pylist()
    segments = np.array([r["segments"] for r in rows if r["utterance_id"] == row["utterance_id"]], np.float32)
    recogniser = load_avspnet(folder)
    np.testing.assert_allclose(recogniser(segments.reshape(-1, 20, 20)), row["probabilities"], atol=1e-5)
    assert recogniser.classes == ("low", "high")
    card = json.loads((tmp_path / "models/front_ends/proxy_arousal/seed-0/card.json").read_text())
    (tmp_path / "models/front_ends/proxy_arousal/seed-0/card.json").write_text(json.dumps(card | {"key": "other"}))
    with pytest.raises(ValueError, match="its front end was trained anew since"):
        load_avspnet(folder)
