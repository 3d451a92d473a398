"""AV-SpNET, declared: the front ends of its Table 2, and recognition on them by task and share of the labels."""

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from semiser.systems.avspnet.options import RECIPES, TrainAvspnetOptions, VariantName, experiment_name
from semiser.systems.system import Job, Product, Stage, System, Work

if TYPE_CHECKING:
    import pyarrow as pa

    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)


class Setting(NamedTuple):
    """A task with a share of the labels, on a front end, by an option set of the recognition network.

    Attributes:
        task: name of the task.
        share: of the labels.
        recognition: name of the option set.
        front_end: folder of the front end, below the pipeline's models.
    """

    task: str
    share: float
    recognition: str
    front_end: str


def make_folds(work: Work) -> "pa.Table":
    """The folds of every task with every share of the labels, over the utterances that have segments."""
    from semiser.folds.settings import join_experiments

    options, segments = work.options, work.table("segments", "variants")
    wanted = [options.fold_options(task, share) for task in options.active_tasks for share in options.shares]
    return join_experiments([work.folds_over([segments], fold_options) for fold_options in wanted])


def pretrain(work: Work) -> tuple[dict[str, Any], "pa.Table"]:
    """Every front end that the variants need, trained once: its cards by seed, and why one was left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.systems.avspnet.pretraining import left_out, make_background, refuse_tested_speakers
    from semiser.training.experiment import CURVES_SCHEMA

    options, utterances = work.options, work.utterances
    voices = utterances.filter(pc.is_in(utterances["corpus"], pa.array(options.background.corpora)))
    if not options.background.transductive:
        tested = work.folds.filter(pc.equal(work.folds["role"], "test"))["utterance_id"]
        refuse_tested_speakers(voices, utterances.filter(pc.is_in(utterances["utterance_id"], tested)))
    proxies = {proxy: work.tables[f"proxy_{proxy}"] for proxy in ("arousal", "valence")}
    segments = work.table("segments", "variants")
    background = make_background(segments, voices, proxies, options.pretraining, options.seed)
    reasons = left_out(background, options.front_ends)
    for variant, reason in reasons.items():
        logger.warning("front end %s is left out: %s", variant, reason)
    cards: dict[str, dict[str, Any]] = {}
    for variant in options.front_ends:
        if variant not in reasons:
            cards[variant] = _train_front_ends(work, variant, background, cards)
    rows = [
        {"variant": variant, "fold": 0, "seed": int(seed), **row}
        for variant, of_seed in cards.items()
        for seed, card in of_seed.items()
        for row in card["curves"]
    ]
    return {"front_ends": cards, "left_out": reasons}, pa.Table.from_pylist(rows, CURVES_SCHEMA)


def _train_front_ends(
    work: Work, variant: VariantName, background: Any, trained: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The cards of a front end by seed; one that starts from another one takes that of the same seed."""
    from semiser.systems.avspnet.pretraining import train_front_end

    options, models, initial = work.options, Path(work.models), RECIPES[variant].initial
    seeds = options.front_end_seeds if RECIPES[variant].trained else work.training.seeds
    return {
        str(seed): train_front_end(
            variant,
            background,
            options.network,
            options.pretraining,
            work.training,
            seed,
            models,
            models / trained[initial][str(seed)]["folder"] if initial else None,
        )
        for seed in seeds
    }


def jobs(work: Work, variant: str) -> Iterator[Job]:
    """Recognition on the variant's front ends, each seed on one of them, with every task, share and option set."""
    from semiser.systems.avspnet.recognition import fit

    options, stage = work.options, work.made["front_ends"]
    cards = list(stage["front_ends"].get(variant, {}).values())
    for number, seed in enumerate(work.training.seeds if cards else ()):
        card = cards[number % len(cards)]
        for name, recognition in options.active_recognition.items():
            for task in options.active_tasks:
                for share in options.shares:
                    setting = Setting(task, share, name, card["folder"])
                    reference = {"folder": card["folder"], "key": card["key"]}
                    key = options.key(variant, task, share, name)
                    yield Job(key, partial(fit, front_end=reference), recognition, setting, (seed,))


def read(work: Work, setting: Setting) -> "Experiment":
    """What the frozen front end makes of every segment of the utterances."""
    import pyarrow.compute as pc

    from semiser.data.samples import read_samples
    from semiser.folds.settings import take_experiment
    from semiser.systems.avspnet.front_end import embed_utterances, load_front_end
    from semiser.training.run import device_of

    folder = Path(work.models, setting.front_end)
    front_end, recognition = load_front_end(folder), work.options.active_recognition[setting.recognition]
    targets = work.utterances.filter(pc.is_in(work.utterances["utterance_id"], work.folds["utterance_id"]))
    table = embed_utterances(
        front_end.to(device_of(work.training)),
        work.table("segments", "variants"),
        targets,
        recognition.front_end,
        folder / "embeddings",
        work.training.reuse,
    )
    own = take_experiment(work.folds, experiment_name(setting.task, setting.share))
    features = partial(read_samples, {"embedding": table}, scaling=recognition.scaling)
    return work.open(features, own)


def protocol(work: Work) -> dict[str, Any]:
    """Shares, background and pre-training; for every task the folds with most labels, which test as the others do."""
    from semiser.folds.settings import take_experiment
    from semiser.folds.table import folds_hash, protocol_facts

    options, tasks = work.options, {}
    for task in options.active_tasks:
        own = take_experiment(work.folds, experiment_name(task, options.shares[-1]))
        tasks[task] = protocol_facts(own) | {"folds_hash": folds_hash(own)}
    return {
        "shares": options.shares,
        "background": options.background.model_dump() | {"left_out": work.made["front_ends"]["left_out"]},
        "pretraining": options.pretraining.model_dump(mode="json"),
        "tasks": tasks,
    }


def pairs(options: TrainAvspnetOptions, variants: Sequence[str]) -> list[tuple[str, str]]:
    """Each variant with `random` on the same task, share and option set."""
    wanted = [(name, "/".join(["random", *name.split("/")[1:]])) for name in variants if not name.startswith("random/")]
    return [pair for pair in wanted if pair[1] in variants]


def confused(options: TrainAvspnetOptions, variants: Sequence[str]) -> Sequence[str]:
    """Those of the first task with most labels."""
    first = experiment_name(options.active_tasks[0], options.shares[-1])
    return [name for name in variants if first in name]


def shown(options: TrainAvspnetOptions, curves: "pa.Table") -> "pa.Table":
    """Curves of the front ends, and of recognition with most labels, a panel per task and option set."""
    import pyarrow as pa

    rows = []
    for row in curves.to_pylist():
        variant, *settings = row["variant"].split("/")
        if not settings:
            rows.append(row)
        elif settings[1] == f"share={options.shares[-1]:g}":
            rows.append(row | {"variant": variant, "name": " ".join([row["name"], settings[0], *settings[2:]])})
    return pa.Table.from_pylist(rows, curves.schema)


def draw_shares(work: Work, table: Any) -> tuple[Any]:
    """Scores by share of the labels."""
    from semiser.evaluation.plots import shares_figure

    return (shares_figure(table),)


def draw_reconstructions(work: Work) -> tuple[Any]:
    """A held-out segment beside what the front ends with a reconstruction head make of it."""
    from matplotlib.figure import Figure

    from semiser.evaluation.plots import reconstruction_figure
    from semiser.systems.avspnet.front_end import first_segment, load_front_end, own_statistics

    panels: dict[str, Any] = {}
    segments = work.table("segments", "variants")
    for variant, cards in work.made["front_ends"]["front_ends"].items():
        card = next(iter(cards.values()))
        if card["reconstruction"]:
            front_end = load_front_end(Path(work.models, card["folder"]))
            name = card["background"]["held_out"][0]
            segment = first_segment(segments, name)
            panels.setdefault(f"held out: {name}", segment)
            statistics = own_statistics(front_end, segments, work.utterances, name)
            panels[variant] = front_end.reconstruct(segment[None], statistics)[0]
    return (reconstruction_figure(panels) if panels else Figure(),)  # no front end that reconstructs was asked for


SYSTEM = System(
    name="avspnet",
    title="AV-SpNET",
    paper="Lu et al., Learning an Arousal-Valence Speech Front-End Network (AVEC 2018)",
    options=TrainAvspnetOptions,
    tables=("segments",),
    variants={
        "random": "a front end of random weights (R)",
        "proxy_arousal": "a front end that learns proxy arousal (W_a)",
        "proxy_valence": "a front end that learns proxy valence (W_v)",
        "autoencoder": "a front end that learns to reconstruct (AE)",
        "autoencoder_then_arousal": "proxy arousal from the autoencoder's weights (W_AE_a)",
        "autoencoder_then_valence": "proxy valence from the autoencoder's weights (W_AE_v)",
        "avspnet_arousal": "reconstruction and proxy arousal together (AV-SpNET_a)",
        "avspnet_valence": "reconstruction and proxy valence together (AV-SpNET_v)",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    pairs=pairs,
    confused=confused,
    shown=shown,
    stages=(Stage("front_ends", pretrain, reads=("proxy_arousal", "proxy_valence")),),
    products=(
        Product("shares", ("shares_figure",), draw_shares, of=("metrics_table",)),
        Product("reconstructions", ("reconstructions_figure",), draw_reconstructions),
    ),
)
