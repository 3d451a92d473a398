"""Folds and predictions for other tools, of tables made here."""

import json
from pathlib import Path

import audformat
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.evaluation.report import PREDICTIONS_SCHEMA
from semiser.experiments.export import export
from semiser.experiments.tree import Tree
from semiser.folds.table import FOLDS_SCHEMA

_SEGMENTS = {"c/1": (None, None), "c/2": (0.5, 1.25), "c/3": (None, None)}


def _put(path: Path, rows: list[dict], schema: pa.Schema, **metadata: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table.replace_schema_metadata({name: json.dumps(value) for name, value in metadata.items()}), path)


def _tree(root: Path) -> Tree:
    data = root / "data"
    utterances = [
        {"utterance_id": name, "corpus": "c", "audio_path": f"{name[-1]}.wav", "start_s": start, "end_s": end,
         "speaker_id": f"c/s{name[-1]}"}
        for name, (start, end) in _SEGMENTS.items()
    ]  # fmt: skip
    _put(data / "02_intermediate/e/utterances.parquet", utterances, UTTERANCES_SCHEMA)
    (data / "02_intermediate/e/ingest_summary.json").write_text('{"c": {"root": "/sound/"}}')
    roles = (("c/1", "train", "joy", "joy"), ("c/2", "test", "anger", "anger"), ("c/3", "unlabelled", None, "joy"))
    folds = [
        {"experiment": "e", "fold": 0, "utterance_id": name, "role": role, "label": label, "true_label": true}
        for name, role, label, true in roles
    ]
    _put(data / "05_model_input/e/train_x/folds.parquet", folds, FOLDS_SCHEMA)
    predicted = [
        {"experiment": "e", "variant": "dnn+mmd", "seed": 0, "fold": 0, "utterance_id": "c/2", "speaker_id": "c/s2",
         "target": "anger", "prediction": "joy", "probabilities": [0.25, 0.75]}
    ]  # fmt: skip
    output = data / "07_model_output/e/train_x"
    _put(output / "dnn+mmd.parquet", predicted, PREDICTIONS_SCHEMA, classes=["anger", "joy"])
    _put(output / "dnn+mmd_curves.parquet", [], pa.schema([]))
    return Tree(reporting=data / "08_reporting", models=data / "06_models", features=None)


def test_csv_says_of_every_row_which_sound_it_is_about(tmp_path):
    files = export(_tree(tmp_path), "e", tmp_path / "out", "csv")
    assert [path.name for path in files] == ["train_x_dnn-mmd.csv", "train_x_folds.csv"]
    assert files[1].read_text().splitlines() == [
        "file,start,end,speaker,fold,role,utterance_id,label,true_label",
        "/sound/1.wav,,,c/s1,0,train,c/1,joy,joy",
        "/sound/2.wav,0.5,1.25,c/s2,0,test,c/2,anger,anger",
        "/sound/3.wav,,,c/s3,0,unlabelled,c/3,,joy",
    ]
    assert files[0].read_text().splitlines() == [
        "file,start,end,speaker,variant,seed,fold,utterance_id,target,prediction,probability_anger,probability_joy",
        "/sound/2.wav,0.5,1.25,c/s2,dnn+mmd,0,0,c/2,anger,joy,0.25,0.75",
    ]


def test_the_audformat_database_loads_with_its_splits_and_raters(tmp_path):
    export(_tree(tmp_path), "e", tmp_path / "out", "audformat")
    database = audformat.Database.load(str(tmp_path / "out"), num_workers=1)
    assert sorted(database.tables) == [
        "train_x.dnn-mmd.seed-0.fold-0",
        "train_x.fold-0.test",
        "train_x.fold-0.train",
        "train_x.fold-0.unlabelled",
    ]
    train, unlabelled = (database[f"train_x.fold-0.{role}"] for role in ("train", "unlabelled"))
    assert train.split_id == "train" and train.get()["label"].to_dict() == {"/sound/1.wav": "joy"}
    assert unlabelled.get()["label"].isna().all() and unlabelled.get()["true_label"].tolist() == ["joy"]
    predicted = database["train_x.dnn-mmd.seed-0.fold-0"]
    (index,) = predicted.get().index
    assert index == ("/sound/2.wav", pd.Timedelta("0.5s"), pd.Timedelta("1.25s"))
    assert predicted.get()[["target", "prediction", "probability_joy"]].values.tolist() == [["anger", "joy", 0.75]]
    assert predicted["prediction"].rater_id == "model" and predicted["target"].rater_id is None


def test_nothing_is_written_over_and_nothing_half(tmp_path):
    tree = _tree(tmp_path)
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="name a new folder"):
        export(tree, "e", tmp_path / "out", "csv")
    with pytest.raises(FileNotFoundError, match="experiment 'f' has no utterances"):
        export(tree, "f", tmp_path / "new", "csv")
    (tmp_path / "data/05_model_input/e/train_x/folds.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="experiment 'e' has no folds: run it first"):
        export(tree, "e", tmp_path / "new", "csv")
    assert not (tmp_path / "new").exists()
