"""Systems whose utterances are no vectors, in the benchmark: each reads what it needs, on the benchmark's folds.

A guest trains by its own declaration (`semiser.systems.system.System`), with options of its own group but for folds and
variants, which are the benchmark's. Its variants stand beside the methods as `<system>_<variant>`.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from semiser.folds.options import FoldOptions
from semiser.options.training import SystemOptions
from semiser.systems.avspnet import system as avspnet
from semiser.systems.avspnet.options import MEL, experiment_name
from semiser.systems.began import system as began
from semiser.systems.cmkt import system as cmkt
from semiser.systems.cmkt.options import UNMASKED
from semiser.systems.mssgan import system as mssgan
from semiser.systems.system import Job, System, Work

if TYPE_CHECKING:
    import pyarrow as pa

    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)

GuestName = Literal[
    "cmkt_supervised",
    "cmkt_fixmatch",
    "cmkt_pi_model",
    "cmkt_temporal_ensembling",
    "cmkt_supervised_unmasked",
    "cmkt_fixmatch_unmasked",
    "cmkt_pi_model_unmasked",
    "cmkt_temporal_ensembling_unmasked",
    "cmkt_softmatch_unmasked",
    "mssgan_fsbase",
    "mssgan_ssbase",
    "mssgan_ssgan",
    "avspnet_random",
    "avspnet_random_end_to_end",
    "avspnet_proxy_arousal",
    "avspnet_proxy_valence",
    "avspnet_autoencoder",
    "avspnet_autoencoder_then_arousal",
    "avspnet_autoencoder_then_valence",
    "avspnet_avspnet_arousal",
    "avspnet_avspnet_valence",
    "avspnet_random_mel",
    "avspnet_proxy_arousal_mel",
    "avspnet_avspnet_arousal_mel",
    "began_no_encoder",
    "began_random_encoder",
    "began_from_scratch",
    "began_began",
    "began_began_paper_form",
]
STAGE = "guests"  # what guests make before their variants
TASK = "emotion"  # what a system of several tasks tells


class Guest(NamedTuple):
    """A system in the benchmark.

    Attributes:
        system: its declaration.
        variants: those of it that take part, to what each is without unlabelled speech; None: it is that.
        hears: whether these learn from what the benchmark leaves unlabelled; else from further corpora.
        options: its options from what an experiment gives, the benchmark's folds and the variants.
        experiments: the names under which it looks for the folds; None: for any.
    """

    system: System[Any, Any]
    variants: Mapping[str, str | None]
    hears: bool
    options: Callable[[Mapping[str, Any], FoldOptions, list[str]], SystemOptions]
    experiments: Callable[[Any], list[str]] | None = None

    def name(self, variant: str) -> str:
        """The method that a variant is in the benchmark."""
        return f"{self.system.name}_{variant}"


def _of_began(given: Mapping[str, Any], folds: FoldOptions, variants: list[str]) -> SystemOptions:
    return began.SYSTEM.options(**{**given, "folds": folds, "variants": variants})


def _of_cmkt(given: Mapping[str, Any], folds: FoldOptions, variants: list[str]) -> SystemOptions:
    voice = {"visual": None, "unlabelled_with_knowledge": False}  # what needs faces takes no part
    return cmkt.SYSTEM.options(**{**given, **voice, "folds": folds, "variants": variants})


def _of_mssgan(given: Mapping[str, Any], folds: FoldOptions, variants: list[str]) -> SystemOptions:
    task = {"target": folds.target, "merges": folds.merges, "classes": folds.classes}
    tasks = {"arousal": None, "valence": None, TASK: task}
    return mssgan.SYSTEM.options(**{**given, "folds": folds, "variants": variants, "tasks": tasks})


def _of_avspnet(given: Mapping[str, Any], folds: FoldOptions, variants: list[str]) -> SystemOptions:
    task = {"target": folds.target, "merges": folds.merges, "classes": folds.classes}
    own = {"corpora": folds.corpora, "tasks": {TASK: task}, "shares": [1.0]}  # the benchmark hides the labels
    kept = {"protocol": folds.protocol, "validation": folds.validation, "seed": folds.seed, "overlapping": "keep"}
    return avspnet.SYSTEM.options(**{**given, **own, **kept, "variants": variants})


def _settings_of_mssgan(options: Any) -> list[str]:
    return [options.task_folds(setting).experiment for setting in options.settings]


_CONSISTENT = ("fixmatch", "pi_model", "temporal_ensembling")  # CMKT's that need no face


def _random_of(front_end: str) -> str:
    """The random front end on the same axis."""
    return f"random{MEL}" if front_end.endswith(MEL) else "random"


GUESTS: tuple[Guest, ...] = (
    Guest(
        cmkt.SYSTEM,
        {f"{name}{kind}": f"supervised{kind}" for kind in ("", UNMASKED) for name in _CONSISTENT}
        | {f"softmatch{UNMASKED}": f"supervised{UNMASKED}", "supervised": None, f"supervised{UNMASKED}": None},
        hears=True,
        options=_of_cmkt,
    ),
    Guest(
        mssgan.SYSTEM,
        {"fsbase": None, "ssbase": "fsbase", "ssgan": "fsbase"},
        hears=True,
        options=_of_mssgan,
        experiments=_settings_of_mssgan,
    ),
    Guest(
        avspnet.SYSTEM,
        {"random": None, "random_mel": None, "random_end_to_end": None}
        | {name: _random_of(name) for name in avspnet.SYSTEM.variants if not name.startswith("random")},
        hears=False,
        options=_of_avspnet,
        experiments=lambda options: [experiment_name(TASK, 1.0)],
    ),
    Guest(
        began.SYSTEM,
        {"no_encoder": None, "random_encoder": None, "from_scratch": None}
        | {"began": "random_encoder", "began_paper_form": "no_encoder"},  # the first has the same layers
        hears=False,
        options=_of_began,
    ),
)
METHODS = {guest.name(variant): (guest, variant) for guest in GUESTS for variant in guest.variants}
SUPERVISED = {
    name: guest.name(without) for name, (guest, variant) in METHODS.items() if (without := guest.variants[variant])
}


def invited(variants: Sequence[str]) -> list[tuple[Guest, list[str]]]:
    """The guests of which methods are trained, with the variants that these are."""
    named = [(guest, [of for name in variants if (of := _variant(guest, name))]) for guest in GUESTS]
    return [(guest, names) for guest, names in named if names]


def prepare(work: Work[Any]) -> "tuple[dict[str, Any], pa.Table | None]":
    """What guests make before their variants, such as front ends: once, on the folds of the first budget and draw.

    Returns:
        System to stage to its document, and the curves of all.
    """
    import pyarrow as pa

    options, made, curves = work.options, {}, []
    for guest, _ in invited(options.variants):
        of_one: dict[str, Any] = {}
        inner = _work_of(work, guest, options.shares[0], options.draws[0], False, options.draws)
        for stage in guest.system.stages:
            of_one[stage.name], rows = stage.make(replace(inner, made=dict(of_one)))
            curves += [] if rows is None else [rows]
        made[guest.system.name] = of_one
    return made, pa.concat_tables(curves) if curves else None


def jobs(work: Work[Any], method: str) -> "Iterator[tuple[Job, float, int, bool]]":
    """The trainings of a guest's variant, each with its share of the labels, its draw, and whether it hears the tested.

    A job keeps the guest's setting; its name begins with the method. What learns from unlabelled speech is not trained
    where a fold has none, as with all labels: it is its counterpart there.
    """
    guest, variant = METHODS[method]
    hears = guest.hears and guest.variants[variant] is not None
    for heard, share, draw in product(
        work.options.heard if hears else (False,), work.options.shares, work.options.draws
    ):
        inner = _work_of(work, guest, share, draw, heard, work.options.draws)
        if hears and not _every_fold_has_unlabelled(inner.folds):
            logger.info("%s is not trained with %g %% of the labels: nothing is unlabelled", method, 100 * share)
            continue
        for job in guest.system.jobs(inner, variant):
            if job.seeds is None or draw in job.seeds:
                own = [part for part in job.name.split("/")[1:] if part.split("=")[0] not in ("task", "share")]
                yield replace(job, name="/".join([method, *own]), seeds=(draw,)), share, draw, heard


def read(work: Work[Any], method: str, share: float, draw: int, heard: bool, setting: Any) -> "Experiment":
    """The experiment in a guest's setting, on the benchmark's folds."""
    guest, _ = METHODS[method]
    inner = _work_of(work, guest, share, draw, heard, work.options.draws)
    return guest.system.read(inner, setting)


def _work_of(work: Work[Any], guest: Guest, share: float, draw: int, heard: bool, seeds: tuple[int, ...]) -> Work[Any]:
    """The work of a guest on the folds of a budget and draw."""
    from semiser.folds.settings import join_experiments, take_experiment

    budget: FoldOptions = work.options.budget(share, draw, heard)
    folds = take_experiment(work.folds, budget.experiment)
    options = work.options.of_guest(guest)
    if guest.experiments:
        folds = join_experiments([called(folds, name) for name in guest.experiments(options)])
    names = [*guest.system.tables, *(name for stage in guest.system.stages for name in stage.reads)]
    return Work(
        system=guest.system,
        options=options,
        training=work.training.model_copy(update={"seeds": seeds}),
        models=work.models,
        utterances=work.utterances,
        tables=None if work.tables is None else {name: work.tables.get(name) for name in names},
        folds=folds,
        made=work.made.get(STAGE, {}).get(guest.system.name, {}),
    )


def called(folds: "pa.Table", experiment: str) -> "pa.Table":
    """Folds, and their protocol, under another experiment's name."""
    import json

    import pyarrow as pa

    from semiser.folds.table import protocol_facts

    place = folds.schema.get_field_index("experiment")
    named = folds.set_column(place, "experiment", pa.array([experiment] * len(folds), pa.string()))
    facts = protocol_facts(folds) | {"experiment": experiment}
    return named.replace_schema_metadata({"protocol": json.dumps(facts, ensure_ascii=False)})


def _every_fold_has_unlabelled(folds: "pa.Table") -> bool:
    import pyarrow.compute as pc

    rows = folds.filter(pc.equal(folds["role"], "unlabelled"))
    return len(pc.unique(rows["fold"])) == len(pc.unique(folds["fold"]))


def _variant(guest: Guest, method: str) -> str | None:
    owner, variant = METHODS.get(method, (None, ""))
    return variant if owner is guest else None
