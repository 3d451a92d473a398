"""MMMD's pipeline and sweeps on a dozen utterances with all modalities."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest
from system_runs import run_system

from semiser.features.spectra import frames_fields
from semiser.reporting.compare import compare
from semiser.systems.mmmd.options import VARIANTS, TrainMmmdOptions
from semiser.systems.mmmd.sweeps import MmmdSweepsOptions

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
    return {"utterances": utterances, "is10": is10, "word2vec": word2vec, "social": social}


def _table(ids, **columns):
    fields, arrays = [pa.field("utterance_id", pa.string())], [pa.array(ids)]
    for name, (values, names) in columns.items():
        fields.append(pa.field(name, pa.list_(pa.float32(), len(names)), metadata={"names": json.dumps(names)}))
        arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(values.astype(np.float32).ravel()), len(names)))
    return pa.dataset.dataset(pa.table(arrays, schema=pa.schema(fields)))


def test_modalities_stand_side_by_side_and_one_hot_vectors_stay_as_they_are(tables, tmp_path):
    made = run_system("mmmd", tables, _options(), tmp_path, upto="experiment")
    experiment = made["experiment"].experiment()
    assert experiment.features.ranges == {"is10": (0, 3), "word2vec": (3, 5), "query_topic": (5, 7), "accent": (7, 10)}
    assert experiment.features.as_is == {"query_topic", "accent"}
    assert experiment.features.x[0, 5:].tolist() == [1, 0, 1, 0, 0]
    assert experiment.features.names[4:6] == ("t1", "chat")
    assert sorted(set(made["folds"]["role"].to_pylist())) == ["acted", "test", "train", "unlabelled"]


@pytest.mark.parametrize("modalities", [["acoustic"], ["text"], ["acoustic", "text"], ["acoustic", "text", "social"]])
def test_every_set_of_modalities_trains(tables, tmp_path, modalities):
    options = _options(modalities=modalities, variants=["mmmd_epoch_wise"])
    made = run_system("mmmd", tables, options, tmp_path)
    assert made["mmmd_epoch_wise_predictions"].num_rows == 6
    assert set(made["mmmd_epoch_wise_curves"]["variant"].to_pylist()) == {"mmmd_epoch_wise"}
    row = made["mmmd_epoch_wise_models"][0]
    card = json.loads((tmp_path / "train_mmmd" / row["folder"] / "card.json").read_text())
    assert list(card["features"]) == list(options.columns) and card["key"] == row["key"]


def test_any_family_is_a_modality_frames_by_their_statistics(tables, tmp_path):
    ids = tables["utterances"]["utterance_id"].to_pylist()
    random = np.random.default_rng(1)
    egemaps = _table(ids, egemaps=(random.normal(size=(12, 2)), ["loudness_sma3_amean", "mfcc1_sma3_amean"]))
    _, series = frames_fields("fbank", 2)
    schema = pa.schema([pa.field("utterance_id", pa.string()), series])
    frames = [random.normal(size=2 * (1 + place % 3)).astype(np.float32) for place in range(12)]
    fbank = pa.dataset.dataset(pa.table([pa.array(ids), pa.array(frames, series.type)], schema=schema))
    options = _options(modalities=["acoustic", "egemaps", "fbank", "text"], variants=["svm", "mmmd_without_acted"])
    made = run_system("mmmd", tables | {"egemaps": egemaps, "fbank": fbank}, options, tmp_path)
    assert made["svm_predictions"].num_rows == made["mmmd_without_acted_predictions"].num_rows == 6
    row = made["mmmd_without_acted_models"][0]
    card = json.loads((tmp_path / "train_mmmd" / row["folder"] / "card.json").read_text())
    assert {name: len(values) for name, values in card["features"].items()} == {
        "is10": 3, "egemaps": 2, "fbank": 4, "word2vec": 2
    }  # fmt: skip
    assert card["families"]["fbank"]["pooling"] == {"statistics": ["mean", "std"], "time_axis": 0}


def test_a_modality_whose_family_is_off_is_named_and_others_do_not_need_it(tables, tmp_path):
    without = tables | {"word2vec": None}
    with pytest.raises(
        ValueError, match=r"train_mmmd\.modalities needs the features word2vec, which were not extracted"
    ):
        run_system("mmmd", without, _options(), tmp_path, upto="folds")
    assert len(run_system("mmmd", without, _options(modalities=["acoustic"]), tmp_path, upto="folds")["folds"])


def test_variants_that_are_not_named_give_empty_tables(tables, tmp_path):
    made = run_system("mmmd", tables, _options(variants=["svm", "mmd"]), tmp_path)
    assert {name for name in VARIANTS if len(made[f"{name}_predictions"])} == {"svm", "mmd"}
    assert list(made["train_mmmd_metrics"]["variants"]) == ["svm", "mmd"] == made["metrics_table"]["variant"].tolist()
    assert made["protocol"]["modalities"] == ("acoustic", "text", "social")
    assert [(row["variant"], row["fold"]) for row in made["train_mmmd_models"]] == [
        (name, fold) for name in ("svm", "mmd") for fold in (0, 1)
    ]


def test_features_are_read_once_for_all_variants(tables, tmp_path, monkeypatch):
    from semiser.data import streamed

    read, calls = streamed.read_vectors, []
    monkeypatch.setattr(streamed, "read_vectors", lambda *given: calls.append(1) or read(*given))
    run_system("mmmd", tables, _options(variants=["svm", "dnn", "mmd"]), tmp_path)
    assert len(calls) == 1


def test_a_sweep_trains_each_setting_and_draws_them(tables, tmp_path):
    sweeps = MmmdSweepsOptions(temperature=[1, 0.5], epochs=1)
    made = run_system("mmmd", tables, _options(), tmp_path, sweeps=sweeps, upto="temperature_figure")
    names = ["mmmd_epoch_wise/temperature=1", "mmmd_epoch_wise/temperature=0.5"]
    assert made["temperature_table"]["variant"].tolist() == names
    axis = made["temperature_figure"].axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1", "0.5"] and axis.get_xlabel() == "temperature"


def test_a_sweep_over_modalities_reads_those_of_each_setting(tables, tmp_path):
    sets = {"acoustic": {"modalities": ["acoustic"]}, "text": {"modalities": ["text"]}}
    sweeps = MmmdSweepsOptions(epochs=1, modalities=sets)
    made = run_system("mmmd", tables, _options(), tmp_path, sweeps=sweeps, upto="modalities_table")
    names = ["mmmd_epoch_wise/modalities=acoustic", "mmmd_epoch_wise/modalities=text"]
    assert made["modalities_table"]["variant"].tolist() == names
    cards = [json.loads(path.read_text())["features"] for path in sorted(tmp_path.rglob("card.json"))]
    assert {tuple(card) for card in cards} == {("is10",), ("word2vec",)}


def test_sets_of_modalities_are_trained_in_one_run_and_each_has_its_figures(tables, tmp_path):
    options = _options(modality_sets=[["acoustic"], ["text"], ["acoustic", "text"]], variants=["svm", "mmd"])
    made = run_system("mmmd", tables, options, tmp_path)
    metrics = made["train_mmmd_metrics"]
    sets = ("acoustic", "text", "acoustic+text")
    names = [f"{name}/modalities={chosen}" for name in ("svm", "mmd") for chosen in sets]
    assert list(metrics["variants"]) == names and "modalities" not in metrics["protocol"]
    beside = {row.setting: ours.variant for row, ours in compare("mmmd", [metrics]) if ours and row.metric == "uar"}
    assert beside == {name.split("/")[1]: name for name in names[3:]}
    cards = {row["variant"]: tmp_path / "train_mmmd" / row["folder"] / "card.json" for row in made["mmd_models"]}
    assert list(json.loads(cards["mmd/modalities=text"].read_text())["features"]) == ["word2vec"]
