"""Front ends of AV-SpNET, pre-trained without any annotation (Lu et al., AVEC 2018).

A front end learns on background corpora to reconstruct its input and to recognise a proxy label (Eq. 5-7). It is then
frozen under the recognition networks.
"""

import hashlib
import json
import logging
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser import __version__
from semiser.card import Card
from semiser.data.stream import Batch, SampleStream
from semiser.devices import fetched, sent
from semiser.evaluation.metrics import uar
from semiser.options.training import TrainingOptions
from semiser.progress import progress
from semiser.systems.avspnet.front_end import (
    COLUMN,
    FrontEnd,
    Moments,
    Speakers,
    Statistics,
    load_front_end,
    segment_size,
    segments_options,
    shard_keys,
    sum_moments,
)
from semiser.systems.avspnet.network import AvSpNet, Outputs
from semiser.systems.avspnet.options import (
    RECIPES,
    AvspnetNetworkOptions,
    FrontEndName,
    MelAxisOptions,
    PretrainingOptions,
    Proxy,
    Reduction,
)
from semiser.systems.avspnet.segments import family_of_segments
from semiser.training.channels_last import channels_last
from semiser.training.processes import fit_in_processes
from semiser.training.run import TrainingRun, bare
from semiser.training.saved import keyed_folder, read_saved

logger = logging.getLogger(__name__)
PROXY_CLASSES: dict[Proxy, tuple[str, str]] = {"arousal": ("low", "high"), "valence": ("negative", "positive")}


class Part(NamedTuple):
    """Background utterances that are trained on, or held out: their segments, proxy classes and statistics."""

    stream: SampleStream
    y: Tensor  # (U,) int64, -1 where there is no proxy label
    group: Tensor  # (U,) row in the statistics


@dataclass(frozen=True)
class Background:
    """What front ends are trained on; nothing is read before it is needed.

    Attributes:
        table: of `segments`.
        utterances: rows of `utterances` that have segments.
        proxies: proxy to the class of each utterance, int64 of shape (U,), -1 where it has none.
        held_out: which are not trained on, bool of shape (U,).
        scaling: of `PretrainingOptions`.
        block_rows: likewise.
        mel: the frequency axis of the table's segments, where it is not that of the family.
    """

    table: pa.dataset.Dataset
    utterances: pa.Table
    proxies: Mapping[Proxy, Tensor]
    held_out: Tensor
    scaling: str
    block_rows: int
    mel: MelAxisOptions | None = None

    @cached_property
    def speakers(self) -> Speakers:
        """Who speaks."""
        return Speakers.of(self.utterances)

    @cached_property
    def moments(self) -> Moments:
        """Of every speaker's segments, in one pass over all."""
        stream = SampleStream(self.table, [COLUMN], self.speakers.utterance_ids, block_rows=self.block_rows)
        return sum_moments(stream, self.speakers.group)

    @property
    def statistics(self) -> Statistics:
        """What segments are standardised with in training."""
        return self.moments.by_group() if self.scaling == "speaker" else self.moments.of_all()

    @property
    def corpora(self) -> list[str]:
        """Names of the corpora."""
        return sorted(set(self.utterances["corpus"].to_pylist()))

    @cached_property
    def size(self) -> tuple[int, int]:
        """Bins and frames of a segment."""
        return segment_size(self.table)

    def used(self, proxy: Proxy | None) -> Tensor:
        """Which utterances a front end uses, bool of shape (U,): those with the proxy label, or all."""
        return torch.ones(len(self.held_out), dtype=torch.bool) if proxy is None else self.proxies[proxy] >= 0

    def parts(self, proxy: Proxy | None) -> tuple[Part, Part]:
        """What is trained on, and what is held out."""
        y = torch.full((len(self.held_out),), -1) if proxy is None else self.proxies[proxy]
        group = self.speakers.group if self.scaling == "speaker" else torch.zeros_like(self.speakers.group)
        parts = []
        for mask in (self.used(proxy) & ~self.held_out, self.used(proxy) & self.held_out):
            places = mask.nonzero().flatten()
            ids = [self.speakers.utterance_ids[place] for place in places]
            stream = SampleStream(self.table, [COLUMN], ids, block_rows=self.block_rows)
            parts.append(Part(stream, y[places], group[places]))
        return parts[0], parts[1]

    def to(self, device: torch.device) -> "Background":
        """The same: segments go to the device batch by batch."""
        return self

    def why_not(self, proxy: Proxy | None) -> str | None:
        """Why a front end with that proxy cannot be trained; None where it can."""
        if proxy is None:
            return None
        y = self.proxies[proxy][~self.held_out]
        counts = {name: int((y == place).sum()) for place, name in enumerate(PROXY_CLASSES[proxy])}
        if min(counts.values()) > 0:
            return None
        labels = ", ".join(f"{count} {name}" for name, count in counts.items())
        return (
            f"proxy {proxy} of {', '.join(self.corpora)}: {labels} among {len(y)} utterances that are trained on, so "
            "there is nothing to tell apart; proxy arousal comes from features.voice, proxy valence from "
            "features.valence and transcripts"
        )


def make_background(
    table: pa.dataset.Dataset,
    utterances: pa.Table,
    proxy_tables: Mapping[Proxy, pa.Table],
    options: PretrainingOptions,
    seed: int,
    mel: MelAxisOptions | None = None,
) -> Background:
    """The background of front ends.

    Args:
        table: of `segments`.
        utterances: rows of `utterances` of the background's corpora; those without segments are left out.
        proxy_tables: proxy to its table, with columns utterance_id and label.
        options: what is held out, and scaling.
        seed: of what is held out.
        mel: the frequency axis of the segments, where it is not that of the family.
    """
    found = table.to_table(columns=["utterance_id"])["utterance_id"]
    utterances = utterances.filter(pc.is_in(utterances["utterance_id"], found)).sort_by("utterance_id")
    if len(utterances) < 2:
        raise ValueError(
            "the background has no two utterances with segments: check background.corpora and features.segments, then "
            "run `kedro run --pipelines=features`"
        )
    drawn = torch.randperm(len(utterances), generator=torch.Generator().manual_seed(seed))
    held_out = torch.zeros(len(utterances), dtype=torch.bool)
    held_out[drawn[: max(1, round(options.held_out_share * len(utterances)))]] = True
    proxies = {proxy: _proxy_classes(proxy, table, utterances) for proxy, table in proxy_tables.items()}
    return Background(table, utterances, proxies, held_out, options.scaling, options.block_rows, mel)


def _proxy_classes(proxy: Proxy, table: pa.Table, utterances: pa.Table) -> Tensor:
    labels = dict(zip(table["utterance_id"].to_pylist(), table["label"].to_pylist(), strict=True))
    place: dict[str | None, int] = {name: number for number, name in enumerate(PROXY_CLASSES[proxy])}
    return torch.tensor([place.get(labels.get(name), -1) for name in utterances["utterance_id"].to_pylist()])


def refuse_tested_speakers(background: pa.Table, tested: pa.Table) -> None:
    """Refuse a background that has a test speaker's voice.

    Args:
        background, tested: rows of `utterances`.

    Raises:
        ValueError: a speaker is in both; or a corpus, where one of them does not name its speaker.
    """
    shared = sorted(_known(background, "speaker_id") & _known(tested, "speaker_id"))
    nameless = {
        name
        for table in (background, tested)
        for name in _known(table.filter(pc.is_null(table["speaker_id"])), "corpus")
    }
    shared += [
        f"a speaker of {name} who is not named"
        for name in sorted(nameless & _known(background, "corpus") & _known(tested, "corpus"))
    ]
    if shared:
        raise ValueError(
            f"train_avspnet.background: {len(shared)} of its speakers are tested, such as {shared[0]}; take their "
            "corpus out of background.corpora, or declare it with background.transductive: true"
        )


def _known(table: pa.Table, column: str) -> set[str]:
    return set(table[column].drop_null().to_pylist())


def train_front_end(
    variant: FrontEndName,
    background: Background,
    network: AvspnetNetworkOptions,
    pretraining: PretrainingOptions,
    training: TrainingOptions,
    seed: int,
    models: Path,
    initial: Path | None = None,
) -> dict[str, Any]:
    """Train a front end, unless it is there already with the same data, options and seed.

    Args:
        variant: of Table 2.
        background: what it learns from.
        network, pretraining: its options.
        training: device, checkpoints.
        seed: of its weights and of the order of segments.
        models: folder of the pipeline's models.
        initial: folder of the front end whose encoder it starts from.

    Returns:
        The card: how it came to be, its figures on held-out utterances, and its curves; and `folder`, where it lies
        below the models.
    """
    training = training.model_copy(update={"precision": pretraining.precision or training.precision})
    before = read_saved(initial, Card) if initial else None
    proxy = RECIPES[variant].proxy
    facts = {
        "version": __version__,
        "variant": variant,
        "network": network.model_dump(mode="json"),
        "pretraining": pretraining.model_dump(mode="json"),
        "precision": training.precision,
        "seed": seed,
        "initial": before and before.card.weights_sha256,
        "shards": shard_keys(background.table, background.corpora),
        "utterances": background.speakers.utterance_ids,
        "groups": background.speakers.group.tolist(),
        "held_out": background.held_out.tolist(),
        "proxy": background.proxies[proxy].tolist() if proxy else None,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    folder, there = keyed_folder(models / "front_ends" / variant / f"seed-{seed}", key, reuse=training.reuse)
    place = {"folder": folder.relative_to(models).as_posix()}
    if there:
        logger.info("%s seed %d: trained before with the same background and options", variant, seed)
        return read_saved(folder, Card).facts | place
    if reason := background.why_not(RECIPES[variant].proxy):
        raise ValueError(f"front end {variant}: {reason}")
    if not RECIPES[variant].trained:
        training = training.in_one_process()
    _ = background.moments  # one pass through all segments, made before processes that would each make it
    run = TrainingRun(folder, seed, training.in_one_process(), key)
    options = FrontEndOptions(variant, network, pretraining, load_front_end(initial) if initial else None)
    fit_in_processes(fit_front_end, background, options, training, run)
    return read_saved(folder, Card).facts | place


class FrontEndOptions(NamedTuple):
    """What a front end is trained by."""

    variant: FrontEndName
    network: AvspnetNetworkOptions
    pretraining: PretrainingOptions
    initial: FrontEnd | None  # whose encoder it starts from


def fit_front_end(background: Background, how: FrontEndOptions, run: TrainingRun) -> Tensor:
    """Train a front end of Table 2 on the background; weights and card go to the run's folder.

    `random` is saved as it is made, its batch norm calibrated. Front ends of one seed start from the same encoder.

    Returns:
        The figures on held-out utterances after the last epoch, in the order of the card; none of `random`.
    """
    variant, network_options, options, initial = how
    recipe = RECIPES[variant]
    run.seed_everything()
    classes = PROXY_CLASSES[recipe.proxy] if recipe.proxy else ()
    network = AvSpNet(network_options, background.size, recipe.reconstruction, len(classes))
    if initial:
        network.encoder.load_state_dict(initial.encoder.state_dict())
    network = channels_last(network)
    figures: dict[str, float] = {}
    if recipe.trained:
        adam = torch.optim.Adam(network.parameters(), options.learning_rate, fused=True)
        network, optimiser = run.setup(network, adam)
        state = {"network": network, "optimiser": optimiser, "epoch": 0, "step": 0, "sums": {}}
        run.resume(state)
        train, held_out = background.parts(recipe.proxy)
        statistics = background.statistics.to(run.fabric.device)
        steps = -(-len(train.stream) // options.batch_size)
        with progress(f"pre-train {variant}", (options.epochs - state["epoch"]) * len(train.stream), "segments") as bar:
            bar.update(state["step"] * options.batch_size)
            for _ in range(state["epoch"], options.epochs):
                train_epoch(train, statistics, options, state, run, bar)
                figures = _held_out_figures(network, held_out, statistics, options, run)
                losses = {name: total / steps for name, total in fetched(state["sums"]).items()}
                run.log(state["epoch"], options.epochs, **losses, **figures)
                state |= {"epoch": state["epoch"] + 1, "step": 0, "sums": {}}
                run.save_checkpoint(state)
    elif options.calibrate_random:
        _calibrate(network, background, options, run)
    _save_front_end(variant, network, background, network_options, options, figures, run)
    return torch.tensor(list(figures.values()))


@torch.no_grad()
def _calibrate(network: nn.Module, background: Background, options: PretrainingOptions, run: TrainingRun) -> None:
    """Give batch norm the statistics of the background: the mean over its batches, in one pass."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all batches
    network.to(run.fabric.device).train()
    part, _ = background.parts(None)
    statistics = background.statistics.to(run.fabric.device)
    for batch in part.stream.in_order(options.batch_size):
        x, group = (values.to(run.fabric.device) for values in (batch.x[COLUMN], part.group[batch.utterance]))
        network(statistics.standardise(x, group))


def train_epoch(
    part: Part, statistics: Statistics, options: PretrainingOptions, state: dict[str, Any], run: TrainingRun, bar: Any
) -> None:
    """One epoch, or what a checkpoint inside it left to do."""
    network, optimiser = state["network"], state["optimiser"]
    for batch in part.stream.batches(options.batch_size, run.seed, state["epoch"], first=state["step"]):
        network.train()
        x, y, size = _own_segments(batch, part, statistics, run)
        losses, _ = run.graph(part_losses)(bare(network), x, y, size, options.reduction, len(batch.utterance), run)
        optimiser.zero_grad()
        run.fabric.backward(total_loss(losses, options.alpha))
        optimiser.step()
        for name, loss in zip(losses, run.average(torch.stack(list(losses.values())).detach()), strict=True):
            state["sums"][name] = state["sums"].get(name, 0) + loss
        state["step"] += 1
        bar.update(len(batch.utterance))
        run.save_checkpoint(state)


def _own_segments(batch: Batch, part: Part, statistics: Statistics, run: TrainingRun) -> tuple[Tensor, Tensor, float]:
    """This process's part of a batch: standardised segments, their proxy classes, and the divisor of their losses."""
    rows, device = run.share(torch.arange(len(batch.utterance))), run.fabric.device
    utterance = batch.utterance[rows]
    x = statistics.standardise(sent(batch.x[COLUMN][rows], device), sent(part.group[utterance], device))
    return x, sent(part.y[utterance], device), run.divisor(len(batch.utterance))


def part_losses(
    network: AvSpNet, x: Tensor, y: Tensor, size: float, reduction: Reduction, segments: int, run: TrainingRun
) -> tuple[dict[str, Tensor], Outputs]:
    """`front_end_losses` of this process's part of a batch, and what the network gives; a graph without breaks."""
    with run.fabric.autocast():
        outputs = Outputs(*(None if values is None else values.float() for values in network(x)))
    return front_end_losses(outputs, x, y, size, reduction, segments), outputs


def front_end_losses(
    outputs: Outputs,
    x: Tensor,
    y: Tensor,
    size: float | None = None,
    reduction: Reduction = "mean",
    segments: int | None = None,
) -> dict[str, Tensor]:
    """The losses of the heads that there are.

    Args:
        outputs: of the network.
        x: standardised segments, (B, bins, frames).
        y: proxy classes, (B,).
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.
        reduction: `mean`, or `sum` over the whole batch.
        segments: of the whole batch; None: B.

    Returns:
        `reconstruction_loss`: L_m (Eq. 5), as a mean over segments, bins and frames, so that alpha does not depend on
        the size of a segment; `proxy_loss`: L_x (Eq. 6), over segments, with one output per class.
    """
    losses, size = {}, len(x) if size is None else size
    terms = x.shape[1:].numel()
    if outputs.reconstruction is not None:
        squares = F.mse_loss(outputs.reconstruction.float(), x, reduction="sum")
        losses["reconstruction_loss"] = squares / (size * terms)
    if outputs.proxy is not None:
        losses["proxy_loss"] = F.cross_entropy(outputs.proxy.float(), y, reduction="sum") / size
    if reduction == "sum":
        segments = len(x) if segments is None else segments
        factor = {"reconstruction_loss": segments * terms, "proxy_loss": segments}
        losses = {name: factor[name] * loss for name, loss in losses.items()}
    return losses


def total_loss(losses: Mapping[str, Tensor], alpha: float) -> Tensor:
    """L = alpha L_m + (1 - alpha) L_x (Eq. 7); the one loss itself where there is one."""
    if len(losses) == 1:
        return next(iter(losses.values()))
    return alpha * losses["reconstruction_loss"] + (1 - alpha) * losses["proxy_loss"]


@torch.no_grad()
def _held_out_figures(
    network: nn.Module, part: Part, statistics: Statistics, options: PretrainingOptions, run: TrainingRun
) -> dict[str, float]:
    """Mean losses of held-out segments, and the UAR of their proxy classes."""
    network.eval()
    found: dict[str, list[Tensor]] = {}
    sizes: list[int] = []
    counts = torch.zeros(4, dtype=torch.int64, device=run.fabric.device)  # of true and predicted class
    for batch in part.stream.in_order(options.batch_size):
        x, y, size = _own_segments(batch, part, statistics, run)
        losses, outputs = part_losses(bare(network), x, y, size, "mean", len(batch.utterance), run)
        for name, loss in losses.items():
            found.setdefault(name, []).append(loss)
        sizes.append(len(batch.utterance))
        if outputs.proxy is not None:
            counts += F.one_hot(2 * y + outputs.proxy.argmax(1), 4).sum(0)
    sums = [sum(map(operator.mul, torch.stack(losses).tolist(), sizes)) for losses in found.values()]
    own = torch.tensor([*sums, *counts.tolist()], dtype=torch.float32, device=run.fabric.device)
    means = run.average(own).numpy(force=True)
    figures = {f"held_out_{name}": float(total) / len(part.stream) for name, total in zip(found, means, strict=False)}
    confusion = means[len(found) :].reshape(2, 2)
    return figures | ({"held_out_proxy_uar": float(uar(confusion))} if confusion.any() else {})


def _save_front_end(
    variant: FrontEndName,
    network: nn.Module,
    background: Background,
    network_options: AvspnetNetworkOptions,
    options: PretrainingOptions,
    figures: Mapping[str, float],
    run: TrainingRun,
) -> None:
    """Weights with the background's statistics as safetensors; all that building and feeding them takes in the card."""
    recipe = RECIPES[variant]
    used, ids = background.used(recipe.proxy), np.array(background.speakers.utterance_ids)
    statistics = background.moments.of_all()
    classes = PROXY_CLASSES[recipe.proxy] if recipe.proxy else ()
    family = family_of_segments(background.table)
    labels = background.proxies[recipe.proxy][used] if recipe.proxy else torch.empty(0)
    card = {
        "system": "avspnet",
        "network": "avspnet_front_end",
        "variant": variant,
        "options": {"network": network_options.model_dump(mode="json"), "pretraining": options.model_dump(mode="json")},
        "family": family,
        "input": f"{_values(family, background.mel)} of `{family}`, per bin (x - scaling.mean) / scaling.std",
        "size": list(background.size),
        "segments": segments_options(background.table, background.corpora),
        "mel": background.mel and background.mel.model_dump(),
        "reconstruction": recipe.reconstruction,
        "proxy": recipe.proxy,
        "proxy_classes": list(classes),
        "initial": recipe.initial,
        "background": {
            "corpora": background.corpora,
            "utterances": int((used & ~background.held_out).sum()) if recipe.trained else 0,
            "held_out": ids[(used & background.held_out).numpy()].tolist(),
            "without_proxy_label": int((~used).sum()),
            "labels": {name: int((labels == place).sum()) for place, name in enumerate(classes)},
        },
        "figures": dict(figures),
        "curves": run.curves,
    }
    scaling = {"scaling.mean": statistics.mean, "scaling.std": statistics.std}
    run.save_model({**network.state_dict(), **scaling}, card)


def _values(family: str, mel: MelAxisOptions | None) -> str:
    """What a front end takes, in words."""
    if mel:
        return "ln mel bands" if mel.coefficients is None else "cepstra"
    return "ln magnitudes" if family == COLUMN else "values"


def left_out(background: Background, variants: Sequence[FrontEndName]) -> dict[str, str]:
    """Variants that cannot be trained on the background, with the reason."""
    reasons = {variant: background.why_not(RECIPES[variant].proxy) for variant in variants}
    return {variant: reason for variant, reason in reasons.items() if reason}
