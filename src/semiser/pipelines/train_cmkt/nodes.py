"""Nodes of train_cmkt: folds, one node per variant, evaluation, and what became of the pseudo-labels."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from semiser.options.training import TrainingOptions
from semiser.systems.cmkt.options import TrainCmktOptions, VariantName

if TYPE_CHECKING:
    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)
Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas; None for a family that is switched off

# What the paper compares: its fusions with the rest, and each source of pseudo-labels with supervised learning.
_PAIRS = [
    *((fusion, other) for fusion in ("consistent_random", "weighted_fusion")
      for other in ("supervised", "fixmatch", "cmkt_labels", "dcmkt_finetuned")),
    *((other, "supervised") for other in ("fixmatch", "pi_model", "temporal_ensembling", "dcmkt_finetuned",
                                          "cmkt_labels")),
    ("consistent_random", "weighted_fusion"),
]  # fmt: skip


def make_cmkt_folds(
    utterances: pa.Table, stft: Dataset, wav2vec: Dataset, fbank: Dataset, options: TrainCmktOptions
) -> pa.Table:
    """The experiment's folds, as data, over the utterances that have the audio features."""
    from semiser.data.vectors import with_features
    from semiser.folds.make import make_folds

    return make_folds(with_features(utterances, _input_table(stft, wav2vec, fbank, options)), options.folds)


def variant_trainer(variant: VariantName) -> Callable[..., tuple[pa.Table, pa.Table]]:
    """The node function of a variant; a variant that is switched off gives empty tables."""

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
    ) -> tuple[pa.Table, pa.Table]:
        """Predictions and training curves of the variant."""
        if variant not in options.variants:
            return _empty_tables()
        from semiser.systems.cmkt import fit as cmkt
        from semiser.training.experiment import run_variant

        experiment = cmkt_experiment(folds, utterances, stft, wav2vec, fbank, expression, options, models)
        return run_variant(experiment, variant, cmkt.fit, options.neural(variant), training)

    train.__name__ = train.__qualname__ = f"train_{variant}"
    return train


def cmkt_experiment(
    folds: pa.Table,
    utterances: pa.Table,
    stft: Dataset,
    wav2vec: Dataset,
    fbank: Dataset,
    expression: Dataset,
    options: TrainCmktOptions,
    models: str,
) -> "Experiment":
    """What all variants train on: frames of every utterance, and visual knowledge of the unlabelled ones."""
    import numpy as np
    import pyarrow.compute as pc

    from semiser.data.frames import read_frames
    from semiser.systems.cmkt.visual import read_knowledge
    from semiser.training.experiment import experiment_on

    table = _input_table(stft, wav2vec, fbank, options)
    heard = set(folds.filter(pc.not_equal(folds["role"], "unlabelled"))["utterance_id"].to_pylist())

    speaker_of = dict(zip(utterances["utterance_id"].to_pylist(), utterances["speaker_id"].to_pylist(), strict=True))

    def read(ids: list[str]):
        kept = np.array([name in heard for name in ids])
        visual = read_knowledge(folds, utterances, expression, ids, options)
        speakers = [speaker_of[name] for name in ids]
        return read_frames(
            table, options.input, ids, kept, visual,
            pool=options.pool_frames, speakers=speakers if options.scaling == "speaker" else None,
            memory_mib=options.memory_mib, block_rows=options.block_rows,
        )  # fmt: skip

    return experiment_on(folds, utterances, read, models)


def _input_table(stft: Dataset, wav2vec: Dataset, fbank: Dataset, options: TrainCmktOptions) -> Dataset:
    table = {"stft": stft, "wav2vec": wav2vec, "fbank": fbank}[options.input]
    if table is None:
        raise ValueError(
            f"train_cmkt.input is {options.input}, but features.{options.input} is switched off: switch it on and run "
            "`kedro run --pipelines=features`, or choose another input"
        )
    return table


def _empty_tables() -> tuple[pa.Table, pa.Table]:
    from semiser.evaluation.report import PREDICTIONS_SCHEMA
    from semiser.training.experiment import CURVES_SCHEMA

    return PREDICTIONS_SCHEMA.empty_table(), CURVES_SCHEMA.empty_table()


def evaluate_variants(
    folds: pa.Table, utterances: pa.Table, expression: Dataset, options: TrainCmktOptions, *tables: pa.Table
) -> tuple[dict[str, Any], Any, Any]:
    """Metrics with their protocol, as JSON and as a table, and the confusion matrices of all variants."""
    from semiser.evaluation.plots import confusion_figure
    from semiser.evaluation.report import evaluate, metrics_table

    predictions = pa.concat_tables([table for table in tables if len(table)])
    protocol = cmkt_protocol(folds, utterances, expression, options)
    pairs = [pair for pair in _PAIRS if set(pair) <= set(options.variants)]
    metrics = evaluate(predictions, protocol, pairs=pairs)
    for variant, figures in metrics["variants"].items():
        interval = " to ".join(f"{end:.3f}" for end in figures["uar"]["ci95"] if end is not None)
        logger.info("%s: UAR %.3f, 95 %% interval %s", variant, figures["uar"]["mean"], interval)
    return metrics, metrics_table(metrics), confusion_figure(predictions, protocol["classes"])


def cmkt_protocol(
    folds: pa.Table, utterances: pa.Table, expression: Dataset, options: TrainCmktOptions
) -> dict[str, Any]:
    """What the figures mean: folds, input, and where the visual knowledge comes from."""
    import pyarrow.compute as pc

    from semiser.folds.make import folds_hash, protocol_facts
    from semiser.systems.cmkt.visual import knowledge_facts, read_knowledge

    ids = pc.unique(folds["utterance_id"]).to_pylist()
    visual = read_knowledge(folds, utterances, expression, ids, options)
    facts = {"input": options.input, "pool_frames": options.pool_frames, "scaling": options.scaling}
    facts["folds_hash"] = folds_hash(folds)
    return protocol_facts(folds) | facts | knowledge_facts(folds, visual, ids, options)


def plot_curves(*curves: pa.Table) -> Any:
    """Training curves of all variants: mean over folds and seeds with their spread."""
    from semiser.evaluation.plots import curves_figure

    return curves_figure(pa.concat_tables(curves))


def measure_pseudo_labels(folds: pa.Table, models: str, *curves: pa.Table) -> tuple[Any, Any]:
    """Share kept and precision of the pseudo-labels by variant, epoch and class: counts, and drawn."""
    from semiser.folds.table import protocol_facts
    from semiser.systems.cmkt.fit import PSEUDO_LABELS
    from semiser.systems.cmkt.pseudo_labels import PseudoLabelRun, count_pseudo_labels, pseudo_label_figure

    trained = pa.concat_tables(curves).group_by(["variant", "seed", "fold"], use_threads=False).aggregate([])
    runs = [
        PseudoLabelRun(row["variant"], row["fold"], Path(models, row["variant"], f"seed-{row['seed']}", name))
        for row in trained.to_pylist()
        for name in [f"fold-{row['fold']:02d}/{PSEUDO_LABELS}"]
    ]
    counts = count_pseudo_labels(folds, [run for run in runs if run.path.exists()], protocol_facts(folds)["classes"])
    return counts, pseudo_label_figure(counts)
