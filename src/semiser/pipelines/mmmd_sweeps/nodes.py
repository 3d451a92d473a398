"""Nodes of mmmd_sweeps: the trainings of one sweep, and their figures."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from semiser.options.training import TrainingOptions
from semiser.pipelines.train_mmmd.nodes import Dataset, mmmd_experiment
from semiser.systems.mmmd.options import TrainMmmdOptions
from semiser.systems.mmmd.sweeps import MmmdSweepsOptions, SweepName


def sweep_trainer(sweep: SweepName) -> Callable[..., pa.Table]:
    """The node function that trains every setting of a sweep on every fold."""

    def train(
        folds: pa.Table,
        utterances: pa.Table,
        is10: Dataset,
        word2vec: Dataset,
        social: Dataset,
        options: TrainMmmdOptions,
        training: TrainingOptions,
        models: str,
        sweeps: MmmdSweepsOptions,
    ) -> pa.Table:
        """Predictions of every setting, which stands in the variant's name."""
        from semiser.systems.mmmd import fit as mmmd
        from semiser.training.experiment import run_variant

        tables = []
        for name, chosen in sweeps.settings(sweep, options):
            experiment = mmmd_experiment(folds, utterances, is10, word2vec, social, chosen, models)
            variant = f"{sweeps.variant}/{sweep}={name}"
            tables.append(run_variant(experiment, variant, mmmd.fit, sweeps.neural(chosen), training)[0])
        return pa.concat_tables(tables)

    train.__name__ = train.__qualname__ = f"sweep_{sweep}"
    return train


def evaluate_sweep(folds: pa.Table, predictions: pa.Table) -> tuple[Any, Any]:
    """Figures of every setting as a table, and drawn: macro F1 with its interval, and F1 of each class."""
    from semiser.evaluation.plots import sweep_figure
    from semiser.evaluation.report import evaluate, metrics_table
    from semiser.folds.make import protocol_facts

    table = metrics_table(evaluate(predictions, protocol_facts(folds), pairs=[]))
    return table, sweep_figure(table)
