"""The benchmark, declared: methods of other systems on the same folds, budgets and draws of labels."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from semiser.options.modalities import MODALITY_FAMILIES
from semiser.systems import on_vectors
from semiser.systems.baselines import system as baselines
from semiser.systems.benchmark import guests
from semiser.systems.benchmark.options import Setting, TrainBenchmarkOptions
from semiser.systems.mmmd import system as mmmd
from semiser.systems.on_vectors import FeatureSet
from semiser.systems.system import Job, Product, Stage, System, Work

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)
_OWNERS: tuple[System[Any, Any], ...] = (baselines.SYSTEM, mmmd.SYSTEM)  # of the methods


def make_folds(work: Work[TrainBenchmarkOptions]) -> "pa.Table":
    """The same folds with every budget and draw: an experiment each."""
    from semiser.folds.settings import join_experiments

    options = work.options
    of = product(options.shares, options.draws, options.heard)
    budgets = [options.budget(share, draw, heard) for share, draw, heard in of]
    used = [family for guest, _ in guests.invited(options.variants)
            for family in options.of_guest(guest).families() if family in guest.system.tables]  # fmt: skip
    beside = [work.table(family, "variants") for family in dict.fromkeys(used)]
    return join_experiments([on_vectors.make_folds(work, budget, beside) for budget in budgets])


def read(work: Work[TrainBenchmarkOptions], setting: Setting | FeatureSet | None) -> "Experiment":
    """The features of a set, which are read once; in a setting, with the folds of its budget and draw.

    Draws of one budget are one experiment, of which they are the seeds.
    """
    from semiser.folds.settings import take_experiment

    options = work.options
    if not isinstance(setting, Setting):
        first = options.budget(options.shares[0], options.draws[0])
        return on_vectors.read(work, setting, take_experiment(work.folds, first.experiment))
    budget = options.budget(setting.share, setting.draw, setting.heard).experiment
    if setting.guest is None:
        found = replace(work.experiment(setting.features), folds=take_experiment(work.folds, budget))
    else:
        found = guests.read(work, setting.guest, setting.share, setting.draw, setting.heard, setting.own)
    return replace(found, folds=guests.called(found.folds, budget.partition("/draw=")[0]))


def jobs(work: Work[TrainBenchmarkOptions], variant: str) -> Iterator[Job]:
    """A method as its own system trains it, in every setting; on speech to hear if it hears without labels."""
    from semiser.systems.benchmark.tables import SUPERVISED

    if variant in guests.METHODS:
        for job, share, draw, heard in guests.jobs(work, variant):
            unlabelled = "/unlabelled=target" if heard else ""
            setting = Setting(share, draw, None, heard, variant, job.setting)
            yield replace(job, name=f"{job.name}{unlabelled}/share={share:g}", setting=setting)
        return
    owner = next(system for system in _OWNERS if variant in system.variants)
    of_features = {job.setting: job for job in owner.jobs(work, variant)}
    for ending, setting in work.options.settings:
        if setting.heard and variant not in SUPERVISED:
            continue
        job = of_features[setting.features]
        yield replace(job, name=f"{variant}{ending}", setting=setting, seeds=(setting.draw,))


def protocol(work: Work[TrainBenchmarkOptions]) -> dict[str, Any]:
    """What the folds share, and those of every budget by its name, of the first draw."""
    from semiser.folds.settings import protocols_of

    options, found = work.options, protocols_of(work.folds)
    settings = {
        f"{options.folds.experiment}{ending}": found[
            options.budget(setting.share, setting.draw, setting.heard).experiment
        ]
        for ending, setting in options.settings
        if setting.draw == options.draws[0]
    }
    shared = {name: value for name, value in next(iter(settings.values())).items() if name != "label_budget"}
    modalities = {"modalities": options.modalities} if options.modality_sets is None else {}
    return work.fold_facts(
        **shared | {"experiment": options.folds.experiment},
        **modalities,
        scaling=options.scaling.strategy,
        shares=list(options.shares),
        draws=list(options.draws),
        settings=settings,
    )


def pairs(options: TrainBenchmarkOptions, variants: Sequence[str]) -> list[tuple[str, str]]:
    """All that were trained with the same budget, later minus earlier."""
    from semiser.systems.benchmark.tables import with_same_labels

    return with_same_labels(variants)


def shown(options: TrainBenchmarkOptions, curves: "pa.Table") -> "pa.Table":
    """Curves by method: mean over settings, too."""
    import pyarrow as pa

    methods = pa.array([name.split("/")[0] for name in curves["variant"].to_pylist()], pa.string())
    return curves.set_column(curves.schema.get_field_index("variant"), "variant", methods)


def confused(options: TrainBenchmarkOptions, variants: Sequence[str]) -> Sequence[str]:
    """Those with the fewest labels and with most."""
    from semiser.evaluation.tasks import settings_of

    ends = {f"{share:g}" for share in (min(options.shares), max(options.shares))}
    return [name for name in variants if settings_of(name)["share"] in ends]


def rank_methods(
    work: Work[TrainBenchmarkOptions], metrics: dict[str, Any], predictions: "pa.Table", models: list[dict[str, Any]]
) -> "tuple[pd.DataFrame, Figure, pd.DataFrame, pd.DataFrame]":
    """Scores by share of labels with what they cost, drawn; the ranking; the tests that it is of."""
    from semiser.evaluation.plots import shares_figure
    from semiser.evaluation.report import metrics_table
    from semiser.systems.benchmark import tables
    from semiser.systems.benchmark.tables import efficiency, paired_tests, ranking, tested, without_speech

    hours = tables.processor_hours(models)
    logger.info("%d trainings of this table took %.3g processor hours", len(models), hours)
    measured = list(tested(work, metrics, predictions))
    tests, table = paired_tests(measured), efficiency(work, measured, models)
    figure = shares_figure(metrics_table(metrics), references=without_speech(table))
    return table, figure, ranking(measured, tests), tests


SYSTEM: System[TrainBenchmarkOptions, str] = System(
    name="benchmark",
    title="Benchmark",
    alias="benchmark",
    options=TrainBenchmarkOptions,
    tables=MODALITY_FAMILIES,
    variants={name: text for system in _OWNERS for name, text in system.variants.items()}
    | {name: f"{guest.system.title}: {guest.system.variants[of]}" for name, (guest, of) in guests.METHODS.items()},
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    pairs=pairs,
    confused=confused,
    shown=shown,
    stages=(Stage(guests.STAGE, guests.prepare, reads=("proxy_arousal", "proxy_valence")),),
    products=(
        Product(
            "ranking",
            ("efficiency_table", "efficiency_figure", "ranking_table", "tests_table"),
            rank_methods,
            of=("train_benchmark_metrics", "predictions", "models"),
        ),
    ),
    kept=lambda options: len(options.feature_sets) + len(list(options.settings)),
)
