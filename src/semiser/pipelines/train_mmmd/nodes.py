"""Nodes of train_mmmd: folds, one node per variant, evaluation."""

from typing import Any

import pyarrow as pa

from semiser.options.mmmd import TrainMmmdOptions
from semiser.options.training import TrainingOptions

Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas when pipelines are registered


def make_mmmd_folds(utterances: pa.Table, is10: Dataset, options: TrainMmmdOptions) -> pa.Table:
    """The experiment's folds, as data, over the utterances that have features."""
    from semiser.training.data import with_features
    from semiser.training.folds import make_folds

    return make_folds(with_features(utterances, is10), options.folds)


def train_svm(
    folds: pa.Table,
    utterances: pa.Table,
    is10: Dataset,
    options: TrainMmmdOptions,
    training: TrainingOptions,
    models: str,
) -> pa.Table:
    """Predictions of the baseline: a support vector machine on the same folds and scaling."""
    from semiser.systems import svm
    from semiser.training.experiment import make_experiment, run_variant

    experiment = make_experiment(folds, utterances, is10, "is10", options.scaling, models)
    return run_variant(experiment, "svm", svm.fit, options.svm, training)[0]


def train_mmd(
    folds: pa.Table,
    utterances: pa.Table,
    is10: Dataset,
    options: TrainMmmdOptions,
    training: TrainingOptions,
    models: str,
) -> tuple[pa.Table, pa.Table]:
    """Predictions and training curves of MMD, supervised."""
    from semiser.systems import mmmd
    from semiser.training.experiment import make_experiment, run_variant

    experiment = make_experiment(folds, utterances, is10, "is10", options.scaling, models)
    return run_variant(experiment, "mmd", mmmd.fit, options.mmd, training)


def evaluate_variants(
    folds: pa.Table, options: TrainMmmdOptions, svm: pa.Table, mmd: pa.Table
) -> tuple[dict[str, Any], Any, Any]:
    """Metrics with their protocol, as JSON and as a table, and the confusion matrices of all variants."""
    from semiser.evaluation.plots import confusion_figure
    from semiser.evaluation.report import evaluate, metrics_table
    from semiser.training.folds import folds_hash, protocol_facts

    predictions = pa.concat_tables([svm, mmd])
    protocol = protocol_facts(folds) | {"scaling": options.scaling.strategy, "folds_hash": folds_hash(folds)}
    metrics = evaluate(predictions, protocol)
    return metrics, metrics_table(metrics), confusion_figure(predictions, protocol["classes"])


def plot_curves(curves: pa.Table) -> Any:
    """Training curves: mean over folds with their spread."""
    from semiser.evaluation.plots import curves_figure

    return curves_figure(curves)
