"""Nodes of train_mmmd and mmmd_sweeps on a dozen utterances with all modalities."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest

from semiser.options.training import TrainingOptions
from semiser.pipelines.mmmd_sweeps.nodes import evaluate_sweep, sweep_trainer
from semiser.pipelines.train_mmmd.nodes import (
    evaluate_variants,
    make_mmmd_folds,
    mmmd_experiment,
    modality_tables,
    neural_trainer,
    train_svm,
)
from semiser.systems.mmmd.options import VARIANTS, TrainMmmdOptions
from semiser.systems.mmmd.sweeps import MmmdSweepsOptions

CPU = TrainingOptions(accelerator="cpu")
TINY = {"epochs": 1, "hidden": [4, 4], "pooled": 16}


def _options(**changes) -> TrainMmmdOptions:
    folds = {"experiment": "e", "corpora": ["c"], "classes": ["low", "high"], "validation": {"kind": "none"}}
    acted = [{"corpus": "p", "emotions": {"low": "low", "high": "high"}}]
    given = {"folds": folds | {"acted": acted}, "modalities": ["acoustic", "text", "social"], "mmd": TINY}
    return TrainMmmdOptions(**given | {"dnn": TINY | {"grouping": "joint"}, "sae": {"epochs": 1}} | changes)


@pytest.fixture
def tables():
    """Speakers a, b of corpus c and p of the acted corpus p, four utterances each; the third of each is unlabelled."""
    ids = [f"{corpus}/{speaker}{n}" for corpus, speaker in (("c", "a"), ("c", "b"), ("p", "p")) for n in range(4)]
    utterances = pa.table(
        {
            "utterance_id": ids,
            "corpus": [name[0] for name in ids],
            "speaker_id": [name[:3] for name in ids],
            "emotion": ["low", "high", None, "high"] * 3,
        }
    )
    random = np.random.default_rng(0)
    names = [f"pcm_loudness_{n}" for n in range(3)]
    is10 = _table(ids, is10=(random.normal(size=(12, 3)), names))
    word2vec = _table(ids, word2vec=(random.normal(size=(12, 2)), ["t0", "t1"]))
    topic, accent = np.eye(2)[[0, 1] * 6], np.eye(3)[[0, 1, 2] * 4]
    social = _table(ids, query_topic=(topic, ["chat", "other"]), accent=(accent, ["x", "y", "z"]))
    return utterances, is10, word2vec, social


def _table(ids, **columns):
    fields, arrays = [pa.field("utterance_id", pa.string())], [pa.array(ids)]
    for name, (values, names) in columns.items():
        fields.append(pa.field(name, pa.list_(pa.float32(), len(names)), metadata={"names": json.dumps(names)}))
        arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).ravel()), len(names)))
    return pa.dataset.dataset(pa.table(arrays, schema=pa.schema(fields)))


def test_modalities_stand_side_by_side_and_one_hot_vectors_stay_as_they_are(tables, tmp_path):
    options = _options()
    folds = make_mmmd_folds(*tables, options)
    experiment = mmmd_experiment(folds, *tables, options, str(tmp_path))
    assert experiment.features.ranges == {"is10": (0, 3), "word2vec": (3, 5), "query_topic": (5, 7), "accent": (7, 10)}
    assert experiment.features.as_is == {"query_topic", "accent"}
    assert experiment.features.x[0, 5:].tolist() == [1, 0, 1, 0, 0]
    assert experiment.features.names[4:6] == ("t1", "chat")
    assert sorted(set(folds["role"].to_pylist())) == ["acted", "test", "train", "unlabelled"]


@pytest.mark.parametrize("modalities", [["acoustic"], ["text"], ["acoustic", "text"], ["acoustic", "text", "social"]])
def test_every_set_of_modalities_trains(tables, tmp_path, modalities):
    options = _options(modalities=modalities, variants=["mmmd_epoch_wise"])
    folds = make_mmmd_folds(*tables, options)
    predictions, curves = neural_trainer("mmmd_epoch_wise")(folds, *tables, options, CPU, str(tmp_path))
    assert predictions.num_rows == 6 and set(curves["variant"].to_pylist()) == {"mmmd_epoch_wise"}
    card = json.loads((tmp_path / "mmmd_epoch_wise/seed-0/fold-00/card.json").read_text())
    assert list(card["features"]) == list(options.columns)


def test_a_modality_whose_family_is_off_is_named_and_others_do_not_need_it(tables):
    _, is10, _, social = tables
    with pytest.raises(ValueError, match=r"acoustic, text, social, but features\.word2vec is switched off"):
        modality_tables(is10, None, social, _options())
    assert list(modality_tables(is10, None, None, _options(modalities=["acoustic"]))) == ["is10"]


def test_variants_that_are_not_named_give_empty_tables(tables, tmp_path):
    options = _options(variants=["svm", "mmd"])
    folds = make_mmmd_folds(*tables, options)
    found = {name: neural_trainer(name)(folds, *tables, options, CPU, str(tmp_path))[0] for name in VARIANTS[1:]}
    assert {name for name, table in found.items() if len(table)} == {"mmd"}
    svm = train_svm(folds, *tables, options, CPU, str(tmp_path))
    metrics, table, _ = evaluate_variants(folds, options, svm, *found.values())
    assert list(metrics["variants"]) == ["svm", "mmd"] == table["variant"].tolist()
    assert metrics["protocol"]["modalities"] == ("acoustic", "text", "social")


def test_a_sweep_trains_each_setting_and_draws_them(tables, tmp_path):
    options, sweeps = _options(), MmmdSweepsOptions(temperature=[1, 0.5], epochs=1)
    folds = make_mmmd_folds(*tables, options)
    predictions = sweep_trainer("temperature")(folds, *tables, options, CPU, str(tmp_path), sweeps)
    table, figure = evaluate_sweep(folds, predictions)
    assert table["variant"].tolist() == ["mmmd_epoch_wise/temperature=1", "mmmd_epoch_wise/temperature=0.5"]
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert labels == ["1", "0.5"] and figure.axes[0].get_xlabel() == "temperature"
