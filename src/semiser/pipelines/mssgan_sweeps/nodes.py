"""Nodes of mssgan_sweeps: the trainings of one ablation, and their figures."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from semiser.options.training import TrainingOptions
from semiser.pipelines.train_mssgan.nodes import Dataset, mssgan_experiment, train_setting
from semiser.systems.mssgan.options import TrainMssganOptions
from semiser.systems.mssgan.sweeps import MssganSweepsOptions, SweepName


def ablation_trainer(sweep: SweepName) -> Callable[..., pa.Table]:
    """The node function that trains every setting of an ablation on every fold."""

    def train(
        folds: pa.Table,
        utterances: pa.Table,
        fbank: Dataset,
        fft: Dataset,
        dface: Dataset,
        options: TrainMssganOptions,
        training: TrainingOptions,
        models: str,
        sweeps: MssganSweepsOptions,
    ) -> pa.Table:
        """Predictions of every setting, which stands in the variant's name."""
        tables, setting = {"fbank": fbank, "fft": fft, "dface": dface}, sweeps.setting(sweep, options)
        found = []
        for name, chosen, system in sweeps.variants(sweep, options):
            experiment = mssgan_experiment(folds, utterances, tables, chosen, setting, models)
            found.append(train_setting(experiment, name, system, training)[0])
        return pa.concat_tables(found)

    train.__name__ = train.__qualname__ = f"ablate_{sweep}"
    return train


def ablation_evaluator(sweep: SweepName) -> Callable[..., tuple[Any, Any, Any]]:
    """The node function that measures an ablation."""

    def evaluate_ablation(
        folds: pa.Table, predictions: pa.Table, options: TrainMssganOptions, sweeps: MssganSweepsOptions
    ) -> tuple[Any, Any, Any]:
        """Figures of every setting as a table and drawn, and the confusion matrices."""
        from semiser.evaluation.plots import confusion_figure, sweep_figure
        from semiser.evaluation.report import evaluate, metrics_table
        from semiser.folds.make import protocol_facts
        from semiser.folds.settings import take_experiment

        experiment = options.task_folds(sweeps.setting(sweep, options)).experiment
        facts = protocol_facts(take_experiment(folds, experiment))
        table = metrics_table(evaluate(predictions, facts, pairs=[]))
        return table, sweep_figure(table, "uar"), confusion_figure(predictions, facts["classes"])

    evaluate_ablation.__name__ = evaluate_ablation.__qualname__ = f"evaluate_{sweep}"
    return evaluate_ablation
