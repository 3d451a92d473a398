"""Nodes of train_mmmd: folds, one node per variant, evaluation."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from semiser.options.training import TrainingOptions
from semiser.systems.mmmd.options import TrainMmmdOptions, VariantName

if TYPE_CHECKING:
    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)
Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas; None for a family that is switched off


def make_mmmd_folds(
    utterances: pa.Table, is10: Dataset, word2vec: Dataset, social: Dataset, options: TrainMmmdOptions
) -> pa.Table:
    """The experiment's folds, as data, over the utterances that have the features of every modality."""
    from semiser.data.vectors import with_features
    from semiser.folds.make import make_folds

    for table in modality_tables(is10, word2vec, social, options).values():
        utterances = with_features(utterances, table)
    return make_folds(utterances, options.folds)


def train_svm(
    folds: pa.Table,
    utterances: pa.Table,
    is10: Dataset,
    word2vec: Dataset,
    social: Dataset,
    options: TrainMmmdOptions,
    training: TrainingOptions,
    models: str,
) -> pa.Table:
    """Predictions of the baseline: a support vector machine on the same folds and scaling."""
    if "svm" not in options.variants:
        return _empty_tables()[0]
    from semiser.systems.baselines import svm
    from semiser.training.experiment import run_variant

    experiment = mmmd_experiment(folds, utterances, is10, word2vec, social, options, models)
    return run_variant(experiment, "svm", svm.fit, options.svm, training.in_one_process())[0]


def neural_trainer(variant: VariantName) -> Callable[..., tuple[pa.Table, pa.Table]]:
    """The node function of a neural variant; a variant that is switched off gives empty tables."""

    def train(
        folds: pa.Table,
        utterances: pa.Table,
        is10: Dataset,
        word2vec: Dataset,
        social: Dataset,
        options: TrainMmmdOptions,
        training: TrainingOptions,
        models: str,
    ) -> tuple[pa.Table, pa.Table]:
        """Predictions and training curves of the variant."""
        if variant not in options.variants:
            return _empty_tables()
        from semiser.systems.mmmd import fit as mmmd
        from semiser.training.experiment import run_variant

        experiment = mmmd_experiment(folds, utterances, is10, word2vec, social, options, models)
        return run_variant(experiment, variant, mmmd.fit, options.neural(variant), training)

    train.__name__ = train.__qualname__ = f"train_{variant}"
    return train


def modality_tables(is10: Dataset, word2vec: Dataset, social: Dataset, options: TrainMmmdOptions) -> dict[str, Dataset]:
    """Feature column to its table, for the modalities of the options.

    Raises:
        ValueError: a modality's table is missing because its family is switched off.
    """
    tables = {"is10": is10, "word2vec": word2vec, "query_topic": social, "accent": social}
    for column in options.columns:
        if tables[column] is None:
            family = column if column in ("is10", "word2vec") else "social"
            raise ValueError(
                f"train_mmmd.modalities is {', '.join(options.modalities)}, but features.{family} is switched off: "
                f"take the modality out, or switch the family on and run `kedro run --pipelines=features`"
            )
    return {column: tables[column] for column in options.columns}


def mmmd_experiment(
    folds: pa.Table,
    utterances: pa.Table,
    is10: Dataset,
    word2vec: Dataset,
    social: Dataset,
    options: TrainMmmdOptions,
    models: str,
) -> "Experiment":
    """What all variants train on; one-hot vectors are not standardised."""
    from semiser.systems.mmmd.options import ONE_HOT
    from semiser.training.experiment import make_experiment

    tables = modality_tables(is10, word2vec, social, options)
    return make_experiment(
        folds,
        utterances,
        tables,
        options.scaling,
        models,
        as_is=ONE_HOT,
        unlabelled_in_memory_mb=options.unlabelled_in_memory_mb,
        block_rows=options.block_rows,
    )


def _empty_tables() -> tuple[pa.Table, pa.Table]:
    from semiser.evaluation.report import PREDICTIONS_SCHEMA
    from semiser.training.experiment import CURVES_SCHEMA

    return PREDICTIONS_SCHEMA.empty_table(), CURVES_SCHEMA.empty_table()


def evaluate_variants(folds: pa.Table, options: TrainMmmdOptions, *tables: pa.Table) -> tuple[dict[str, Any], Any, Any]:
    """Metrics with their protocol, as JSON and as a table, and the confusion matrices of all variants."""
    from semiser.evaluation.plots import confusion_figure
    from semiser.evaluation.report import evaluate, metrics_table
    from semiser.folds.make import folds_hash, protocol_facts

    predictions = pa.concat_tables([table for table in tables if len(table)])
    facts = {"scaling": options.scaling.strategy, "modalities": options.modalities, "folds_hash": folds_hash(folds)}
    protocol = protocol_facts(folds) | facts
    metrics = evaluate(predictions, protocol)
    for variant, figures in metrics["variants"].items():
        interval = " to ".join(f"{end:.3f}" for end in figures["uar"]["ci95"] if end is not None)
        logger.info("%s: UAR %.3f, 95 %% interval %s", variant, figures["uar"]["mean"], interval)
    return metrics, metrics_table(metrics), confusion_figure(predictions, protocol["classes"])


def plot_curves(*curves: pa.Table) -> Any:
    """Training curves of all variants: mean over folds with their spread."""
    from matplotlib.figure import Figure

    from semiser.evaluation.plots import curves_figure

    table = pa.concat_tables(curves)
    return curves_figure(table) if len(table) else Figure()  # the SVM alone has no curve
