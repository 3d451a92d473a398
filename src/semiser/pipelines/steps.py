"""What the nodes of any system do: each function gets the declaration and the node's data by name.

Names are those inside the pipeline's namespace: `folds`, `svm_predictions`; `params:...` and tables have none.
"""

import inspect
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semiser import __version__
from semiser.features.registry import table_name
from semiser.options.final import FinalOptions
from semiser.options.places import PlacesOptions
from semiser.options.training import TrainingOptions
from semiser.systems.system import Job, System, Work, get_system

if TYPE_CHECKING:
    import pyarrow as pa

    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)
Data = Mapping[str, Any]  # name to what the dataset holds
OPTIONS, TRAINING, PLACES, FINAL = "params:{}", "params:training", "params:places", "params:final"
UTTERANCES = "utterances"

_SAID = ("uar", "wa")  # figures that are logged, with every concordance


class Step:
    """The function of a node of one system.

    It can be pickled, so that any runner takes it, and it shows Kedro the types of the options among its inputs, which
    are then checked before any node runs.
    """

    def __init__(self, function: Callable[..., Any], system: System, inputs: Sequence[str], *given: str):
        """Args:
        function: `function(system, data, *given)`.
        system: the declaration.
        inputs: names of the node's inputs.
        given: further names, such as that of a variant.
        """
        self._function, self._system, self._inputs, self._given = function, system.name, tuple(inputs), given
        self.__name__ = self.__qualname__ = "_".join([function.__name__, *given])
        self.__doc__ = function.__doc__
        arguments = [f"data{place}" for place in range(len(inputs))]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in arguments])
        types = option_types(system)
        self.__annotations__ = {
            argument: types[name] for argument, name in zip(arguments, inputs, strict=True) if name in types
        }

    def __call__(self, *data: Any) -> Any:
        return self._function(get_system(self._system), dict(zip(self._inputs, data, strict=True)), *self._given)


def option_types(system: System) -> dict[str, type]:
    """Parameter input to the model of its options."""
    types: dict[str, type] = {OPTIONS.format(system.pipeline): system.options}
    types |= {TRAINING: TrainingOptions, PLACES: PlacesOptions, FINAL: FinalOptions}
    return types | ({OPTIONS.format(f"{system.name}_sweeps"): system.sweeps.options} if system.sweeps else {})


def make_folds(system: System, data: Data, pipeline: str) -> "pa.Table":
    """Who is trained on, validated and tested, as data."""
    from semiser.plan import say_speakers_unknown, speakers_unknown

    work = _work(system, data, pipeline)
    folds = system.make_folds(work)
    say_speakers_unknown(speakers_unknown(folds, work.utterances, work.options))
    return folds


def make_stage(system: System, data: Data, pipeline: str, name: str) -> tuple[dict[str, Any], "pa.Table"]:
    """What variants need that is trained before them: its document and its curves."""
    from semiser.training.experiment import CURVES_SCHEMA

    stage = next(stage for stage in system.stages if stage.name == name)
    document, curves = stage.make(_work(system, data, pipeline))
    return document, CURVES_SCHEMA.empty_table() if curves is None else curves


def open_experiment(system: System, data: Data, pipeline: str) -> tuple[Work, dict[str, Any]]:
    """Folds, utterances, features and options in memory, for all variants; and what the figures will mean."""
    from semiser.evaluation.confounds import confounded, confounds_of, say_confounds

    work = _work(system, data, pipeline)
    found = confounds_of(work.folds, work.utterances, data[TRAINING].confound_margin)
    for each in found:
        level = logging.WARNING if confounded(each) else logging.INFO
        logger.log(level, "%s: %s", each["experiment"], say_confounds(each))
    return work, system.protocol(work) | {"confounds": found}


def train(system: System, data: Data, variant: str) -> tuple:
    """A variant on all folds with all seeds: predictions, curves, and where its models lie.

    One that the options do not name gives empty tables.
    """
    work = data["experiment"]
    return _trained(work, work.options.variants, partial(system.jobs, work), variant)


def list_models(system: System, data: Data) -> list[dict[str, Any]]:
    """Where the models of all variants lie: what prediction chooses from."""
    return [{"pipeline": system.pipeline, **row} for name in data for row in data[name]]


def train_final(system: System, data: Data) -> list[dict[str, Any]]:
    """The experiment's final model from what did best here: where the models lie that it consists of.

    None where the options choose another pipeline, or no final model.
    """
    from semiser.prediction.final import FINAL as FOLDER
    from semiser.prediction.final import publish
    from semiser.reporting.chosen import choose
    from semiser.training.experiment import Queue

    work, options, metrics = data["experiment"], data[FINAL], data[f"{system.pipeline}_metrics"]
    chosen = choose(options, system.pipeline, metrics)
    if chosen is None:
        return []
    job = next(job for job in system.jobs(work, chosen.variant.split("/")[0]) if job.name == chosen.variant)
    experiment = work.experiment(job.setting).joined(job.selects_on_validation)
    if options.kind == "ensemble":
        models = [row for name in data if name.endswith("_models") for row in data[name] if row["variant"] == job.name]
    else:
        logger.info("final model: %s once more, on all labelled speech of the experiment", job.name)
        seeds = (job.seeds or work.training.seeds)[:1]
        alone = replace(job, name=f"{FOLDER}/{job.name}", seeds=seeds)
        plan = replace(work.plan(alone), experiment=experiment)
        models = Queue(plan.training, {plan.name: lambda: plan}).trained(plan.name).models
    folder = Path(work.models).parent / FOLDER
    card = publish(
        folder,
        [Path(work.models, row["folder"]) for row in models],
        **chosen.facts(options.kind),
        **_trained_on(experiment),
        final=folder.parent.name,
        title=system.title,
        pipeline=system.pipeline,
        semiser=__version__,
    )
    logger.info("final model of %s: %s in %s; expected: %s", card.final, card.variant, folder, card.expected.note)
    return models


def sweep(system: System, data: Data, name: str) -> "tuple[pa.Table, list[dict[str, Any]]]":
    """Every setting of a sweep on all folds: predictions, and where its models lie."""
    assert system.sweeps
    work, options = data["experiment"], data[OPTIONS.format(f"{system.name}_sweeps")]
    jobs_of = partial(system.sweeps.jobs, work, options)
    predictions, *_, models = _trained(work, system.sweeps.names, jobs_of, name)
    return predictions, models


def evaluate(system: System, data: Data) -> tuple[dict[str, Any], Any, Any]:
    """Metrics with their protocol, as JSON and as a table, and confusion matrices."""
    import pyarrow as pa

    from semiser.evaluation.report import add_figures, metrics_table
    from semiser.evaluation.tasks import evaluate_tasks

    options = data[OPTIONS.format(system.pipeline)]
    protocol = data["protocol"]
    predictions = _together(data, "_predictions")
    numbers = pa.concat_tables(_of_kind(data, "_dimensions")) if system.dimensions else None
    metrics = evaluate_tasks(
        predictions, protocol, lambda variants: system.pairs(options, variants), numbers if numbers else None
    )
    if system.further:
        curves = pa.concat_tables(_of_kind(data, "_curves"))
        metrics = add_figures(metrics, system.further(data["experiment"], predictions, curves))
    _say(metrics)
    shown = system.confused(options, list(metrics["variants"]))
    return metrics, metrics_table(metrics), _confusion(predictions, protocol, shown)


def inspect_errors(system: System, data: Data) -> dict[str, Any]:
    """Confusions, recalls by class and speaker, utterances most often wrong, calibration and curves, for the report."""
    import pyarrow as pa

    from semiser.evaluation.details import look_into

    curves = pa.concat_tables(_of_kind(data, "_curves"))
    return look_into(_together(data, "_predictions"), data["protocol"], data[UTTERANCES].read(), curves)


def evaluate_sweep(system: System, data: Data) -> tuple[dict[str, Any], Any, Any, Any]:
    """Metrics of every setting with their protocol, as JSON and as a table, drawn, and their confusion matrices."""
    from semiser.evaluation.plots import sweep_figure
    from semiser.evaluation.report import metrics_table
    from semiser.evaluation.tasks import evaluate_tasks

    assert system.sweeps
    protocol, predictions = data["protocol"], _together(data, "_predictions")
    metrics = evaluate_tasks(predictions, protocol, lambda variants: [])
    table = metrics_table(metrics)
    confusion = _confusion(predictions, protocol, list(metrics["variants"]))
    return metrics, table, sweep_figure(table, system.sweeps.metric), confusion


def plot_curves(system: System, data: Data) -> Any:
    """Training curves of all variants: mean over folds and seeds with their spread."""
    import pyarrow as pa
    from matplotlib.figure import Figure

    from semiser.evaluation.plots import curves_figure

    table = system.shown(data[OPTIONS.format(system.pipeline)], pa.concat_tables(_of_kind(data, "_curves")))
    return curves_figure(table) if len(table) else Figure()  # an SVM alone has no curve


def make_product(system: System, data: Data, name: str) -> Any:
    """Tables and figures of the system's own."""
    import pyarrow as pa

    product = next(product for product in system.products if product.name == name)
    given: list[Any] = []
    for kind in product.of:
        if kind in data:
            given.append(data[kind])
        elif kind == "models":
            given.append([row for rows in _of_kind(data, "_models") for row in rows])
        else:
            given.append(pa.concat_tables(_of_kind(data, f"_{kind}")))
    return product.make(data["experiment"], *given)


def _work(system: System, data: Data, pipeline: str) -> Work:
    """The work of a node whose inputs are utterances, feature tables, folds, stages and options."""
    tables = {family: data[table_name(family)] for family in system.tables}
    tables |= {name: data[name] for stage in system.stages for name in stage.reads if name in data}
    stages = {stage.name: f"{stage.name}_stage" for stage in system.stages}
    return Work(
        system=system,
        options=data[OPTIONS.format(system.pipeline)],
        training=data[TRAINING],
        models=f"{data[PLACES].models}/{pipeline}",
        utterances=data[UTTERANCES].read(),
        tables=tables,
        folds=data.get("folds"),
        made={name: data[document] for name, document in stages.items() if document in data},
    )


def _trained(work: Work, names: Iterable[str], jobs_of: Callable[[Any], Iterable[Job]], name: str) -> tuple:
    """Predictions, dimensions where the system has them, curves and models of a variant, or a sweep.

    Args:
        work: the experiment.
        names: all of them, of which each is a node; Kedro runs them in the order of their names.
        jobs_of: gives the trainings of one.
        name: the one that is asked for.
    """
    import pyarrow as pa

    from semiser.evaluation.report import DIMENSIONS_SCHEMA, PREDICTIONS_SCHEMA
    from semiser.training.experiment import CURVES_SCHEMA

    found = {"predictions": [PREDICTIONS_SCHEMA.empty_table()], "dimensions": [DIMENSIONS_SCHEMA.empty_table()]}
    curves, models, classes = [CURVES_SCHEMA.empty_table()], [], set()
    for job in jobs_of(name) if name in names else ():
        experiment = work.experiment(job.setting)
        trained = work.queue(lambda: chain.from_iterable(map(jobs_of, sorted(names)))).trained(job.place)
        kind = "dimensions" if "dimension" in trained.predictions.column_names else "predictions"
        found[kind].append(trained.predictions)
        curves.append(trained.curves)
        models += trained.models
        classes.add(experiment.classes)
    # What the probabilities are of; where classes differ between tasks, the protocol says it.
    metadata = {"classes": json.dumps(classes.pop())} if len(classes) == 1 else None
    predictions = pa.concat_tables(found["predictions"]).replace_schema_metadata(metadata)
    numbers = (pa.concat_tables(found["dimensions"]),) if work.system.dimensions else ()
    return (predictions, *numbers, pa.concat_tables(curves), models)


def _trained_on(experiment: "Experiment") -> dict[str, Any]:
    """Whose labels, and how much unlabelled speech, a final model has seen: for its card."""
    rows = experiment.folds.to_pylist()
    labelled = [row for row in rows if row["role"] == "train"]
    speaker = dict(zip(experiment.utterance_ids, experiment.speakers, strict=True))
    counts = Counter(row["label"] for row in labelled)
    return {
        "classes": experiment.classes,
        "labelled": {name: counts[name] for name in experiment.classes},
        "unlabelled": sum(row["role"] == "unlabelled" for row in rows),
        "speakers": len({speaker[row["utterance_id"]] for row in labelled} - {None}),
    }


def _of_kind(data: Data, ending: str) -> list[Any]:
    return [value for name, value in data.items() if name.endswith(ending)]


def _together(data: Data, ending: str) -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables([table for table in _of_kind(data, ending) if len(table)]).replace_schema_metadata(None)


def _confusion(predictions: "pa.Table", protocol: Data, variants: Sequence[str]) -> Any:
    """Confusion matrices of some variants, their names on as many lines as they have parts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.evaluation.plots import confusion_figure
    from semiser.evaluation.tasks import classes_of

    rows = predictions.filter(pc.is_in(predictions["variant"], pa.array(variants, pa.string())))
    lines = pc.replace_substring(rows["variant"], "/", "\n")
    rows = rows.set_column(rows.schema.get_field_index("variant"), "variant", lines)
    return confusion_figure(rows, {name.replace("/", "\n"): classes_of(protocol, name) for name in variants})


def _say(metrics: Mapping[str, Any]) -> None:
    for variant, figures in metrics["variants"].items():
        said = []
        for name in [name for name in figures if name in _SAID or name.startswith("ccc/")]:
            low, high = figures[name]["ci95"]
            interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
            said.append(f"{name.upper() if name in _SAID else name} {figures[name]['mean']:.3f}{interval}")
        logger.info("%s: %s", variant, ", ".join(said))
