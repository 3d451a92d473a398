"""The project as Kedro sees it, in a folder of its own: what is registered, what is imported, what a run leaves."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pandas as pd
import pyarrow.parquet as pq
import pytest
from tiny_project import FOLDS, run_kedro, write_project

from semiser.pipeline_registry import register_pipelines


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    training = {"folds": FOLDS, "mmd": {"epochs": 2, "hidden": [8, 4]}, "modalities": ["acoustic"]}
    training["variants"] = ["svm", "mmd"]
    return write_project(tmp_path_factory.mktemp("project"), {"train_mmmd": training})


@pytest.fixture(scope="module")
def first_run(project):
    return run_kedro(project, "run")


def test_the_default_pipeline_goes_from_raw_corpus_to_metrics(project, first_run):
    assert first_run.returncode == 0, first_run.stderr
    assert "svm: UAR 1.000" in first_run.stderr
    assert "finished: " in first_run.stderr.splitlines()[-1]
    data = project / "data"
    metrics = json.loads((data / "08_reporting/tiny/train_mmmd/metrics.json").read_text())
    assert set(metrics["variants"]) == {"svm", "mmd"}
    for variant in metrics["variants"].values():
        assert len(variant["uar"]["per_fold"]) == 3
        assert variant["uar"]["ci95"][0] <= variant["uar"]["mean"] <= variant["uar"]["ci95"][1]
    assert metrics["variants"]["svm"]["uar"]["mean"] == 1.0
    assert metrics["protocol"]["classes"] == ["sadness", "happiness"]
    assert metrics["protocol"]["corpora"]["tiny"]["utterances"] == 18
    for figure in ("confusion.png", "curves.png"):
        assert (data / "08_reporting/tiny/train_mmmd" / figure).read_bytes().startswith(b"\x89PNG")


def test_the_default_pipeline_ends_with_a_report_of_the_same_run(project, first_run):
    reporting = project / "data/08_reporting/tiny"
    page = (reporting / "report.html").read_text()
    assert "<strong>svm</strong> scored best: UAR <strong>1.000</strong>" in page
    assert "<code>kedro run --env tiny</code>" in page
    (finding,) = json.loads((reporting / "report.json").read_text())["findings"]
    assert (finding["corpora"], finding["best"], finding["mean"]) == (["tiny"], "svm", 1.0)
    comparison = pd.read_csv(reporting / "report.csv")
    ours = comparison[comparison["ours"].notna()]
    assert set(ours["ours_variant"]) == {"mmd"} and set(ours["comparable"]) == {"another corpus"}
    record = json.loads((reporting / "train_mmmd/run.json").read_text())
    assert record["command"] == "kedro run --env tiny" and "torch" in record["versions"]


@pytest.fixture(scope="module")
def viz(project, first_run):
    """The address of a static build of kedro-viz, served on this machine."""
    run = run_kedro(project, "viz", "build", "--include-previews")
    assert (project / "build/index.html").is_file(), run.stderr  # a failed build exits with 0
    handler = functools.partial(QuietHandler, directory=project / "build")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line per request."""

    def log_message(self, *_):
        pass


def test_kedro_viz_knows_layers_and_previews_of_what_a_person_opens(project, viz):
    build = project / "build/api"
    graph = json.loads((build / "main").read_text())
    layers = graph["layers"]
    assert set(layers) == {"intermediate", "feature", "model_input", "models", "model_output", "reporting"}
    assert [name for name in layers if name not in ("models", "model_output")] == [
        "intermediate",
        "feature",
        "model_input",
        "reporting",
    ]
    nodes = {node["name"]: node for node in graph["nodes"]}
    previews = {name: json.loads((build / "nodes" / node["id"]).read_text()) for name, node in nodes.items()
                if node["type"] == "data"}  # fmt: skip
    kinds = {
        "utterances": "TablePreview",
        "is10_features": "TablePreview",
        "train_mmmd.folds": "TablePreview",
        "train_mmmd.mmd_predictions": "TablePreview",
        "train_mmmd.metrics_table": "TablePreview",
        "train_mmmd_metrics": "JSONPreview",
        "train_mmmd.confusion_figure": "ImagePreview",
        "train_mmmd.curves_figure": "ImagePreview",
        "report_summary": "JSONPreview",
        "report_comparison": "TablePreview",
    }
    assert {name: previews[name]["preview_type"] for name in kinds} == kinds
    assert all(previews[name]["preview"] for name in kinds)
    assert [row[0] for row in previews["train_mmmd.metrics_table"]["preview"]["data"]] == ["svm", "mmd"]


def test_kedro_viz_shows_nodes_and_a_preview_in_a_browser(project, viz, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")
    nodes = json.loads((project / "build/api/main").read_text())["nodes"]
    table = next(node["id"] for node in nodes if node["name"] == "train_mmmd.metrics_table")
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --window-size=1600,1000 --virtual-time-budget=15000"
    )
    command = [browser, *options.split(), f"--user-data-dir={tmp_path}", "--dump-dom", f"{viz}/?sid={table}"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    assert all(name in shown for name in ("train_mmmd", "extract_audio", "metrics_table"))
    assert all(text in shown for text in ("Expand preview", "uar_ci95_low"))


def test_tables_are_read_by_plain_pandas_and_pyarrow(project, first_run):
    data = project / "data"
    utterances = pd.read_parquet(data / "02_intermediate/tiny/utterances.parquet")
    (shard,) = (data / "04_feature/is10").glob("*/tiny/00000-*.parquet")
    features = pd.read_parquet(shard)
    predictions = pd.read_parquet(data / "07_model_output/tiny/train_mmmd/mmd.parquet")
    assert len(utterances) == len(features) == len(predictions) == 18
    assert len(features["is10"].iloc[0]) == 1582
    schema = pq.read_schema(shard)
    assert json.loads(schema.field("is10").metadata[b"names"])[0].startswith("pcm_loudness")
    folds = pq.read_table(data / "05_model_input/tiny/train_mmmd/folds.parquet")
    assert folds.group_by("fold").aggregate([]).num_rows == 3


def test_a_second_run_computes_no_feature_and_trains_no_fold_again(project, first_run):
    shards = {path: path.stat().st_mtime_ns for path in (project / "data/04_feature/is10").rglob("*.parquet")}
    again = run_kedro(project, "run")
    assert again.returncode == 0
    assert "is10: 1 of 1 shards are complete" in again.stderr
    assert again.stderr.count("finished before with the same data and options") == 7
    assert shards == {path: path.stat().st_mtime_ns for path in shards}


def test_models_lie_there_with_their_cards(project, first_run):
    (folder,) = (project / "data/06_models/tiny/train_mmmd/mmd/seed-0/fold-01").iterdir()
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors",
        "card.json",
        "cost.json",
        "curves.json",
        "predictions.parquet",
    }


@pytest.mark.parametrize(
    "params, named",
    [
        ("ingest.corpora.tiny.raeder=x", "ingest.corpora.tiny: there is no option 'raeder', did you mean 'reader'?"),
        ("train_mmmd.mmd.epoch=3", "train_mmmd.mmd: there is no option 'epoch', did you mean 'epochs'?"),
        ("ingst.max_quarantined_share=1", "unknown parameter group 'ingst'; did you mean 'ingest'?"),
    ],
)
def test_a_typo_fails_before_any_work_and_is_named(project, params, named):
    run = run_kedro(project, "run", "--params", params)
    assert run.returncode != 0
    assert named in run.stderr
    assert not re.search(r"\[\d+/\d+\] ", run.stderr)  # no node has begun


def test_a_training_pipeline_without_features_says_which_command_makes_them(project, tmp_path):
    for name in ("conf", "src"):
        shutil.copytree(project / name, tmp_path / name)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(project / name, tmp_path / name)
    run = run_kedro(tmp_path, "run", "--pipelines=train_mmmd")
    assert run.returncode != 0
    assert "kedro run --pipelines=" in run.stderr.splitlines()[-1]


REGISTERED = str(sorted(register_pipelines()))

_IMPORTED = """
import sys
from pathlib import Path
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
bootstrap_project(Path.cwd())
pipelines.set_requested({requested})
print(sorted(dict(pipelines)))
heavy = ["torch", "sklearn", "librosa", "cv2", "matplotlib", "pandas", "opensmile", "soundfile", "scipy"]
print([name for name in heavy if name in sys.modules])
"""


@pytest.mark.parametrize("requested", ["['ingest']", "None"])
def test_registering_pipelines_imports_nothing_heavy(project, requested):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    code = _IMPORTED.format(requested=requested)
    run = subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True)
    assert run.stdout.splitlines() == [REGISTERED, "[]"], run.stderr


def test_envs_name_only_what_differs(project):
    run = run_kedro(project, "run", "--pipelines=ingest", "--params=ingest.corpora.casia.root=nowhere", env="casia")
    assert run.returncode != 0
    assert "ingest.corpora.casia.root = nowhere is not a folder" in run.stderr
