"""Nodes of train_mssgan: folds of every setting, one node per variant, evaluation."""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from semiser.options.training import TrainingOptions
from semiser.systems.mssgan.options import Setting, TrainMssganOptions, VariantName

if TYPE_CHECKING:
    import numpy as np

    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)
Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas; None for a family that is switched off


def make_mssgan_folds(
    utterances: pa.Table, fbank: Dataset, fft: Dataset, dface: Dataset, options: TrainMssganOptions
) -> pa.Table:
    """Folds of every task on every feature set, over the utterances that have all of its features."""
    from semiser.folds.settings import join_experiments

    tables = {"fbank": fbank, "fft": fft, "dface": dface}
    return join_experiments([_setting_folds(utterances, tables, options, setting) for setting in options.settings])


def _setting_folds(
    utterances: pa.Table, tables: Mapping[str, Dataset], options: TrainMssganOptions, setting: Setting
) -> pa.Table:
    """The folds of a setting; what has no features, such as no face, is counted in the protocol's `left_out`."""
    import json

    from semiser.data.vectors import with_features
    from semiser.folds.make import make_folds, protocol_facts

    chosen, usable = options.task_folds(setting), utterances
    for table in setting_tables(setting, tables).values():
        usable = with_features(usable, table)
    before, after = (_count_by_corpus(table) for table in (utterances, usable))
    corpora = [*chosen.corpora, *chosen.unlabelled_corpora]
    dropped = [
        {"corpus": name, "reason": f"no features {setting.features}", "utterances": before[name] - after.get(name, 0)}
        for name in corpora
        if before.get(name, 0) > after.get(name, 0)
    ]
    if empty := [name for name in chosen.corpora if before.get(name) and not after.get(name)]:
        raise ValueError(
            f"{setting.suffix}: no utterance of {', '.join(empty)} has the features {setting.features}; take the set "
            "out of train_mssgan.features, or switch its families on for the corpus and run "
            "`kedro run --pipelines=features`"
        )
    for row in dropped:
        logger.info(
            "%s: %d utterances of %s are left out: %s", setting.suffix, row["utterances"], row["corpus"], row["reason"]
        )
    unlabelled = [name for name in chosen.unlabelled_corpora if after.get(name) or name not in before]
    folds = make_folds(
        task_utterances(usable, options, setting), chosen.model_copy(update={"unlabelled_corpora": unlabelled})
    )
    facts = protocol_facts(folds)
    facts["left_out"] = facts["left_out"] + dropped
    return folds.replace_schema_metadata({"protocol": json.dumps(facts, ensure_ascii=False)})


def _count_by_corpus(utterances: pa.Table) -> dict[str, int]:
    counts = utterances["corpus"].value_counts()
    return dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))


def setting_tables(setting: Setting, tables: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """Feature column to its table.

    Raises:
        ValueError: a table is missing because its family is switched off.
    """
    for column in setting.columns:
        if tables[column] is None:
            raise ValueError(
                f"train_mssgan.features names {setting.features}, but features.{column} is switched off: take it out, "
                "or switch the family on and run `kedro run --pipelines=features`"
            )
    return {column: tables[column] for column in setting.columns}


def task_utterances(utterances: pa.Table, options: TrainMssganOptions, setting: Setting) -> pa.Table:
    """The utterances with their classes in the target column, where the task's classes come from votes."""
    from semiser.folds.soft_labels import largest, vote_targets

    task = options.tasks[setting.task]
    if not task.votes:
        return utterances
    votes = vote_targets(utterances[task.votes].to_pylist(), task.discretise)
    place = utterances.schema.get_field_index(task.target)
    return utterances.set_column(place, task.target, largest(votes, task.discretise.names))


def task_targets(
    utterances: pa.Table, options: TrainMssganOptions, setting: Setting, classes: list[str]
) -> "np.ndarray":
    """Soft labels of utterances, (N, K): from votes where the task has them, else one-hot classes."""
    from semiser.folds.soft_labels import class_targets, vote_targets

    task = options.tasks[setting.task]
    if task.votes:
        return vote_targets(utterances[task.votes].to_pylist(), task.discretise)
    return class_targets(utterances, options.task_folds(setting), classes)


def mssgan_experiment(
    folds: pa.Table,
    utterances: pa.Table,
    tables: Mapping[str, Dataset],
    options: TrainMssganOptions,
    setting: Setting,
    models: str,
) -> "Experiment":
    """What all variants train on in a setting: crops, standardised band by band, and soft labels."""
    from semiser.folds.make import protocol_facts
    from semiser.folds.settings import take_experiment
    from semiser.systems.mssgan.crops import read_crops
    from semiser.training.experiment import experiment_on

    own = take_experiment(folds, options.task_folds(setting).experiment)
    classes = protocol_facts(own)["classes"]

    def read(ids: list[str]):
        rows = _rows_of(utterances, ids)
        about = {"target": task_targets(rows, options, setting, classes)}
        return read_crops(setting_tables(setting, tables), rows, options.crop, options.scaling, about)

    return experiment_on(own, utterances, read, models)


def _rows_of(utterances: pa.Table, ids: list[str]) -> pa.Table:
    import pyarrow.compute as pc

    return utterances.take(pc.index_in(pa.array(ids), utterances["utterance_id"]))


def variant_trainer(variant: VariantName) -> Callable[..., tuple[pa.Table, pa.Table]]:
    """The node function of a variant, in all of its settings; one that is switched off gives empty tables."""

    def train(
        folds: pa.Table,
        utterances: pa.Table,
        fbank: Dataset,
        fft: Dataset,
        dface: Dataset,
        options: TrainMssganOptions,
        training: TrainingOptions,
        models: str,
    ) -> tuple[pa.Table, pa.Table]:
        """Predictions and training curves; the setting stands in the variant's name."""
        tables = {"fbank": fbank, "fft": fft, "dface": dface}
        found = [_empty_tables()]
        for setting in options.settings_of(variant):
            experiment = mssgan_experiment(folds, utterances, tables, options, setting, models)
            name = f"{variant}/{setting.suffix}"
            found.append(train_setting(experiment, name, options.system(variant), training))
        predictions, curves = zip(*found, strict=True)
        return pa.concat_tables(predictions), pa.concat_tables(curves)

    train.__name__ = train.__qualname__ = f"train_{variant}"
    return train


def train_setting(
    experiment: "Experiment", name: str, options: Any, training: TrainingOptions
) -> tuple[pa.Table, pa.Table]:
    """Predictions and curves of a variant in a setting; a prediction that is one of several right classes is right."""
    from semiser.folds.soft_labels import credit_ties
    from semiser.systems.mssgan import fit as mssgan
    from semiser.training.experiment import run_variant

    predictions, curves = run_variant(experiment, name, mssgan.fit, options, training)
    predictions = credit_ties(predictions, experiment.utterance_ids, experiment.features.about["target"])
    return predictions.replace_schema_metadata(None), curves  # classes differ between tasks: they stand in the folds


def _empty_tables() -> tuple[pa.Table, pa.Table]:
    from semiser.evaluation.report import PREDICTIONS_SCHEMA
    from semiser.training.experiment import CURVES_SCHEMA

    return PREDICTIONS_SCHEMA.empty_table(), CURVES_SCHEMA.empty_table()


def evaluate_mssgan(
    folds: pa.Table, utterances: pa.Table, options: TrainMssganOptions, *tables: pa.Table
) -> tuple[dict[str, Any], Any, Any, Any]:
    """Metrics with their protocol, as JSON and as a table, all confusion matrices, and accuracy by side of the face."""
    import pyarrow.compute as pc

    from semiser.evaluation.plots import confusion_figure
    from semiser.evaluation.report import metrics_table
    from semiser.systems.mssgan.sides import accuracy_by_side

    predictions = pa.concat_tables([table for table in tables if len(table)])
    metrics = evaluate_tasks(folds, predictions, options)
    for variant, figures in metrics["variants"].items():
        interval = " to ".join(f"{end:.3f}" for end in figures["uar"]["ci95"] if end is not None)
        logger.info("%s: UAR %.3f, 95 %% interval %s", variant, figures["uar"]["mean"], interval)
    classes = {variant: metrics["protocol"]["classes"][_task_of(variant)] for variant in metrics["variants"]}
    with_faces = predictions.filter(pc.match_substring(predictions["variant"], "dface"))
    return (
        metrics,
        metrics_table(metrics),
        confusion_figure(_two_lines(predictions), {_on_two_lines(name): names for name, names in classes.items()}),
        accuracy_by_side(with_faces, utterances),
    )


def evaluate_tasks(folds: pa.Table, predictions: pa.Table, options: TrainMssganOptions) -> dict[str, Any]:
    """metrics.json over tasks whose classes differ: `classes` and `tasks` of its protocol go by task."""
    import json

    from semiser.evaluation.report import evaluate
    from semiser.folds.make import folds_hash

    protocols = json.loads(folds.schema.metadata[b"protocols"])
    variants = list(dict.fromkeys(predictions["variant"].to_pylist()))
    metrics: dict[str, Any] = {"variants": {}, "paired": {}}
    classes, described = {}, {}
    for task in dict.fromkeys(map(_task_of, variants)):
        own = [name for name in variants if _task_of(name) == task]
        facts = protocols[options.task_folds(_first_setting(options, task)).experiment]
        found = evaluate(
            predictions.filter(pa.array([name in own for name in predictions["variant"].to_pylist()])),
            {"classes": facts["classes"]},
            pairs=variant_pairs(own),
        )
        metrics["variants"] |= found["variants"]
        metrics["paired"] |= found["paired"]
        classes[task], described[task] = facts["classes"], found["protocol"]
    protocol = {
        "scaling": options.scaling.model_dump(mode="json"),
        "folds_hash": folds_hash(folds),
        "classes": classes,
        "tasks": described,
        "settings": protocols,
        "ties": "a prediction that is one of several largest shares of the votes is right",
    }
    return {"protocol": protocol, **metrics}


def _two_lines(predictions: pa.Table) -> pa.Table:
    """The same with variants whose names fit above a small figure."""
    names = pa.array([_on_two_lines(name) for name in predictions["variant"].to_pylist()], pa.string())
    return predictions.set_column(predictions.schema.get_field_index("variant"), "variant", names)


def _on_two_lines(variant: str) -> str:
    return variant.replace("/features=", "\nfeatures=")


def variant_pairs(variants: list[str]) -> list[tuple[str, str]]:
    """What the paper's tables compare: systems on the same features, and two modalities with one."""
    named = {tuple(name.split("/features=")): name for name in variants}  # (system/task=..., features) -> variant
    pairs = []
    for (system, features), name in named.items():
        system, task = system.split("/", 1)
        lesser = {"ssbase": ["fsbase"], "ssgan": ["fsbase", "ssbase"], "mssgan": ["mfsbase"]}.get(system, [])
        wanted = [(f"{other}/{task}", features) for other in lesser]
        if (single := {"mfsbase": "fsbase", "mssgan": "ssgan"}.get(system)) is not None:
            wanted += [(f"{single}/{task}", part) for part in features.split("+")]
        pairs += [(name, named[other]) for other in wanted if other in named]
    return pairs


def _task_of(variant: str) -> str:
    return variant.split("/")[1].removeprefix("task=")


def _first_setting(options: TrainMssganOptions, task: str) -> Setting:
    return next(setting for setting in options.settings if setting.task == task)


def plot_mssgan_curves(*curves: pa.Table) -> Any:
    """Training curves of the systems: mean over settings and folds with their spread."""
    from semiser.evaluation.plots import curves_figure

    table = pa.concat_tables(curves)
    systems = pa.array([name.split("/")[0] for name in table["variant"].to_pylist()], pa.string())
    return curves_figure(table.set_column(table.schema.get_field_index("variant"), "variant", systems))
