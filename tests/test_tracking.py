"""What a recorded run holds, and that an unrecorded one costs nothing."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from semiser import tracking
from semiser.hooks import Tracking
from semiser.options.tracking import TrackingOptions
from semiser.tracking import flatten, require_mlflow


def figure(mean, low=None, high=None):
    return {"mean": mean, "std": None, "ci95": [low, high], "per_fold": [], "pooled": mean}


@pytest.fixture
def project(tmp_path):
    """Metrics of two variants with a picture, cards of one, of which one was trained with earlier options."""
    reporting = tmp_path / "data/08_reporting/demo/train_x"
    reporting.mkdir(parents=True)
    variants = {"net": {"uar": figure(0.5, 0.4, 0.6), "f1/anger": figure(None)}, "svm": {"uar": figure(0.4)}}
    (reporting / "metrics.json").write_text(json.dumps({"protocol": {}, "variants": variants, "paired": {}}))
    (reporting / "confusion.png").write_bytes(b"a picture")
    models = tmp_path / "data/06_models/demo/train_x"
    for key in ("0123456789ab", "ba9876543210"):
        (models / "net/seed-0/fold-01" / key).mkdir(parents=True)
        (models / "net/seed-0/fold-01" / key / "card.json").write_text(json.dumps({"key": key}))
    model = {
        "variant": "net",
        "seed": 0,
        "fold": 1,
        "folder": "net/seed-0/fold-01/ba9876543210",
        "key": "ba9876543210ff",
    }
    (models / "net.json").write_text(json.dumps([model]))
    return tmp_path


CURVES = pa.table(
    {
        "variant": ["net"] * 5 + ["other"],
        "fold": pa.array([0, 1, 0, 1, 0, 0], pa.int32()),
        "seed": pa.array([0] * 6, pa.int32()),
        "epoch": pa.array([0, 0, 1, 1, 2, 0], pa.int32()),
        "name": ["loss"] * 6,
        "value": [3.0, 1.0, 2.0, 1.0, float("nan"), 9.0],
    }
)


def _hook(project, **options):
    hook = Tracking()
    places = {"models": "data/06_models/demo"}
    parameters = {"places": places, "tracking": options, "training": {"seeds": [0, 1], "threads": None}, "empty": {}}
    hook.after_context_created(SimpleNamespace(config_loader={"parameters": parameters}, project_path=project))
    path = project / "data/08_reporting/demo/train_x/metrics.json"
    catalog = {"train_x_metrics": SimpleNamespace(_describe=lambda: {"filepath": path})}
    hook.before_pipeline_run({"pipeline_names": ["train_x"]}, catalog)
    hook.after_dataset_saved("train_x.net_curves", CURVES)
    hook.after_dataset_saved("train_x_metrics", {})
    hook.after_dataset_saved("train_x.metrics_table", None)
    return hook


def test_off_it_imports_nothing_keeps_nothing_and_writes_nothing(project, monkeypatch):
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    hook = _hook(project)
    hook.after_pipeline_run()
    assert hook._curves == {} and hook._metrics == {}
    assert "mlflow" not in sys.modules
    assert not (project / "data/09_tracking").exists()


def test_on_without_mlflow_it_stops_before_any_work(monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install -e "\.\[tracking\]"'):
        require_mlflow()


def test_a_recorded_run_has_parameters_figures_curves_cards_and_pictures(project):
    mlflow = pytest.importorskip("mlflow")
    _hook(project, enabled=True, experiment="trial").after_pipeline_run()
    client = mlflow.MlflowClient(f"sqlite:///{project / 'data/09_tracking/mlflow.db'}")
    experiment = client.get_experiment_by_name("trial").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs(experiment)}
    assert set(runs) == {"train_x", "net", "svm"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    parent, net = runs["train_x"], runs["net"]
    assert parent.data.tags["command"] == "kedro run --pipelines=train_x"
    assert parent.data.params["training.seeds"] == "[0, 1]"
    assert net.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert net.data.metrics == {"uar": 0.5, "uar/ci95_low": 0.4, "uar/ci95_high": 0.6, "curve/loss": 1.5}
    history = client.get_metric_history(net.info.run_id, "curve/loss")
    steps = [(point.step, point.value) for point in sorted(history, key=lambda point: point.step)]
    assert steps == [(0, 2.0), (1, 1.5)]
    assert runs["svm"].data.metrics == {"uar": 0.4}
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} == {"figures", "metrics.json"}
    cards = client.list_artifacts(net.info.run_id, "cards/seed-0/fold-01")
    assert [item.path for item in cards] == ["cards/seed-0/fold-01/card.json"]
    card = client.download_artifacts(net.info.run_id, cards[0].path, project)
    assert json.loads(Path(card).read_text()) == {"key": "ba9876543210"}

    # A second run goes into the same experiment; its parameters are more than one request takes.
    options = TrackingOptions(enabled=True, experiment="trial")
    parameters = {f"p{number}": number for number in range(150)}
    path = project / "data/08_reporting/demo/train_x/metrics.json"
    (second,) = tracking.record(options, project, "kedro run", parameters, {"train_x": path}, project, {})
    assert len(client.get_run(second).data.params) == 150
    assert len(client.search_runs(experiment)) == 6


def test_parameters_are_flat():
    tree = {"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None, "f": {}}
    assert dict(flatten(tree)) == {"a.b.c": 1, "a.d": [1, 2], "e": None, "f": {}}
