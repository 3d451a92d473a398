"""The Kedro pipelines of any declared system: what it trains, and its sweeps.

`train_<system>`: folds, stages, the experiment in memory, a node per variant, metrics, curves, the system's own tables
and figures, the final model. `<system>_sweeps`: folds, stages and experiment likewise, then a node per sweep and its
figures.

Nodes stand in the namespace of their pipeline, and so do their datasets: `<pipeline>.<name>_<kind>`, with a pattern per
kind in the catalog. Metrics and the lists of models, which other pipelines take, are `<pipeline>_metrics`,
`<pipeline>_models` and `<pipeline>_final`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kedro.pipeline import Node, Pipeline

from semiser.features.registry import table_name
from semiser.pipelines import steps
from semiser.pipelines.steps import FINAL, OPTIONS, PLACES, TRAINING, UTTERANCES
from semiser.systems.system import System


def create_training(system: System) -> Pipeline:
    """The pipeline `train_<system>`; it starts from utterances and feature tables."""
    node = partial(_node, system, system.pipeline)
    parts = [_prepare(system, system.pipeline), _train(system, node), _measure(system, node), _finish(system, node)]
    return Pipeline([found for part in parts for found in part])


def create_sweeps(system: System) -> Pipeline:
    """The pipeline `<system>_sweeps`; it starts where the training does.

    Raises:
        ValueError: the system has no sweeps.
    """
    if system.sweeps is None:
        raise ValueError(f"{system.title} has no sweeps")
    name = f"{system.name}_sweeps"
    return Pipeline([*_prepare(system, name), *_sweep(system, name)])


def _prepare(system: System, pipeline: str) -> Iterator[Node]:
    """Folds, stages, and the experiment that holds them in memory."""
    node = partial(_node, system, pipeline)
    options = [OPTIONS.format(system.pipeline), TRAINING, PLACES]
    sources = [UTTERANCES, *map(table_name, system.tables)]
    yield node(steps.make_folds, [*sources, *options], "folds", "training", pipeline, name="make_folds")
    for stage in system.stages:
        before = [f"{earlier}_stage" for earlier in stage.after]
        inputs = ["folds", *sources, *stage.reads, *before, *options]
        outputs = [f"{stage.name}_stage", f"{stage.name}_curves"]
        yield node(steps.make_stage, inputs, outputs, "training", pipeline, stage.name, name=f"make_{stage.name}")
    made = [f"{stage.name}_stage" for stage in system.stages]
    inputs, outputs = ["folds", *sources, *made, *options], ["experiment", "protocol"]
    yield node(steps.open_experiment, inputs, outputs, "training", pipeline, name="open_experiment")


def _train(system: System, node: Callable[..., Node]) -> Iterator[Node]:
    """A node per variant."""
    kinds = ["predictions", *(["dimensions"] if system.dimensions else []), "curves", "models"]
    for variant in system.variants:
        outputs = [f"{variant}_{kind}" for kind in kinds]
        yield node(steps.train, ["experiment"], outputs, "training", variant, name=f"train_{variant}")
    models = f"{system.pipeline}_models"
    yield node(steps.list_models, _of_all(system, "models"), models, "training", name="list_models")


def _measure(system: System, node: Callable[..., Node]) -> Iterator[Node]:
    """Metrics, confusion matrices, curves, and what else the system draws."""
    options = OPTIONS.format(system.pipeline)
    results = [*_of_all(system, "predictions"), *(_of_all(system, "dimensions") if system.dimensions else [])]
    further = ["experiment", *_of_all(system, "curves")] if system.further else []
    outputs = [f"{system.pipeline}_metrics", "metrics_table", "confusion_figure"]
    yield node(steps.evaluate, ["protocol", options, *results, *further], outputs, "evaluation", name="evaluate")
    curves = [*(f"{stage.name}_curves" for stage in system.stages), *_of_all(system, "curves")]
    yield node(steps.plot_curves, [options, *curves], "curves_figure", "evaluation", name="plot_curves")
    seen = ["protocol", UTTERANCES, *_of_all(system, "predictions"), *_of_all(system, "curves")]
    yield node(steps.inspect_errors, seen, f"{system.pipeline}_details", "evaluation", name="inspect_errors")
    for product in system.products:
        given = [found for kind in product.of for found in _given(system, kind)]
        name = f"draw_{product.name}"
        inputs, outputs = ["experiment", *given], list(product.outputs)
        yield node(steps.make_product, inputs, outputs, "evaluation", product.name, name=name)


def _finish(system: System, node: Callable[..., Node]) -> Iterator[Node]:
    """The final model, of what did best."""
    inputs = ["experiment", f"{system.pipeline}_metrics", FINAL, *_of_all(system, "models")]
    yield node(steps.train_final, inputs, f"{system.pipeline}_final", "training", name="train_final")


def _sweep(system: System, pipeline: str) -> Iterator[Node]:
    """Every sweep and its figures."""
    assert system.sweeps
    node = partial(_node, system, pipeline)
    for sweep in system.sweeps.names:
        inputs, predictions = ["experiment", OPTIONS.format(pipeline)], f"{sweep}_predictions"
        trained = [predictions, f"{sweep}_models"]
        yield node(steps.sweep, inputs, trained, "training", sweep, name=f"sweep_{sweep}")
        outputs = [f"{sweep}_{kind}" for kind in ("metrics", "table", "figure", "confusion_figure")]
        yield node(steps.evaluate_sweep, ["protocol", predictions], outputs, "evaluation", name=f"evaluate_{sweep}")


def _given(system: System, kind: str) -> list[str]:
    """The datasets of a kind: of all variants, or the one of that name."""
    return _of_all(system, kind) if kind in ("predictions", "curves", "models") else [kind]


def _of_all(system: System, kind: str) -> list[str]:
    return [f"{variant}_{kind}" for variant in system.variants]


def _node(
    system: System,
    pipeline: str,
    function: Callable[..., Any],
    inputs: list[str],
    outputs: str | list[str],
    tag: str,
    *given: str,
    name: str,
) -> Node:
    """A node in the pipeline's namespace; what comes from outside it, and goes outside, has names of its own."""
    reads = (table for stage in system.stages for table in stage.reads)
    outside = {UTTERANCES, *map(table_name, system.tables), *reads}

    def named(local: str) -> str:
        own = ":" not in local and local not in outside and not local.startswith(f"{system.pipeline}_")
        return f"{pipeline}.{local}" if own else local

    made = named(outputs) if isinstance(outputs, str) else [named(output) for output in outputs]
    step = steps.Step(function, system, inputs, *given)
    return Node(step, [named(local) for local in inputs], made, name=name, tags=[tag], namespace=pipeline)
