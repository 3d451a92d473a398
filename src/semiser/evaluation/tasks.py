"""Metrics of a system whose variants stand in the settings of their names: `<variant>/task=<task>/share=<share>`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from semiser.evaluation.report import evaluate

Pairs = Callable[[Sequence[str]], list[tuple[str, str]] | None]


def settings_of(variant: str) -> dict[str, str]:
    """The settings in a variant's name: `ssgan/task=valence/features=dface` -> {"task": "valence", ...}."""
    return dict(part.split("=", 1) for part in variant.split("/")[1:] if "=" in part)


def classes_of(protocol: Mapping[str, Any], variant: str) -> list[str]:
    """The classes of a variant, which are those of its task where the protocol has several."""
    tasks = protocol.get("tasks")
    return list(tasks[settings_of(variant)["task"]]["classes"] if tasks else protocol["classes"])


def evaluate_tasks(
    predictions: pa.Table, protocol: Mapping[str, Any], pairs: Pairs, dimensions: pa.Table | None = None
) -> dict[str, Any]:
    """metrics.json of all variants, task by task where tasks have classes of their own.

    Args:
        predictions: table of `PREDICTIONS_SCHEMA` of all variants.
        protocol: what the figures mean, with `classes`, or with `tasks` that have them.
        pairs: of some variants, those that are compared; None: all of them.
        dimensions: table of `DIMENSIONS_SCHEMA`, where numbers were predicted.

    Returns:
        As `evaluate`; `protocol.tasks` has what it adds for each task.
    """
    variants = pc.unique(predictions["variant"]).to_pylist()
    if not protocol.get("tasks"):
        return evaluate(predictions, dict(protocol), pairs=pairs(variants), dimensions=dimensions)
    metrics: dict[str, Any] = {"protocol": {**protocol, "tasks": {}}, "variants": {}, "paired": {}}
    for task, facts in protocol["tasks"].items():
        own = [name for name in variants if settings_of(name)["task"] == task]
        if own:
            rows = predictions.filter(pc.is_in(predictions["variant"], pa.array(own, pa.string())))
            found = evaluate(rows, dict(facts), pairs=pairs(own))
            metrics["protocol"]["tasks"][task] = found["protocol"]
            metrics["variants"] |= found["variants"]
            metrics["paired"] |= found["paired"]
    return metrics
