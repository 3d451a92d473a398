"""Nodes of cmkt_sweeps: the trainings of one sweep, and their figures."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from semiser.options.training import TrainingOptions
from semiser.pipelines.train_cmkt.nodes import Dataset, cmkt_experiment, cmkt_protocol
from semiser.systems.cmkt.options import TrainCmktOptions
from semiser.systems.cmkt.sweeps import VARIANT_OF, CmktSweepsOptions, SweepName


def sweep_trainer(sweep: SweepName) -> Callable[..., pa.Table]:
    """The node function that trains every setting of a sweep on every fold."""

    def train(
        folds: pa.Table,
        utterances: pa.Table,
        stft: Dataset,
        wav2vec: Dataset,
        fbank: Dataset,
        expression: Dataset,
        options: TrainCmktOptions,
        training: TrainingOptions,
        models: str,
        sweeps: CmktSweepsOptions,
    ) -> pa.Table:
        """Predictions of every setting, which stands in the variant's name."""
        from semiser.systems.cmkt import fit as cmkt
        from semiser.training.experiment import run_variant

        experiment = cmkt_experiment(folds, utterances, stft, wav2vec, fbank, expression, options, models)
        tables = [
            run_variant(experiment, f"{VARIANT_OF[sweep]}/{sweep}={name}", cmkt.fit, chosen, training)[0]
            for name, chosen in sweeps.settings(sweep, options)
        ]
        return pa.concat_tables(tables)

    train.__name__ = train.__qualname__ = f"sweep_cmkt_{sweep}"
    return train


def evaluate_sweep(
    folds: pa.Table, utterances: pa.Table, expression: Dataset, options: TrainCmktOptions, predictions: pa.Table
) -> tuple[dict[str, Any], Any, Any]:
    """Metrics of every setting with their protocol, as a table, and drawn: UAR with its interval, F1 of each class."""
    from semiser.evaluation.plots import sweep_figure
    from semiser.evaluation.report import evaluate, metrics_table

    metrics = evaluate(predictions, cmkt_protocol(folds, utterances, expression, options), pairs=[])
    table = metrics_table(metrics)
    return metrics, table, sweep_figure(table, "uar")
