"""Nodes of train_began: folds, the encoder, one node per variant, evaluation, figures."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from semiser.options.training import TrainingOptions
from semiser.systems.began.options import DIMENSIONS, Task, TrainBeganOptions, VariantName, encoder_folder

if TYPE_CHECKING:
    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)
Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas
Tables = tuple[pa.Table, pa.Table, pa.Table]  # predictions, dimensions, curves


def make_began_folds(utterances: pa.Table, chunks: Dataset, is10: Dataset, options: TrainBeganOptions) -> pa.Table:
    """The experiment's folds, as data, over the utterances that have chunks and, for the SVM, IS10 features."""
    from semiser.data.vectors import with_features
    from semiser.folds.make import make_folds

    utterances = with_features(utterances, chunks)
    if "svm" in options.variants:
        utterances = with_features(utterances, is10)
    return make_folds(utterances, options.folds)


def train_began_encoder(
    folds: pa.Table, chunks: Dataset, options: TrainBeganOptions, training: TrainingOptions, models: str
) -> tuple[dict[str, Any], pa.Table]:
    """BEGAN on the utterances that are unlabelled in every fold: its card and curves; empty where no variant needs it.

    Raises:
        ValueError: no utterance is unlabelled in every fold.
    """
    if "began" not in options.variants:
        return {}, _empty_tables()[2]
    from semiser.systems.began.encoder import train_encoder

    folder = Path(models) / encoder_folder("began", training.seeds[0])
    return train_encoder(chunks, always_unlabelled(folds), options.encoder, training, folder)


def always_unlabelled(folds: pa.Table) -> list[str]:
    """The utterances that are unlabelled in every fold, sorted: no fold tests, validates or labels any of them.

    Raises:
        ValueError: there is none.
    """
    import pyarrow.compute as pc

    rows = folds.filter(pc.equal(folds["role"], "unlabelled"))
    counts = rows.group_by("utterance_id").aggregate([("fold", "count")])
    everywhere = pc.equal(counts["fold_count"], len(pc.unique(folds["fold"])))
    found = sorted(counts.filter(everywhere)["utterance_id"].to_pylist())
    if not found:
        raise ValueError(
            "no utterance is unlabelled in every fold: BEGAN has nothing to learn from; name a corpus in "
            "train_began.folds.unlabelled_corpora, or take began out of variants"
        )
    return found


def _labelled(folds: pa.Table) -> pa.Table:
    """Folds without their unlabelled utterances, of which the classifiers take no notice."""
    import pyarrow.compute as pc

    return folds.filter(pc.not_equal(folds["role"], "unlabelled"))


def tune_began(
    folds: pa.Table,
    utterances: pa.Table,
    chunks: Dataset,
    encoder: dict[str, Any],
    options: TrainBeganOptions,
    training: TrainingOptions,
    models: str,
) -> dict[str, Any]:
    """The study on validation speakers: the classifier's best values for the emotions; {} where it is off."""
    if options.tune is None:
        return {}
    import hashlib
    import json

    from semiser.evaluation.report import evaluate
    from semiser.folds.make import folds_hash, protocol_facts
    from semiser.systems.began import classifier as began_classifier
    from semiser.training.experiment import run_variant
    from semiser.training.tuning import search, validation_as_test

    own = training.model_copy(update={"seeds": training.seeds[:1], "reuse": False})
    validation = validation_as_test(_labelled(folds), options.tune.folds)
    experiment, shape = began_experiment(validation, utterances, chunks, options, training, models, "began")

    def score(values: dict[str, Any]) -> float:
        how = options.tuned(values).fit_options("began", "emotion", shape, own.seeds[0])
        predictions, _ = run_variant(experiment, "study", began_classifier.fit, how, own)
        return evaluate(predictions, protocol_facts(folds), pairs=[], resamples=1)["variants"]["study"]["uar"]["mean"]

    given = options.model_dump(mode="json")
    facts = {name: given[name] for name in ("scaling", "stage", "cepstrum", "classifier")} | {
        "folds": folds_hash(validation),
        "encoder": encoder["key"],
        "seed": own.seeds[0],
        "space": given["tune"]["space"],
    }
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return search(score, options.tune, Path(models) / "study" / "study.sqlite", name)


def train_began_svm(
    folds: pa.Table,
    utterances: pa.Table,
    is10: Dataset,
    options: TrainBeganOptions,
    training: TrainingOptions,
    models: str,
) -> pa.Table:
    """Predictions of the baseline: a support vector machine on IS10, on the same folds and scaling."""
    if "svm" not in options.variants:
        return _empty_tables()[0]
    from semiser.systems.baselines import svm
    from semiser.training.experiment import make_experiment, run_variant

    experiment = make_experiment(_labelled(folds), utterances, {"is10": is10}, options.scaling, models)
    return run_variant(experiment, "svm", svm.fit, options.svm, training.in_one_process())[0]


def neural_trainer(variant: VariantName) -> Callable[..., Tables]:
    """The node function of a neural variant; a variant that is switched off gives empty tables."""

    def train(
        folds: pa.Table,
        utterances: pa.Table,
        chunks: Dataset,
        encoder: dict[str, Any],
        study: dict[str, Any],
        options: TrainBeganOptions,
        training: TrainingOptions,
        models: str,
    ) -> Tables:
        """Predictions, arousal and valence, and training curves of the variant."""
        if variant not in options.variants:
            return _empty_tables()
        from semiser.systems.began import classifier as began_classifier
        from semiser.systems.began.dimensions import dimension_table
        from semiser.training.experiment import run_variant

        options = options.tuned(study["best"]) if study else options
        predictions, dimensions, curves = [], [], []
        for seeds in [training.seeds] if variant != "random_encoder" else [(seed,) for seed in training.seeds]:
            own = training.model_copy(update={"seeds": seeds})
            experiment, shape = began_experiment(_labelled(folds), utterances, chunks, options, own, models, variant)
            for task in options.tasks:
                name, how = _named(variant, task), options.fit_options(variant, task, shape, seeds[0])
                tabulate = dimension_table(utterances, DIMENSIONS) if task == "dimensions" else None
                table, course = run_variant(experiment, name, began_classifier.fit, how, own, tabulate)
                (dimensions if task == "dimensions" else predictions).append(table)
                curves.append(course)
        found = zip((predictions, dimensions, curves), _empty_tables(), strict=True)
        return tuple(pa.concat_tables(tables) if tables else empty for tables, empty in found)

    train.__name__ = train.__qualname__ = f"train_{variant}"
    return train


def _named(variant: str, task: Task) -> str:
    return variant if task == "emotion" else f"{variant}/task={task}"


def began_experiment(
    folds: pa.Table,
    utterances: pa.Table,
    chunks: Dataset,
    options: TrainBeganOptions,
    training: TrainingOptions,
    models: str,
    variant: VariantName,
) -> tuple["Experiment", tuple[int, ...]]:
    """What a neural variant trains on, and the shape of a sample: feature maps of its frozen encoder, or chunks.

    A random encoder is that of the first seed.

    Args:
        folds, utterances, chunks, options, training: of the pipeline.
        models: folder of the experiment's models and encoders.
        variant: any but svm.
    """
    from lightning_fabric import Fabric

    from semiser.data.samples import read_samples
    from semiser.systems.began.classifier import read_maps
    from semiser.systems.began.dimensions import read_dimensions
    from semiser.systems.began.encoder import COLUMN, chunk_shape, load_feature_map, save_random_encoder
    from semiser.training.experiment import experiment_on

    shape = chunk_shape(chunks)

    def about(ids: list[str]) -> dict[str, Any]:
        return {"dimensions": read_dimensions(utterances, ids, DIMENSIONS)} if "dimensions" in options.tasks else {}

    if variant == "from_scratch":
        return experiment_on(
            folds,
            utterances,
            lambda ids: read_samples({COLUMN: chunks}, ids, about=about(ids), scaling=options.scaling, band_axis=0),
            models,
        ), shape
    folder = Path(models) / encoder_folder(variant, training.seeds[0])
    if variant == "random_encoder":
        save_random_encoder(shape, options.encoder.network, training, folder)
    device = Fabric(accelerator=training.accelerator, devices=1).device
    frozen = load_feature_map(folder, options.stage, options.cepstrum).to(device)
    experiment = experiment_on(
        folds, utterances, lambda ids: read_maps(chunks, ids, frozen, options.scaling, about(ids), device), models
    )
    return experiment, frozen.map_shape


def _empty_tables() -> Tables:
    from semiser.evaluation.report import DIMENSIONS_SCHEMA, PREDICTIONS_SCHEMA
    from semiser.training.experiment import CURVES_SCHEMA

    return PREDICTIONS_SCHEMA.empty_table(), DIMENSIONS_SCHEMA.empty_table(), CURVES_SCHEMA.empty_table()


def evaluate_began(
    folds: pa.Table, encoder: dict[str, Any], study: dict[str, Any], options: TrainBeganOptions, *tables: pa.Table
) -> tuple[dict[str, Any], Any, Any]:
    """Metrics with their protocol, as JSON and as a table, and the confusion matrices of all variants.

    Args:
        folds: the experiment's.
        encoder: card of BEGAN, {} where it was not trained.
        study: of the classifier, {} where there was none.
        options: of the pipeline.
        tables: predictions of the variants, and their dimensions.
    """
    from semiser.evaluation.plots import confusion_figure
    from semiser.evaluation.report import evaluate, metrics_table
    from semiser.folds.make import folds_hash, protocol_facts

    dimensions = pa.concat_tables([table for table in tables if "dimension" in table.column_names])
    predictions = pa.concat_tables([table for table in tables if "dimension" not in table.column_names and len(table)])
    facts = {
        "scaling": options.scaling.strategy,
        "encoder": {name: encoder[name] for name in ("chunks", "epochs", "last", "diversity", "collapse")}
        if encoder
        else None,
        "tuned": study.get("best"),
        "folds_hash": folds_hash(folds),
    }
    protocol = protocol_facts(folds) | facts
    metrics = evaluate(predictions, protocol, dimensions=dimensions if len(dimensions) else None)
    for variant, figures in metrics["variants"].items():
        said = ", ".join(f"{name} {figures[name]['mean']:.3f}" for name in figures if name in _SAID)
        logger.info("%s: %s", variant, said)
    return metrics, metrics_table(metrics), confusion_figure(predictions, protocol["classes"])


_SAID = ("uar", "wa", "weighted_f1", *(f"ccc/{name}" for name in DIMENSIONS))


def plot_began_curves(*curves: pa.Table) -> Any:
    """Training curves of the classifiers: mean over folds with their spread."""
    from matplotlib.figure import Figure

    from semiser.evaluation.plots import curves_figure

    table = pa.concat_tables(curves)
    return curves_figure(table) if len(table) else Figure()  # the SVM alone has no curve


def plot_began_encoder(
    folds: pa.Table, chunks: Dataset, encoder: dict[str, Any], curves: pa.Table, models: str
) -> tuple[Any, Any]:
    """BEGAN's curves, and chunks, their reconstructions and generated chunks side by side."""
    from matplotlib.figure import Figure

    if not encoder:
        return Figure(), Figure()
    from semiser.evaluation.plots import curves_figure, spectrograms_figure
    from semiser.systems.began.encoder import sample_chunks

    folder, drawn = Path(models) / encoder_folder("began", 0), curves_figure(curves)
    said = f"collapsed: {encoder['collapse']}" if encoder["collapse"] else "M_global and k show no collapse"
    drawn.suptitle(f"{said}; diversity of generated chunks {encoder['diversity']:.3f}")
    return drawn, spectrograms_figure(sample_chunks(chunks, always_unlabelled(folds), folder))
