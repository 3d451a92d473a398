"""CMKT's pipeline and sweeps on a dozen utterances, and CH-SIMS in small from mp4 to the table."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch
from helpers import committed, voice
from system_runs import run_system

from semiser.corpora.options import IngestOptions
from semiser.demo.clips import draw_frames, write_clip
from semiser.demo.faces import random_identity
from semiser.options.audio_features import StftOptions
from semiser.options.face_features import EXPRESSIONS, ExpressionOptions, MobileNetOptions
from semiser.options.features import FeaturesOptions
from semiser.options.training import TrainingOptions
from semiser.systems.cmkt.options import PUBLISHED, VARIANTS, TrainCmktOptions
from semiser.systems.cmkt.sweeps import CmktSweepsOptions
from semiser.training.run import TrainingRun

CPU = TrainingOptions(accelerator="cpu")
TINY = {
    "network": {"blocks": 1, "heads": 2, "hidden": 8, "feedforward": 8, "mlp": 8},
    "optimisation": {"epochs": 2, "batch_size": 4},
    "pool_frames": 2,
    "threshold": 0.4,
}


def _options(**changes) -> TrainCmktOptions:
    folds = {"experiment": "e", "corpora": ["c"], "classes": ["low", "high"], "validation": {"kind": "none"}}
    folds["label_budget"] = {"share": 0.5}
    return TrainCmktOptions(**{"folds": folds, "visual": {"kind": "simulated"}} | TINY | changes)


@pytest.fixture
def tables(tmp_path):
    """Speakers a and b, eight utterances each; of fbank two to five frames of 3 bands."""
    ids = [f"c/{speaker}{n}" for speaker in "ab" for n in range(8)]
    utterances = pa.table(
        {
            "utterance_id": ids,
            "corpus": ["c"] * 16,
            "speaker_id": [name[:3] for name in ids],
            "emotion": ["low", "high"] * 8,
        }
    )
    random = np.random.default_rng(0)
    frames = random.integers(2, 6, 16)
    field = pa.field("fbank", pa.list_(pa.float32()), metadata={"shape": json.dumps([None, 3])})
    schema = pa.schema([pa.field("utterance_id", pa.string()), pa.field("frames", pa.int32()), field])
    values = [random.normal(5, 2, 3 * count).astype(np.float32) for count in frames]
    pq.write_table(pa.table([ids, pa.array(frames, pa.int32()), values], schema=schema), tmp_path / "fbank.parquet")
    return {"utterances": utterances, "fbank": pa.dataset.dataset(str(tmp_path / "fbank.parquet"))}


@pytest.mark.parametrize("scaling", ["none", "speaker"])
def test_variants_that_are_not_named_give_empty_tables(tables, tmp_path, scaling):
    options = _options(input="fbank", scaling=scaling, variants=["supervised", "fixmatch", "consistent_random"])
    made = run_system("cmkt", tables, options, tmp_path)
    assert [name for name in VARIANTS if len(made[f"{name}_predictions"])] == list(options.variants)
    metrics = made["train_cmkt_metrics"]
    assert list(metrics["variants"]) == made["metrics_table"]["variant"].tolist() == list(options.variants)
    assert metrics["protocol"]["scaling"] == scaling
    assert metrics["protocol"]["visual"]["warning"].startswith("SIMULATED")
    assert set(metrics["paired"]) == {
        "consistent_random - supervised",
        "consistent_random - fixmatch",
        "fixmatch - supervised",
    }
    counts, figure = made["pseudo_labels_table"], made["pseudo_labels_figure"]
    assert set(counts["variant"]) == {"fixmatch", "consistent_random"} and len(figure.axes) == 4
    assert counts.groupby(["variant", "epoch"])["seen"].sum().tolist() == [8] * 4  # 4 in each of 2 folds
    assert (counts["known"] == counts["kept"]).all()
    assert len(made["curves_figure"].axes) == 3  # loss, unlabelled loss, share kept


@pytest.mark.parametrize("same", [False, True])
def test_every_variant_may_get_the_utterances_with_knowledge_alone(tables, tmp_path, same):
    """Every other utterance of a and b shows contempt, which has no class; half of the training labels are hidden."""
    anger, contempt = [0, 0, 0, 0, 1.0, 0, 0, 0], [0] * 7 + [1.0]
    faces = pa.array([anger, contempt] * 8)
    given = tables | {"utterances": tables["utterances"].append_column("visual_probabilities", faces)}
    knowledge = {"visual": {"kind": "published"}, "class_map": {"anger": "low"}, "unlabelled_with_knowledge": same}
    options = _options(input="fbank", variants=["fixmatch", "cmkt_labels"], **knowledge)
    made = run_system("cmkt", given, options, tmp_path)
    counts = made["pseudo_labels_table"]
    seen = counts[counts["epoch"] == 0].groupby("variant")["seen"].sum().to_dict()
    with_knowledge = made["protocol"]["visual"]["with_knowledge"]
    unlabelled = sum(fold["utterances"]["unlabelled"] for fold in made["protocol"]["folds"])
    assert seen["cmkt_labels"] == with_knowledge < 8
    assert seen["fixmatch"] == unlabelled == (with_knowledge if same else 8)
    left_out = [entry for entry in made["protocol"]["left_out"] if "visual" in entry["reason"]]
    expected = {"corpus": "c", "reason": "unlabelled, without visual knowledge", "utterances": 8 - with_knowledge}
    assert left_out == ([expected] if same else [])


def test_hidden_labels_do_not_reach_the_training(tables, tmp_path):
    """With a face network's probabilities, other hidden labels give the same predictions and another precision."""
    faces = np.random.default_rng(1).dirichlet(np.ones(8), 16).tolist()
    given = tables | {"utterances": tables["utterances"].append_column("visual_probabilities", pa.array(faces))}
    class_map = {"anger": "low", "sadness": "low", "fear": "low", "neutral": "high", "happiness": "high"}
    class_map |= {"surprise": "high", "disgust": "low", "contempt": "high"}
    options = _options(input="fbank", visual={"kind": "published"}, class_map=class_map, variants=["consistent_random"])

    def swap(made):
        """Swap the hidden labels of the folds, once they are made."""
        folds = made.get("train_cmkt.folds")
        if folds is None or folds.schema.metadata.get(b"swapped"):
            return
        rows = folds.to_pylist()
        other = {"low": "high", "high": "low"}
        labels = [other[row["true_label"]] if row["role"] == "unlabelled" else row["label"] for row in rows]
        place = folds.schema.get_field_index("true_label")
        swapped = folds.set_column(place, "true_label", pa.array(labels, pa.string()))
        made["train_cmkt.folds"] = swapped.replace_schema_metadata({**folds.schema.metadata, b"swapped": b"yes"})

    found = [run_system("cmkt", given, options, tmp_path / str(how), change=how) for how in (None, swap)]
    for kind in ("predictions", "curves"):
        assert found[0][f"consistent_random_{kind}"].equals(found[1][f"consistent_random_{kind}"])
    tables_ = [made["pseudo_labels_table"] for made in found]
    correct = [(counts["correct"].sum(), counts["kept"].sum()) for counts in tables_]
    assert correct[0][0] + correct[1][0] == correct[0][1] == correct[1][1] > 0


def test_scaling_gives_each_speaker_mean_0_in_each_band_over_the_audio_frames(tables, tmp_path):
    options = _options(input="fbank", scaling="speaker", pool_frames=1)
    made = run_system("cmkt", tables, options, tmp_path, upto="experiment")
    features = made["experiment"].experiment().features
    audio = torch.arange(5) >= 5 - features.frames[:, None]
    for first in (0, 8):
        own = features.x[first : first + 8][audio[first : first + 8]]
        torch.testing.assert_close(own.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
        torch.testing.assert_close(own.std(0, correction=0), torch.ones(3))
    assert not features.x[~audio].any() and features.shape == (555, 3)


def test_an_input_whose_family_is_off_is_named(tables, tmp_path):
    with pytest.raises(ValueError, match=r"train_cmkt\.input needs the features wav2vec, which were not extracted"):
        run_system("cmkt", tables, _options(input="wav2vec"), tmp_path, upto="folds")


def test_any_family_of_frames_is_an_input_and_a_vector_is_refused(tables, tmp_path):
    field = pa.field("egemaps_lld", pa.list_(pa.float32()), metadata={"shape": json.dumps([None, 3])})
    names = ["utterance_id", "frames", "egemaps_lld"]
    frames = tables["fbank"].to_table().rename_columns(names)
    frames = frames.cast(pa.schema([frames.schema.field("utterance_id"), frames.schema.field("frames"), field]))
    pq.write_table(frames, tmp_path / "lld.parquet")
    given = {"utterances": tables["utterances"], "egemaps_lld": pa.dataset.dataset(str(tmp_path / "lld.parquet"))}
    made = run_system("cmkt", given, _options(input="egemaps_lld", variants=["fixmatch"]), tmp_path)
    assert made["fixmatch_predictions"].num_rows == 16
    vectors = pa.table({"utterance_id": tables["utterances"]["utterance_id"]})
    given = {"utterances": tables["utterances"], "speech_encoder": pa.dataset.dataset(vectors)}
    with pytest.raises(
        ValueError, match=r"input names speech_encoder, .* set features\.speech_encoder\.pooling to frames"
    ):
        run_system("cmkt", given, _options(input="speech_encoder"), tmp_path, upto="folds")


def test_scaling_by_speaker_does_not_go_with_a_stream(tables, tmp_path):
    options = _options(input="fbank", scaling="speaker", memory_mib=0, variants=["supervised"])
    with pytest.raises(ValueError, match="needs all utterances in memory: they take 0 MiB, memory_mib is 0"):
        run_system("cmkt", tables, options, tmp_path, upto="supervised_predictions")


def test_a_sweep_trains_each_setting_and_draws_them(tables, tmp_path):
    sweeps = CmktSweepsOptions(epsilon=[0, 1], epochs=1)
    made = run_system("cmkt", tables, _options(input="fbank"), tmp_path, sweeps=sweeps, upto="epsilon_figure")
    names = ["consistent_random/epsilon=0", "consistent_random/epsilon=1"]
    assert made["epsilon_table"]["variant"].tolist() == names
    assert made["epsilon_metrics"]["protocol"]["visual"]["kind"] == "simulated"
    axis = made["epsilon_figure"].axes[0]
    assert axis.get_xlabel() == "epsilon" and "uar" in axis.get_title()


SENTIMENT_OF = {"happiness": 0.8, "sadness": -0.6, "neutral": 0.0}
LEVELS = [
    {"name": "negative", "up_to": -0.1, "inclusive": False},
    {"name": "neutral", "up_to": 0.1},
    {"name": "positive", "up_to": 1.0},
]


def _write_ch_sims(root):
    """12 clips of half a second, drawn faces with a voice: 6 train, 3 validate, 3 test."""
    lines = [["video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode"]]
    for number in range(12):
        face = list(SENTIMENT_OF)[number % 3]
        mode = "train" if number < 6 else "valid" if number < 9 else "test"
        path = root / "Raw" / f"video_{number:04d}" / "0001.mp4"
        path.parent.mkdir(parents=True)
        sound = voice(0.5, pitch_hz=110 + 40 * (number % 3), seed=number)
        write_clip(path, draw_frames(sound, face, random_identity(number), np.random.default_rng(number)), sound)
        score = SENTIMENT_OF[face]
        lines.append([path.parent.name, "0001", "好", score, score, score, score, "", mode])
    with (root / "label.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


def _save_network(folder):
    """An untrained expression network, as train_faces would leave it."""
    from semiser.faces.network import build_expression_network

    torch.manual_seed(0)
    options = MobileNetOptions(input_size=32, stem_channels=4, stages=((1, 4, 1, 1),), last_channels=8, divisor=4)
    network = build_expression_network(options, len(EXPRESSIONS))
    card = {
        "network": options.model_dump(mode="json"),
        "classes": EXPRESSIONS,
        "num_features": network.num_features,
    }
    TrainingRun(folder, 0, CPU, "k").save_model(network.state_dict(), card)
    return folder


class _Inline:
    """An engine without workers, whose start would take longer than their work."""

    def map(self, function, tasks, pool):
        return ((task, function(task)) for task in tasks)


def test_ch_sims_in_small_goes_from_mp4_to_the_table(tmp_path):
    from semiser.features.registry import AUDIO, VIDEO, make_families
    from semiser.pipelines.ingest.nodes import ingest_corpora
    from semiser.shards.extract import extract_group

    _write_ch_sims(tmp_path / "ch_sims")
    corpus = {"reader": "ch_sims", "root": str(tmp_path / "ch_sims"), "expected": {"utterances": 12}}
    *batches, _ = ingest_corpora(IngestOptions(corpora={"ch_sims": corpus}))
    utterances, quarantine = (reader.read_all() for reader in batches)
    assert (utterances.num_rows, quarantine.num_rows) == (12, 0)
    chosen = {"stft": StftOptions(), "expression": ExpressionOptions(weights=str(_save_network(tmp_path / "network")))}
    features = FeaturesOptions(extract=tuple(chosen), **chosen)
    tables = {}
    for group in (AUDIO, VIDEO):
        families, store = make_families(group, features), str(tmp_path / "features")
        receipts = extract_group(families, store, utterances, {"ch_sims": corpus["root"]}, _Inline(), features.shards)
        tables |= {receipt.facts["family"]: committed(receipt, store) for receipt in receipts}
    data = {"utterances": utterances} | {name: tables[name].dataset() for name in chosen}
    folds = {
        "experiment": "ch_sims",
        "corpora": ["ch_sims"],
        "target": "sentiment",
        "discretise": {"kind": "levels", "levels": LEVELS},
        "protocol": {"kind": "official_split", "validation": "valid"},
        "validation": {"kind": "none"},
        "label_budget": {"per_class": 1},
    }
    options = TrainCmktOptions(folds=folds, select="validation", **TINY | {"pool_frames": 8})
    made = run_system("cmkt", data, options, tmp_path / "models")
    assert made["metrics_table"]["variant"].tolist() == list(PUBLISHED) and len(made["confusion_figure"].axes) == 9
    protocol = made["train_cmkt_metrics"]["protocol"]
    assert protocol["classes"] == ["negative", "neutral", "positive"]
    assert (protocol["visual"]["unlabelled_utterances"], protocol["visual"]["with_knowledge"]) == (3, 3)
    assert protocol["test"]["utterances"] == 3
    assert made["pseudo_labels_table"].groupby(["variant", "epoch"])["seen"].sum().eq(3).all()
