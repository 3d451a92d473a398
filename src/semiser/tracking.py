"""Runs recorded by MLflow: parameters, figures of merit, curves, cards and pictures of what was trained.

One MLflow run per training pipeline of a Kedro run, and below it one per variant. All is written when the run is
through, from what it saved, so that no system knows of it and no training is slowed down.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from semiser.experiments.records import read_receipts
from semiser.options.tracking import TrackingOptions

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)
_AT_ONCE = 100  # values that MLflow takes in one request
_LONGEST = 500  # characters of a parameter's value


def require_mlflow() -> None:
    """Raise ImportError, with the command that installs it, where MLflow is missing."""
    if not (find_spec("mlflow") and find_spec("sqlalchemy")):
        raise ImportError(
            'tracking.enabled is true, but MLflow is not installed: `pip install -e ".[tracking]"`, or set it to false'
        )


def record(
    options: TrackingOptions,
    project: Path,
    command: str,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, Path],
    models: Path,
    curves: Mapping[str, pa.Table],
) -> list[str]:
    """Write one MLflow run per training pipeline, with a run per variant below it.

    Args:
        options: where to.
        project: folder that relative paths start from.
        command: that started the Kedro run.
        parameters: of the Kedro run, nested.
        metrics: training pipeline to its metrics.json, with its pictures beside it.
        models: folder of the experiment's models; the cards of those that the pipelines' receipts name are recorded.
        curves: training curves that the run saved, by the name of their dataset.

    Returns:
        Ids of the pipelines' MLflow runs.
    """
    client, experiment = _open_store(options, project)
    parents = []
    for pipeline, path in metrics.items():
        parent = _start(client, experiment, pipeline, {"command": command, "pipeline": pipeline})
        _log_params(client, parent, parameters)
        for picture in sorted(path.parent.glob("*.png")):
            client.log_artifact(parent, str(picture), "figures")
        client.log_artifact(parent, str(path))
        receipts = read_receipts(models / pipeline)
        for variant, figures in json.loads(path.read_bytes())["variants"].items():
            tags = {"mlflow.parentRunId": parent, "pipeline": pipeline, "variant": variant}
            child = _start(client, experiment, variant, tags)
            _log_values(client, child, _figures(figures))
            _log_values(client, child, [value for table in curves.values() for value in _curve(table, variant)])
            for model in receipts:
                card = models / pipeline / model.folder / "card.json"
                if model.variant == variant and card.is_file():  # an SVM has none
                    client.log_artifact(child, str(card), f"cards/seed-{model.seed}/fold-{model.fold:02d}")
            client.set_terminated(child)
        client.set_terminated(parent)
        parents.append(parent)
    logger.info("tracking: %d runs in %s", len(parents), client.tracking_uri)
    return parents


def _open_store(options: TrackingOptions, project: Path) -> tuple["MlflowClient", str]:
    """The store's client, and the id of the experiment, which is made where it is missing."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    folder = (project / options.folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    found = client.get_experiment_by_name(options.experiment)
    if found is not None:
        return client, found.experiment_id
    return client, client.create_experiment(options.experiment, artifact_location=(folder / "artifacts").as_uri())


def _start(client: "MlflowClient", experiment: str, name: str, tags: Mapping[str, str]) -> str:
    return client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id


def _log_params(client: "MlflowClient", run: str, parameters: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    for part in _parts([Param(key, str(value)[:_LONGEST]) for key, value in flatten(parameters)]):
        client.log_batch(run, params=part)


def _log_values(client: "MlflowClient", run: str, values: list[tuple[str, float, int]]) -> None:
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    for part in _parts([Metric(name, value, now, step) for name, value, step in values]):
        client.log_batch(run, metrics=part)


def _parts(items: list) -> Iterator[list]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def flatten(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested parameters under their dotted names; lists stay whole."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _figures(figures: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, float, int]]:
    """Mean of every figure, and the interval of UAR and the concordances; what is not defined is left out."""
    values = []
    for name, figure in figures.items():
        ends = (
            dict(zip(("low", "high"), figure["ci95"], strict=True)) if name == "uar" or name.startswith("ccc/") else {}
        )
        named = {name: figure["mean"]} | {f"{name}/ci95_{end}": value for end, value in ends.items()}
        values += [(key, value, 0) for key, value in named.items() if value is not None]
    return values


def _curve(table: pa.Table, variant: str) -> list[tuple[str, float, int]]:
    """Each curve of a variant, its mean over folds and seeds, epoch by epoch."""
    rows = table.filter(pc.and_(pc.equal(table["variant"], variant), pc.is_finite(table["value"])))
    means = (
        rows.group_by(["name", "epoch"])
        .aggregate([("value", "mean")])
        .sort_by([("name", "ascending"), ("epoch", "ascending")])
    )
    return [(f"curve/{row['name']}", row["value_mean"], row["epoch"]) for row in means.to_pylist()]
