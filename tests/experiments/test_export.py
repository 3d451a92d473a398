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
from semiser.experiments.export import export, export_submission
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


def test_emobox_gets_the_lines_of_every_fold(tmp_path):
    export(_tree(tmp_path), "e", tmp_path / "out", "emobox")
    folder = tmp_path / "out" / "train_x_dnn-mmd_seed-0"
    (line,) = (folder / "fold_1" / "c_test_fold_1.jsonl").read_text().splitlines()
    known = {"key": "2", "dataset": "c", "wav": "/sound/2.wav", "emo": "anger", "label": "Angry", "pred": "Joy"}
    assert json.loads(line) == known
    assert json.loads((folder / "label_map.json").read_text()) == {"anger": "Angry", "joy": "Joy"}


def test_poleval_gets_a_class_a_line(tmp_path):
    export(_tree(tmp_path), "e", tmp_path / "out", "poleval")
    folder = tmp_path / "out" / "train_x_dnn-mmd_seed-0" / "fold-0"
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert found == {"in.tsv": "c\t2.wav\n", "expected.tsv": "anger\n", "out.tsv": "joy\n"}


def test_a_submission_has_the_order_of_the_challenge(tmp_path):
    tree = _tree(tmp_path)
    inputs = tmp_path / "in.tsv"
    inputs.write_text("nemo\tb.flac\nnemo\ta.flac\n")
    with pytest.raises(FileNotFoundError, match=r"predict.input=<folder of the files>"):
        export_submission(tree, "e", tmp_path / "out", inputs)
    rows = [
        {"path": f"{place}.flac", "prediction": said} for place, said in (("x/a", "joy"), ("b", "fear"), ("c", None))
    ]
    path = tree.data / "07_model_output/e/predict/predictions.parquet"
    _put(path, rows, pa.schema([("path", pa.string()), ("prediction", pa.string())]))
    (made,) = export_submission(tree, "e", tmp_path / "out", inputs)
    assert made.read_text() == "fear\njoy\n"
    inputs.write_text("nemo\tc.flac\n")
    with pytest.raises(ValueError, match=r"line 1: c.flac has no prediction"):
        export_submission(tree, "e", tmp_path / "other", inputs)
    inputs.write_text("c.flac\n")
    with pytest.raises(ValueError, match=r"expected a corpus, a tab and a file, found 'c.flac'"):
        export_submission(tree, "e", tmp_path / "other", inputs)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("kind", ["csv", "audformat"])
def test_settings_of_a_variant_and_their_folds_stay_apart(tmp_path, kind):
    """As the benchmark has them: two budgets of one method on the same utterances."""
    tree = _tree(tmp_path)
    for name in ("05_model_input/e/train_x/folds.parquet", "07_model_output/e/train_x/dnn+mmd.parquet"):
        table = pq.read_table(tree.data / name)
        again = table.to_pylist()
        for row in again:
            row["experiment"] = "e/share=1"
            if "variant" in row:
                row["variant"] = "dnn+mmd/share=1"
        more = pa.Table.from_pylist(again, table.schema)
        pq.write_table(pa.concat_tables([table, more]).replace_schema_metadata(table.schema.metadata), tree.data / name)
    export(tree, "e", tmp_path / "out", kind)
    if kind == "csv":
        folds = pd.read_csv(tmp_path / "out" / "train_x_folds.csv")
        assert folds["experiment"].tolist() == ["e"] * 3 + ["e/share=1"] * 3
    else:
        tables = audformat.Database.load(str(tmp_path / "out"), num_workers=1).tables
        assert {"train_x.dnn-mmd.seed-0.fold-0", "train_x.dnn-mmd-share-1.seed-0.fold-0"} < set(tables)
        assert {"train_x.e.fold-0.test", "train_x.e-share-1.fold-0.test"} < set(tables)


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
