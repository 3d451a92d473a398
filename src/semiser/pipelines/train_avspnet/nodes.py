"""Nodes of train_avspnet: folds, front ends, one node per variant on all tasks and shares, evaluation."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from semiser.options.training import TrainingOptions
from semiser.systems.avspnet.options import RECIPES, TrainAvspnetOptions, VariantName, experiment_name

logger = logging.getLogger(__name__)
Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas


def make_avspnet_folds(utterances: pa.Table, segments: Dataset, options: TrainAvspnetOptions) -> pa.Table:
    """The folds of every task with every share of the labels, over the utterances that have segments."""
    from semiser.data.vectors import with_features
    from semiser.folds.make import make_folds
    from semiser.folds.table import stack_experiments

    usable = with_features(utterances, segments)
    wanted = [options.fold_options(task, share) for task in options.active_tasks for share in options.shares]
    return stack_experiments([make_folds(usable, fold_options) for fold_options in wanted])


def pretrain_front_ends(
    utterances: pa.Table,
    segments: Dataset,
    proxy_arousal: pa.Table,
    proxy_valence: pa.Table,
    folds: pa.Table,
    options: TrainAvspnetOptions,
    training: TrainingOptions,
    models: str,
) -> dict[str, Any]:
    """Every front end that the variants need, trained once: its cards by seed, and why one was left out."""
    from pathlib import Path

    from semiser.systems.avspnet.recognition import left_out, make_background, refuse_tested_speakers, train_front_end

    voices = utterances.filter(pc.is_in(utterances["corpus"], pa.array(options.background.corpora)))
    if not options.background.transductive:
        tested = folds.filter(pc.equal(folds["role"], "test"))["utterance_id"]
        refuse_tested_speakers(voices, utterances.filter(pc.is_in(utterances["utterance_id"], tested)))
    proxies = {"arousal": proxy_arousal, "valence": proxy_valence}
    background = make_background(segments, voices, proxies, options.pretraining, options.seed)
    reasons = left_out(background, options.front_ends)
    for variant, reason in reasons.items():
        logger.warning("front end %s is left out: %s", variant, reason)
    cards: dict[str, dict[str, Any]] = {name: {} for name in options.front_ends if name not in reasons}
    for variant, of_seed in cards.items():
        initial = RECIPES[variant].initial
        for seed in options.front_end_seeds if RECIPES[variant].trained else training.seeds:
            of_seed[str(seed)] = train_front_end(
                variant,
                background,
                options.network,
                options.pretraining,
                training,
                seed,
                Path(front_end_folder(models, variant, seed)),
                Path(front_end_folder(models, initial, seed)) if initial else None,
            )
    return {"front_ends": cards, "left_out": reasons}


def front_end_folder(models: str, variant: str, seed: int | str) -> str:
    """Where a front end lies."""
    return f"{models}/front_ends/{variant}/seed-{seed}"


def variant_trainer(variant: VariantName) -> Callable[..., tuple[pa.Table, pa.Table]]:
    """The node function of a variant; one that is switched off or was left out gives empty tables."""

    def train(
        folds: pa.Table,
        utterances: pa.Table,
        segments: Dataset,
        front_ends: dict[str, Any],
        options: TrainAvspnetOptions,
        training: TrainingOptions,
        models: str,
    ) -> tuple[pa.Table, pa.Table]:
        """Predictions and training curves of the variant on all tasks and shares."""
        from semiser.evaluation.report import PREDICTIONS_SCHEMA
        from semiser.training.experiment import CURVES_SCHEMA

        predictions, curves = [PREDICTIONS_SCHEMA.empty_table()], [CURVES_SCHEMA.empty_table()]
        cards = front_ends["front_ends"].get(variant, {}) if variant in options.variants else {}
        for number, seed in enumerate(training.seeds if cards else ()):
            chosen = list(cards)[number % len(cards)]
            folder, one_seed = front_end_folder(models, variant, chosen), training.model_copy(update={"seeds": (seed,)})
            for tables in _recognise(variant, folds, utterances, segments, options, one_seed, models, folder):
                predictions.append(tables[0].replace_schema_metadata(None))
                curves.append(tables[1])
        return pa.concat_tables(predictions), pa.concat_tables(curves)

    train.__name__ = train.__qualname__ = f"train_on_{variant}"
    return train


def _recognise(
    variant: VariantName,
    folds: pa.Table,
    utterances: pa.Table,
    segments: Dataset,
    options: TrainAvspnetOptions,
    training: TrainingOptions,
    models: str,
    folder: str,
):
    """Predictions and curves of every task, share and option set, on one front end."""
    import os
    from pathlib import Path

    from semiser.data.samples import read_samples
    from semiser.folds.table import pick_experiment
    from semiser.systems.avspnet.front_end import embed_utterances, load_front_end
    from semiser.systems.avspnet.recognition import fit
    from semiser.training.experiment import experiment_on, run_variant
    from semiser.training.run import device_of

    front_end = load_front_end(folder).to(device_of(training))
    targets = utterances.filter(pc.is_in(utterances["utterance_id"], folds["utterance_id"]))
    for name, recognition in options.active_recognition.items():
        table = embed_utterances(
            front_end, segments, targets, recognition.front_end, Path(folder) / "embeddings", training.reuse
        )
        for task in options.active_tasks:
            for share in options.shares:
                own = pick_experiment(folds, experiment_name(task, share))
                read = partial(read_samples, {"embedding": table}, scaling=recognition.scaling)
                key = options.key(variant, task, share, name)
                # a fold lies two folders below its variant, seed-0/fold-00
                where = os.path.relpath(folder, f"{models}/{key}/seed/fold")
                reference = {"folder": where, "key": front_end.card["key"]}
                experiment = experiment_on(own, utterances, read, models)
                yield run_variant(experiment, key, partial(fit, front_end=reference), recognition, training)


def evaluate_avspnet(
    folds: pa.Table, front_ends: dict[str, Any], options: TrainAvspnetOptions, *tables: pa.Table
) -> tuple[dict[str, Any], Any, Any, Any]:
    """Metrics with their protocol, as JSON and as a table; confusion matrices, and scores by share of labels.

    Variants are compared with `random` on the same task, share and option set.
    """
    import json

    from semiser.evaluation.plots import confusion_figure, shares_figure
    from semiser.evaluation.report import evaluate, metrics_table
    from semiser.folds.table import folds_hash, pick_experiment, protocol_facts

    predictions = pa.concat_tables(tables)
    metrics: dict[str, Any] = {
        "protocol": {
            "shares": options.shares,
            "background": options.background.model_dump() | {"left_out": front_ends["left_out"]},
            "pretraining": options.pretraining.model_dump(),
            "tasks": {},
        },
        "variants": {},
        "paired": {},
    }
    for task in options.active_tasks:
        own = pick_experiment(folds, experiment_name(task, options.shares[-1]))
        facts = protocol_facts(own) | {"folds_hash": folds_hash(own)}
        names = {experiment_name(task, share) for share in options.shares}
        of_task = predictions.filter(pc.is_in(predictions["experiment"], pa.array(sorted(names))))
        of_task = of_task.replace_schema_metadata({"classes": json.dumps(facts["classes"])})
        found = evaluate(of_task, facts, pairs=_pairs_with_random(of_task, options, task))
        metrics["protocol"]["tasks"][task] = found["protocol"]
        metrics["variants"] |= found["variants"]
        metrics["paired"] |= found["paired"]
    for variant, figures in metrics["variants"].items():
        interval = " to ".join(f"{end:.3f}" for end in figures["uar"]["ci95"] if end is not None)
        logger.info("%s: UAR %.3f, 95 %% interval %s", variant, figures["uar"]["mean"], interval)
    table = metrics_table(metrics)
    first = options.active_tasks[0]
    classes = metrics["protocol"]["tasks"][first]["classes"]
    shown = pc.match_substring(predictions["variant"], experiment_name(first, options.shares[-1]))
    return metrics, table, confusion_figure(predictions.filter(shown), classes), shares_figure(table)


def _pairs_with_random(predictions: pa.Table, options: TrainAvspnetOptions, task: str) -> list[tuple[str, str]]:
    trained = set(pc.unique(predictions["variant"]).to_pylist())
    pairs = [
        (options.key(variant, task, share, name), options.key("random", task, share, name))
        for name in options.active_recognition
        for share in options.shares
        for variant in options.variants
        if variant != "random"
    ]
    return [pair for pair in pairs if trained.issuperset(pair)]


def plot_curves(front_ends: dict[str, Any], options: TrainAvspnetOptions, *curves: pa.Table) -> Any:
    """A panel per curve of the front ends, and of the recognition networks with the last share of labels."""
    from semiser.evaluation.plots import curves_figure
    from semiser.training.experiment import CURVES_SCHEMA

    rows = [
        {"variant": variant, "fold": 0, "seed": int(seed), **row}
        for variant, cards in front_ends["front_ends"].items()
        for seed, card in cards.items()
        for row in card["curves"]
    ]
    for row in pa.concat_tables(curves).to_pylist():
        variant, task, share, *recognition = row["variant"].split("/")
        if share == f"share={options.shares[-1]:g}":
            rows.append(row | {"variant": variant, "name": " ".join([row["name"], task, *recognition])})
    return curves_figure(pa.Table.from_pylist(rows, CURVES_SCHEMA))


def draw_reconstructions(utterances: pa.Table, segments: Dataset, front_ends: dict[str, Any], models: str) -> Any:
    """A held-out segment beside what the front ends with a reconstruction head make of it."""
    from matplotlib.figure import Figure

    from semiser.evaluation.plots import reconstruction_figure
    from semiser.systems.avspnet.front_end import first_segment, load_front_end, own_statistics

    panels = {}
    for variant, cards in front_ends["front_ends"].items():
        seed, card = next(iter(cards.items()))
        if card["reconstruction"]:
            front_end = load_front_end(front_end_folder(models, variant, seed))
            name = card["background"]["held_out"][0]
            segment = first_segment(segments, name)
            panels.setdefault(f"held out: {name}", segment)
            statistics = own_statistics(front_end, segments, utterances, name)
            panels[variant] = front_end.reconstruct(segment[None], statistics)[0]
    return reconstruction_figure(panels) if panels else Figure()  # no front end that reconstructs was asked for
