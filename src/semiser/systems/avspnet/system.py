"""AV-SpNET, declared: the front ends of its Table 2, and recognition on them by task and share of the labels."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from semiser.options.modalities import SEGMENT_FAMILIES
from semiser.systems.avspnet.options import (
    END_TO_END,
    MEL,
    PROXIES,
    RECIPES,
    EndToEndOptions,
    FrontEndName,
    TrainAvspnetOptions,
    VariantName,
    experiment_name,
)
from semiser.systems.system import Job, Product, Stage, System, Work

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)


class Setting(NamedTuple):
    """A task with a share of the labels, on a front end, by an option set of the recognition network.

    Attributes:
        task: name of the task.
        share: of the labels.
        recognition: name of the option set.
        front_end: folder of the front end, below the pipeline's models; None: the encoder is trained, too.
    """

    task: str
    share: float
    recognition: str
    front_end: str | None


def make_folds(work: Work[TrainAvspnetOptions]) -> "pa.Table":
    """The folds of every task with every share of the labels, over the utterances that have segments.

    A speaker's mean is that of all their utterances (2.1.2), also of those that take no part.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.folds.make import make_folds
    from semiser.folds.settings import join_experiments
    from semiser.folds.table import count_left_out, with_left_out
    from semiser.systems.avspnet.overlap import overlapping

    options, usable = work.options, work.with_features([_segments(work)])
    dropped: list[dict[str, Any]] = []
    if options.overlapping == "leave_out":
        clear = work.utterances["utterance_id"].filter(pa.array(~overlapping(work.utterances)))
        kept = usable.filter(pc.is_in(usable["utterance_id"], clear))
        dropped, usable = count_left_out(usable, kept, "someone else of the dialogue speaks meanwhile"), kept
    wanted = [options.fold_options(task, share) for task in options.active_tasks for share in options.shares]
    tables = []
    for each in wanted:
        own = [row for row in dropped if row["corpus"] in each.corpora]
        tables.append(with_left_out(make_folds(usable, each, work.utterances), own))
    return join_experiments(tables)


def _segments(work: Work[TrainAvspnetOptions], mel: bool = False) -> "Dataset":
    """The table of segments, on the mel axis if that is asked for; in a plan None."""
    table = work.table(work.options.input, "input")
    if work.tables is None:
        return table
    from semiser.systems.avspnet.segments import mel_segments, segments_of

    folder = Path(work.models, "input")
    if mel:
        return mel_segments(table, work.options.mel, folder)
    return segments_of(table, work.options.input, work.options.input_frames, folder)


def pretrain(work: Work[TrainAvspnetOptions]) -> tuple[dict[str, Any], "pa.Table"]:
    """Every front end that the variants need, trained once: its cards by seed, and why one was left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.folds.table import ids_of
    from semiser.systems.avspnet.pretraining import left_out, make_background, refuse_tested_speakers
    from semiser.training.experiment import CURVES_SCHEMA

    options, utterances = work.options, work.utterances
    voices = utterances.filter(pc.is_in(utterances["corpus"], pa.array(options.background.corpora)))
    if not options.background.transductive:
        tested = ids_of(work.folds.filter(pc.equal(work.folds["role"], "test")))
        refuse_tested_speakers(voices, utterances.filter(pc.is_in(utterances["utterance_id"], tested)))
    proxies = {proxy: work.table_if_on(f"proxy_{proxy}") for proxy in PROXIES}
    backgrounds = {
        mel: make_background(
            _segments(work, mel), voices, proxies, options.pretraining, options.seed, options.mel if mel else None
        )
        for mel in sorted({RECIPES[variant].mel for variant in options.front_ends})
    }
    reasons = {
        name: why
        for mel, background in backgrounds.items()
        for name, why in left_out(background, [each for each in options.front_ends if RECIPES[each].mel == mel]).items()
    }
    for variant, reason in reasons.items():
        logger.warning("front end %s is left out: %s", variant, reason)
    cards: dict[str, dict[str, Any]] = {}
    for variant in options.front_ends:
        if variant not in reasons:
            cards[variant] = _train_front_ends(work, variant, backgrounds[RECIPES[variant].mel], cards)
    rows = [
        {"variant": variant, "fold": 0, "seed": int(seed), **row}
        for variant, of_seed in cards.items()
        for seed, card in of_seed.items()
        for row in card["curves"]
    ]
    document = {"front_ends": cards, "left_out": reasons, "proxies": _proxy_counts(voices, proxies)}
    return document, pa.Table.from_pylist(rows, CURVES_SCHEMA)


def _proxy_counts(voices: "pa.Table", proxies: "Mapping[Any, pa.Table]") -> dict[str, dict[str, int]]:
    """Corpus of the background to the counts of its proxy labels, `<proxy>: <class>`."""
    import pyarrow.compute as pc

    found: dict[str, dict[str, int]] = {}
    for corpus in pc.unique(voices["corpus"]).to_pylist():
        ids = voices["utterance_id"].filter(pc.equal(voices["corpus"], corpus)).combine_chunks()
        for proxy, table in proxies.items():
            labels = table["label"].filter(pc.is_in(table["utterance_id"], ids)).drop_null().value_counts()
            found.setdefault(corpus, {}).update(
                {f"{proxy}: {row['values']}": row["counts"] for row in labels.to_pylist()}
            )
    return found


def _train_front_ends(
    work: Work[TrainAvspnetOptions], variant: FrontEndName, background: Any, trained: dict[str, dict[str, Any]]
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


def jobs(work: Work[TrainAvspnetOptions], variant: VariantName) -> Iterator[Job]:
    """Recognition on the variant's front ends, each seed on one of them, with every task, share and option set."""
    if variant == END_TO_END:
        yield from _end_to_end(work)
        return
    from semiser.systems.avspnet.recognition import fit

    options, stage = work.options, work.made["front_ends"]
    cards = list(stage["front_ends"].get(variant, {}).values())
    for number, seed in enumerate(work.training.seeds if cards else ()):
        card = cards[number % len(cards)]
        reference = {name: card[name] for name in ("folder", "weights_sha256")}
        for task, share, name in options.settings:
            key = options.key(variant, task, share, name)
            how = options.active_recognition[name]
            yield Job(key, partial(fit, front_end=reference), how, Setting(task, share, name, card["folder"]), (seed,))


def _end_to_end(work: Work[TrainAvspnetOptions]) -> Iterator[Job]:
    """Encoder and recognition network trained together, in every setting."""
    from semiser.systems.avspnet.front_end import segment_size
    from semiser.systems.avspnet.recognition import fit_end_to_end

    options, size = work.options, segment_size(_segments(work))
    for task, share, name in options.settings:
        how = EndToEndOptions(network=options.network, recognition=options.active_recognition[name], size=size)
        yield Job(options.key(END_TO_END, task, share, name), fit_end_to_end, how, Setting(task, share, name, None))


def read(work: Work[TrainAvspnetOptions], setting: Setting) -> "Experiment":
    """What the frozen front end makes of every segment of the utterances; the segments themselves without one.

    Segments are standardised per bin as those of front ends are, by the fold's training part for the background's.
    """
    import pyarrow.compute as pc

    from semiser.data.samples import read_samples
    from semiser.folds.settings import take_experiment
    from semiser.folds.table import ids_of
    from semiser.options.training import ScalingOptions
    from semiser.systems.avspnet.front_end import COLUMN, embed_utterances, load_front_end
    from semiser.training.run import device_of

    own = take_experiment(work.folds, experiment_name(setting.task, setting.share))
    if setting.front_end is None:
        segments = _segments(work)
        scaling = ScalingOptions(strategy="speaker" if work.options.pretraining.scaling == "speaker" else "global")
        return work.open(partial(read_samples, {COLUMN: segments}, scaling=scaling, band_axis=0), own)
    folder = Path(work.models, setting.front_end)
    front_end, recognition = load_front_end(folder), work.options.active_recognition[setting.recognition]
    targets = work.utterances.filter(pc.is_in(work.utterances["utterance_id"], ids_of(work.folds)))
    table = embed_utterances(
        front_end.to(device_of(work.training)),
        _segments(work, mel=bool(front_end.card.get("mel"))),
        targets,
        recognition.front_end,
        folder / "embeddings",
        work.training.reuse,
    )
    return work.open(partial(read_samples, {"embedding": table}, scaling=recognition.scaling), own)


def protocol(work: Work[TrainAvspnetOptions]) -> dict[str, Any]:
    """Shares, background, networks, their training; for every task the folds with most labels, which test as others."""
    from semiser.folds.settings import take_experiment
    from semiser.folds.table import folds_hash, protocol_facts

    options, tasks = work.options, {}
    for task in options.active_tasks:
        own = take_experiment(work.folds, experiment_name(task, options.shares[-1]))
        tasks[task] = protocol_facts(own) | {"folds_hash": folds_hash(own)}
    return {
        "shares": options.shares,
        "background": options.background.model_dump() | {"left_out": work.made["front_ends"]["left_out"]},
        "input": options.input,
        "mel": options.mel.model_dump() if any(RECIPES[name].mel for name in options.front_ends) else None,
        "counts": _counts(work, tasks) if options.input == "segments" else [],
        "overlapping": options.overlapping,
        "network": options.network.model_dump(mode="json"),
        "pretraining": options.pretraining.model_dump(mode="json"),
        "recognition": {name: how.model_dump(mode="json") for name, how in options.active_recognition.items()},
        "tasks": tasks,
    }


def _counts(work: Work, tasks: "dict[str, dict[str, Any]]") -> list[dict[str, Any]]:
    """What there is beside the paper's Table 1: of targets as they take part, of the background with its proxies."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.folds.table import ids_of
    from semiser.systems.avspnet.counts import count_segments, counts_beside

    options, table = work.options, work.utterances
    used = ids_of(work.folds)
    ids = {
        corpus: table["utterance_id"].filter(
            pc.and_(pc.equal(table["corpus"], corpus), pc.is_in(table["utterance_id"], used))
        )
        for corpus in options.corpora
    }
    ids |= {name: table["utterance_id"].filter(pc.equal(table["corpus"], name)) for name in options.background.corpora}
    found = count_segments(_segments(work), {name: pa.array(rows) for name, rows in ids.items()})
    for task, facts in tasks.items():
        for corpus, of_corpus in facts["corpora"].items():
            found |= {(corpus, f"{task}: {name}"): count for name, count in of_corpus["per_class"].items()}
    for corpus, labels in work.made["front_ends"].get("proxies", {}).items():
        found |= {(corpus, what): count for what, count in labels.items()}
    return counts_beside(found)


def pairs(options: TrainAvspnetOptions, variants: Sequence[str]) -> list[tuple[str, str]]:
    """Each variant with `random` on the same axis, task, share and option set."""
    wanted = []
    for name in variants:
        front_end, *rest = name.split("/")
        random = f"random{MEL}" if front_end.endswith(MEL) else "random"
        if front_end != random:
            wanted.append((name, "/".join([random, *rest])))
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


def draw_shares(work: Work[TrainAvspnetOptions], table: Any) -> tuple[Any]:
    """Scores by share of the labels."""
    from semiser.evaluation.plots import shares_figure

    return (shares_figure(table),)


def draw_reconstructions(work: Work[TrainAvspnetOptions]) -> tuple[Any]:
    """A held-out segment beside what the front ends with a reconstruction head make of it."""
    from matplotlib.figure import Figure

    from semiser.evaluation.plots import reconstruction_figure
    from semiser.systems.avspnet.front_end import first_segment, load_front_end, own_statistics

    panels: dict[str, Any] = {}
    for variant, cards in work.made["front_ends"]["front_ends"].items():
        card = next(iter(cards.values()))
        if card["reconstruction"]:
            front_end = load_front_end(Path(work.models, card["folder"]))
            name = card["background"]["held_out"][0]
            mel = bool(front_end.card.get("mel"))
            segments = _segments(work, mel)
            segment = first_segment(segments, name)
            panels.setdefault(f"held out{', mel' if mel else ''}: {name}", segment)
            statistics = own_statistics(front_end, segments, work.utterances, name)
            made = front_end.reconstruct(segment[None], statistics)
            assert made is not None, "the card says that there is a reconstruction head"
            panels[variant] = made[0]
    return (reconstruction_figure(panels) if panels else Figure(),)  # no front end that reconstructs was asked for


SYSTEM: System[TrainAvspnetOptions, VariantName] = System(
    name="avspnet",
    title="AV-SpNET",
    paper="Lu et al., Learning an Arousal-Valence Speech Front-End Network (AVEC 2018)",
    options=TrainAvspnetOptions,
    tables=SEGMENT_FAMILIES,
    variants={
        "random": "a front end of random weights (R)",
        "random_end_to_end": "encoder and recognition trained together from random weights (R, as the abstract has it)",
        "proxy_arousal": "a front end that learns proxy arousal (W_a)",
        "proxy_valence": "a front end that learns proxy valence (W_v)",
        "autoencoder": "a front end that learns to reconstruct (AE)",
        "autoencoder_then_arousal": "proxy arousal from the autoencoder's weights (W_AE_a)",
        "autoencoder_then_valence": "proxy valence from the autoencoder's weights (W_AE_v)",
        "avspnet_arousal": "reconstruction and proxy arousal together (AV-SpNET_a)",
        "avspnet_valence": "reconstruction and proxy valence together (AV-SpNET_v)",
        "random_mel": "ours: a front end of random weights on a mel axis",
        "proxy_arousal_mel": "ours: a front end on a mel axis that learns proxy arousal",
        "avspnet_arousal_mel": "ours: reconstruction and proxy arousal together on a mel axis",
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
