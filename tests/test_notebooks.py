"""The notebooks run over tiny made-up outputs, say what to run where there are none, and are kept without outputs."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_project import write_project

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.evaluation.report import PREDICTIONS_SCHEMA
from semiser.evaluation.tasks import evaluate_tasks
from semiser.shards.store import ShardFolder
from semiser.shards.table import Receipt, ShardedTable

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ("01_explore_features", "02_compare_systems", "03_own_data", "04_shards")
EMOTIONS = ("anger", "sadness")


def _run(name, folder, **settings):
    """The executed notebook, in the folder `notebooks` of a project; `settings` are put in the place of its own."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    own = next(cell for cell in book.cells if cell.cell_type == "code")
    for setting, value in settings.items():
        own.source, found = re.subn(rf"^{setting} = .*$", f"{setting} = {value}", own.source, flags=re.MULTILINE)
        assert found == 1
    (folder / "notebooks").mkdir(exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    try:
        return nbclient.NotebookClient(
            book, timeout=120, resources={"metadata": {"path": str(folder / "notebooks")}}
        ).execute()
    finally:
        os.environ.pop("PYTHONPATH")
        os.environ |= {"PYTHONPATH": before} if before is not None else {}


def _text(book):
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    plain = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join(plain), sum("image/png" in output.get("data", {}) for output in outputs)


def _utterances():
    names = [(speaker, number) for speaker in "abc" for number in range(4)]
    return [
        {
            "utterance_id": f"tiny/{speaker}{number}",
            "corpus": "tiny",
            "speaker_id": f"tiny/{speaker}",
            "duration_s": 1.0 + number,
            "audio_path": f"{speaker}{number}.wav",
            "emotion": EMOTIONS[number % 2],
        }
        for speaker, number in names
    ]


def _write_features(folder):
    rows = _utterances()
    path = folder / "data/02_intermediate/demo/utterances.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, UTTERANCES_SCHEMA), path)
    names = json.dumps(["tells", "noise", "constant"])
    schema = pa.schema(
        [pa.field("utterance_id", pa.string()), pa.field("is10", pa.list_(pa.float32(), 3), metadata={"names": names})]
    )
    shards = ShardFolder(str(folder / "data/04_feature/is10/digest"))
    random = np.random.default_rng(0)
    with shards.shard("tiny/00000", schema, {"key": "k"}) as shard:
        for row in rows:
            value = 5.0 * (row["emotion"] == "anger") + random.normal()
            shard.add({"utterance_id": row["utterance_id"], "is10": np.array([value, random.normal(), 1.0])})
    table = ShardedTable(str(folder / "data/03_primary/demo/is10.json"))
    table.commit(Receipt(shards.path, {"family": "is10"}, [shard.report]))


def _write_results(folder, pipeline="train_mmmd", setting=""):
    rows = [
        {"experiment": "tiny", "variant": variant + setting, "seed": 0, "fold": "abc".index(row["speaker_id"][-1]),
         "utterance_id": row["utterance_id"], "speaker_id": row["speaker_id"], "target": row["emotion"],
         "prediction": row["emotion"] if variant == "dnn" else EMOTIONS[0]}
        for variant in ("dnn", "svm") for row in _utterances()
    ]  # fmt: skip
    predictions = pa.Table.from_pylist(rows, PREDICTIONS_SCHEMA)
    output, reporting = (folder / "data" / place / "demo" / pipeline for place in ("07_model_output", "08_reporting"))
    output.mkdir(parents=True)
    pq.write_table(predictions, output / "all.parquet")
    reporting.mkdir(parents=True)
    protocol = {"corpora": {"tiny": {}}, "classes": EMOTIONS}
    if setting:
        protocol = {"tasks": {"emotion": protocol}}
    metrics = evaluate_tasks(predictions, protocol, lambda variants: None)
    (reporting / "metrics.json").write_text(json.dumps(metrics))


def test_exploring_features_shows_what_tells_emotions_apart(tmp_path):
    _write_features(tmp_path)
    text, pictures = _text(_run("01_explore_features", tmp_path))
    assert "12 labelled utterances with 3 features of is10" in text
    assert pictures == 3
    ranked = text[text.index("F\n") :]
    assert ranked.index("tells") < ranked.index("noise") and "constant" not in ranked


def test_comparing_systems_says_who_is_ahead(tmp_path):
    _write_results(tmp_path)
    _write_results(tmp_path, "train_avspnet", "/task=emotion/share=1")
    text, pictures = _text(_run("02_compare_systems", tmp_path))
    assert "tiny: dnn, UAR 1.000." in text
    assert "tiny task=emotion/share=1: dnn/task=emotion/share=1, UAR 1.000." in text
    assert "svm - dnn" in text and pictures == 2
    assert "another corpus" in text


def test_own_data_are_trained_on_and_new_speech_is_predicted(tmp_path):
    project = write_project(tmp_path / "project", {})
    shutil.copytree(project / "corpus", tmp_path / "new", ignore=shutil.ignore_patterns("*.csv", "b*", "c*"))
    places = {"LABELLED": f"Path({str(project / 'corpus')!r})", "NEW_SPEECH": f"Path({str(tmp_path / 'new')!r})"}
    text, _ = _text(_run("03_own_data", project, **places))
    assert "train_mmmd:" in text and "UAR" in text and "rows: spoken" in text
    assert "18 utterances of 3 speakers" in text and "0 without a prediction" in text
    assert (project / "conf/notebook/parameters.yml").is_file()


def test_shards_read_alike_by_pandas_polars_and_duckdb(tmp_path):
    pytest.importorskip("polars")
    pytest.importorskip("duckdb")
    _write_features(tmp_path)
    text, _ = _text(_run("04_shards", tmp_path))
    assert "1 shards, 3 values per utterance, the first are tells, noise, constant" in text
    assert all(float(found) < 1e-5 for found in re.findall(r"by at most (\S+)", text)) and text.count("by at most") == 2


@pytest.mark.parametrize(
    "name, command", [(NOTEBOOKS[0], "ingest"), (NOTEBOOKS[1], "train_mmmd"), (NOTEBOOKS[3], "features")]
)
def test_without_outputs_a_notebook_says_which_command_makes_them(name, command, tmp_path):
    nbclient = pytest.importorskip("nbclient")
    with pytest.raises(nbclient.exceptions.CellExecutionError, match=f"kedro run --pipelines={command}"):
        _run(name, tmp_path)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_kept_without_outputs(name):
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
