"""CMKT + SSL: cross-modal knowledge transfer and semi-supervised learning (Zhang et al., Knowledge-Based Systems 2021).

Every step takes a labelled and an unlabelled batch and lowers L(B) = L(B^L) + lambda L(B^U) (Eq. 1, Algorithm 1). What
L(B^U) is, and whether L(B^L) takes part, makes the variants of Tables 3 to 5: they are options of this one algorithm.
A training of two stages (DCMKT with fine-tuning) runs it twice with the same weights.
"""

import copy
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.card import Card, Classes
from semiser.data.frames import FrameBatch, FrameData, joined
from semiser.devices import fetched
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.options.base import Options
from semiser.publish import publishing_on_disk
from semiser.systems.cmkt.augment import spec_augment
from semiser.systems.cmkt.network import SpeechTransformer
from semiser.systems.cmkt.options import (
    CmktOptions,
    ConsistentRandom,
    OptimisationOptions,
    PiModel,
    SoftMatch,
    TemporalEnsembling,
    Unlabelled,
    WeightedFusion,
)
from semiser.systems.cmkt.soft import follow, swap_bands, teach
from semiser.training.run import TrainingRun, bare
from semiser.training.saved import Saved, read_saved

PSEUDO_LABELS = "pseudo_labels.parquet"
NOT_SEEN = -128  # an utterance that an epoch did not come to, in the record of pseudo-labels


class Stage(NamedTuple):
    """One training with Adamax's schedule from its beginning, on labelled utterances, unlabelled ones or both."""

    optimisation: OptimisationOptions
    labelled: bool
    unlabelled: Unlabelled | None


class PseudoLabels(NamedTuple):
    """What an unlabelled batch is taught.

    Attributes:
        target: class numbers, (B,), or distributions, (B, C).
        mask: 1 where it is taught, 0 where not, or how much a target counts, float of shape (B,).
    """

    target: Tensor
    mask: Tensor


class Context(NamedTuple):
    """What the steps of a training share."""

    data: FrameData
    options: CmktOptions
    visual: Tensor  # p_v of the fold's utterances on the device, (N, C)
    y: Tensor  # their classes on the device, (N,)
    run: TrainingRun

    def own_rows(self, values: Tensor, n: int) -> Tensor:
        """This process's rows of a batch that has n labelled utterances, then unlabelled ones."""
        if self.run.fabric.world_size == 1:
            return values
        return torch.cat([self.run.share(values[:n]), self.run.share(values[n:])])

    def all_rows(self, own: Tensor, n: int, u: int) -> Tensor:
        """A batch of n labelled and u unlabelled utterances from its `own_rows`, without gradient."""
        if self.run.fabric.world_size == 1:
            return own.detach()
        parts = own.split([_part_size(size, self.run) for size in (n, u)])
        return torch.cat([self.run.whole(part, size) for part, size in zip(parts, (n, u), strict=True)])


def _part_size(size: int, run: TrainingRun) -> int:
    """Rows of this process in a batch."""
    return len(range(size)[run.own])


def fit(data: FrameData, options: CmktOptions, run: TrainingRun) -> Tensor:
    """Train a variant and score the test part.

    Args:
        data: the fold, with p_v where the variant needs it.
        options: network and training.
        run: device, seed, checkpoint and curves; it gets the weights, their card, and the record of pseudo-labels.

    Returns:
        Probabilities of the test rows, shape (tests, classes).

    Raises:
        ValueError: no utterance is left to train on.
    """
    run.seed_everything()
    network = SpeechTransformer(data.features.shape[1], data.features.shape[0], len(data.classes), options.network)
    network, optimiser = run.setup(network, torch.optim.Adamax(network.parameters(), foreach=True))
    visual, y = (part.to(run.fabric.device) for part in (data.visual, data.y))
    context = Context(data, options, visual, y, run)
    stages = make_stages(options)
    state = _fresh_state(network, optimiser, context, stages)
    run.resume(state)
    for number in range(state["stage"], len(stages)):
        _train_stage(context, stages[number], state, run)
        if state["best"]:
            network.load_state_dict(state["best"])
        state |= {"stage": number + 1, "step": 0, "best_uar": -1.0, "best": {}}
    if run.fabric.is_global_zero:
        _save_pseudo_labels(state["pseudo_labels"], run)
    _save(network, data, options, run)
    return predict(network, data, data.rows["test"])


def make_stages(options: CmktOptions) -> list[Stage]:
    """The trainings of a variant, one after the other."""
    stages = [Stage(options.optimisation, options.labelled, options.unlabelled)]
    return stages + ([Stage(options.finetune, True, None)] if options.finetune else [])


def _fresh_state(network: nn.Module, optimiser: Any, context: Context, stages: list[Stage]) -> dict[str, Any]:
    """All that a training needs to go on after any step; batches follow from seed and step."""
    (count, classes), device = context.visual.shape, context.visual.device
    fused = isinstance(context.options.unlabelled, ConsistentRandom | WeightedFusion)
    recorded = stages[0].optimisation.epochs if fused else 0
    averaged = isinstance(context.options.unlabelled, TemporalEnsembling)
    return {
        "network": network,
        "optimiser": optimiser,
        "stage": 0,
        "step": 0,
        "sums": {},
        "best_uar": -1.0,
        "best": {},
        "pseudo_labels": torch.full((recorded, count), NOT_SEEN, dtype=torch.int8, device=device),
        "ensemble": torch.zeros((count if averaged else 0, classes), device=device),  # Z
        "visits": torch.zeros(count if averaged else 0, device=device),  # t of each utterance
        "sure": torch.tensor([1 / classes, 1.0], device=device),  # of SoftMatch's guesses
        "guessed": torch.full((classes,), 1 / classes, device=device),
        "labelled": _labelled_shares(context.data, classes).to(device),
        **({"teacher": _teacher_of(network)} if _has_teacher(context.options.unlabelled) else {}),
    }


def _labelled_shares(data: FrameData, classes: int) -> Tensor:
    """The share of each class among the labels, (C,)."""
    y = data.y[data.rows["train"].to(data.y.device)]
    return torch.bincount(y, minlength=classes) / max(len(y), 1)


def _has_teacher(how: Unlabelled | None) -> bool:
    """Whether another network than the one that learns guesses."""
    return isinstance(how, SoftMatch) and how.ema_decay > 0


def _teacher_of(network: nn.Module) -> nn.Module:
    """A copy that is not trained."""
    return copy.deepcopy(bare(network)).eval().requires_grad_(False)


def unlabelled_rows(data: FrameData, unlabelled: Unlabelled | None) -> Tensor:
    """X^U: the unlabelled utterances, without those that lack the visual knowledge that the variant needs."""
    rows = data.rows["unlabelled"]
    if unlabelled and unlabelled.needs_visual:
        return rows[~data.visual[rows].isnan().any(1)]
    return rows


def epoch_steps(data: FrameData, optimisation: OptimisationOptions) -> int:
    """Steps of an epoch: batches of the larger of both sets, the same for every variant."""
    larger = max(len(data.rows["train"]), len(data.rows["unlabelled"]))
    return optimisation.epoch_steps or math.ceil(larger / optimisation.batch_size)


def learning_rate(options: OptimisationOptions, epoch: int) -> float:
    """The learning rate of an epoch: up in equal steps, then divided every few epochs (Section 4.2)."""
    if epoch < options.warmup_epochs:
        first, last = options.first_learning_rate, options.learning_rate
        return last - (last - first) * (options.warmup_epochs - 1 - epoch) / max(options.warmup_epochs - 1, 1)
    return options.learning_rate / options.decay ** ((epoch - options.warmup_epochs) // options.decay_epochs)


def _train_stage(context: Context, stage: Stage, state: dict[str, Any], run: TrainingRun) -> None:
    """Algorithm 1, or what a checkpoint inside it left to do."""
    data, optimisation = context.data, stage.optimisation
    batches = [
        data.batches(_required(rows, what), optimisation.batch_size, run.seed, first=state["step"]) if wanted else None
        for rows, wanted, what in (
            (data.rows["train"], stage.labelled, "labelled"),
            (unlabelled_rows(data, stage.unlabelled), stage.unlabelled, "unlabelled (and visual, if it is needed)"),
        )
    ]
    steps = epoch_steps(data, optimisation)
    for step in range(state["step"], steps * optimisation.epochs):
        epoch = step // steps
        labelled, unlabelled = (next(found) if found else None for found in batches)
        for group in state["optimiser"].param_groups:
            group["lr"] = learning_rate(optimisation, epoch)
        losses = step_losses(state, context, stage.unlabelled, labelled, unlabelled, epoch)
        state["optimiser"].zero_grad()
        run.fabric.backward(losses.pop("total"))
        run.fabric.clip_gradients(
            state["network"],
            state["optimiser"],
            max_norm=optimisation.clip_norm,
            error_if_nonfinite=False,  # to ask would make the host wait for every step
        )
        state["optimiser"].step()
        values = run.average(torch.stack([value.detach() for value in losses.values()]))
        for name, value in zip(losses, values, strict=True):
            state["sums"][name] = state["sums"].get(name, 0) + value / steps
        state["step"] = step + 1
        if state["step"] % steps == 0:
            lengths = [stage.optimisation.epochs for stage in make_stages(context.options)]
            before = sum(lengths[: state["stage"]])
            sums = fetched(state["sums"])
            if not all(map(math.isfinite, sums.values())):
                raise ValueError(
                    f"the training diverged in epoch {epoch + 1}: a mean loss is not finite. Lower its learning "
                    "rate, or look at its features"
                )
            run.log(before + epoch, sum(lengths), **sums, **_validate(context, state))
            state["sums"] = {}
        run.save_checkpoint(state)


def _required(rows: Tensor, what: str) -> Tensor:
    if not len(rows):
        raise ValueError(
            f"the fold has no {what} utterance to train on: leave the variant out, or give corpora, label_budget or "
            "visual knowledge that has some"
        )
    return rows


def step_losses(
    state: dict[str, Any],
    context: Context,
    how: Unlabelled | None,
    labelled: FrameBatch | None,
    unlabelled: FrameBatch | None,
    epoch: int,
) -> dict[str, Tensor]:
    """L(B), `total`, and its parts by name: one pass over both batches, and one more where a guess is needed.

    Masks and draws are of the whole batch; each of several processes computes its part.

    Args:
        state: network, and what pseudo-labels and ensembles are kept in.
        context: data and options.
        how: what is done with the unlabelled batch.
        labelled, unlabelled: None where they take no part.
        epoch: of the stage.
    """
    both = joined([batch for batch in (labelled, unlabelled) if batch])
    rows, n = both.rows, len(labelled.rows) if labelled else 0
    before = Averages(state["ensemble"][rows], state["visits"][rows]) if isinstance(how, TemporalEnsembling) else None
    taught = None
    if isinstance(how, SoftMatch):
        assert unlabelled is not None
        taught = _teach(state, context, how, unlabelled)
        both = both._replace(x=torch.cat([both.x[:n], swap_bands(both.x[n:], how)]))
    network = bare(state["network"].train())
    found = context.run.graph(batch_losses)(network, context, how, both, n, unlabelled, before, taught)
    weights = {"loss": 1.0}
    if isinstance(how, SoftMatch):
        weights["unlabelled_loss"] = how.weight * (min(1.0, _progress(context, epoch) / how.ramp) if how.ramp else 1.0)
    if found.given:
        assert unlabelled
        _record(state["pseudo_labels"][epoch], unlabelled.rows, found.given)
        weights["unlabelled_loss"] = context.options.unlabelled_weight  # Eq. 1
    if found.after:
        state["ensemble"][rows], state["visits"][rows] = found.after
    if isinstance(how, PiModel | TemporalEnsembling):
        weights["consistency"] = consistency_weight(how, _progress(context, epoch))
    terms = [weight * found.losses[name] for name, weight in weights.items() if name in found.losses]
    return found.losses | {"total": sum(terms[1:], terms[0])}


def _progress(context: Context, epoch: int) -> float:
    """The share of the training that is done at the beginning of an epoch."""
    return epoch / context.options.optimisation.epochs


def _teach(state: dict[str, Any], context: Context, how: SoftMatch, unlabelled: FrameBatch) -> PseudoLabels:
    """What the teacher says of unlabelled utterances as they are, without dropout, as targets with weights."""
    if teacher := state.get("teacher"):
        follow(teacher, bare(state["network"]), how.ema_decay, state["step"])
    p = _guesses(teacher or bare(state["network"].eval()), unlabelled, context.run)
    return PseudoLabels(*teach(p, state["labelled"], state["sure"], state["guessed"], how))


class Averages(NamedTuple):
    """What temporal ensembling knows of utterances: Z, (B, C), and in how many epochs each was seen, (B,)."""

    ensemble: Tensor
    visits: Tensor


class Found(NamedTuple):
    """What a batch gives: losses by name, scalars; what the unlabelled part was taught; the averages behind it."""

    losses: dict[str, Tensor]
    given: PseudoLabels | None
    after: Averages | None


def batch_losses(
    network: SpeechTransformer,
    context: Context,
    how: Unlabelled | None,
    both: FrameBatch,
    n: int,
    unlabelled: FrameBatch | None,
    before: Averages | None,
    taught: PseudoLabels | None = None,
) -> Found:
    """The parts of L(B) of this process's part of both batches; a graph without breaks.

    Args:
        network: without Fabric's wrapper.
        context, how: as in `step_losses`.
        both: n labelled utterances, then unlabelled ones.
        n: may be 0.
        unlabelled: the latter by themselves, where they take part.
        before: the averages of all utterances, which temporal ensembling needs.
        taught: what the unlabelled ones are taught, where it was guessed before.
    """
    run = context.run
    losses: dict[str, Tensor] = {}
    own_n, given, after = _part_size(n, run), None, None
    logits = _augmented_logits(network, context, both, n)
    if n:
        losses["loss"] = labelled_loss(logits[:own_n], context.y[run.share(both.rows[:n])], run.divisor(n))
    if isinstance(how, ConsistentRandom | WeightedFusion):
        assert unlabelled is not None
        p_v = context.visual[unlabelled.rows]
        p_a = _guesses(network, unlabelled, run) if how.needs_audio else None
        given = consistent_random(p_a, p_v, how) if how.kind == "consistent_random" else weighted_fusion(p_a, p_v, how)
        own = PseudoLabels(run.share(given.target), run.share(given.mask))
        losses["unlabelled_loss"] = pseudo_label_loss(logits[own_n:], own, run.divisor(len(unlabelled.rows)))
        losses["kept"] = given.mask.mean()
    elif taught:
        own = PseudoLabels(run.share(taught.target), run.share(taught.mask))
        losses["unlabelled_loss"] = pseudo_label_loss(logits[own_n:], own, run.divisor(len(both.rows) - n))
        losses["kept"] = taught.mask.mean()
    elif isinstance(how, PiModel | TemporalEnsembling):
        losses["consistency"], after = _consistency(network, context, how, both, n, logits, before)
    return Found(losses, given, after)


def _augmented_logits(network: nn.Module, context: Context, both: FrameBatch, n: int) -> Tensor:
    """Logits of the own rows of a batch with n labelled utterances, under SpecAugment and dropout; (own rows, C)."""
    x = spec_augment(both.x, both.frames, context.options.augment)
    with context.run.own_draws(), context.run.fabric.autocast():
        return network(*(context.own_rows(values, n) for values in (x, both.frames))).float()


def labelled_loss(logits: Tensor, y: Tensor, size: float) -> Tensor:
    """L(B^L) (Eq. 10): cross entropy of logits (B, C) with classes (B,), the sum over `TrainingRun.divisor`."""
    return F.cross_entropy(logits, y, reduction="sum") / size


def _guesses(network: nn.Module, batch: FrameBatch, run: TrainingRun) -> Tensor:
    """`weak_predictions` of a batch, each process of its part; (B, C)."""
    with run.own_draws(), run.fabric.autocast():
        own = weak_predictions(network, FrameBatch(*(run.share(values) for values in batch)))
    return run.whole(own, len(batch.rows))


@torch.no_grad()
def weak_predictions(network: nn.Module, batch: FrameBatch) -> Tensor:
    """p_a = M(WA(x)) (Eq. 3): weak augmentation is the network's own dropout; (B, C), without gradient."""
    return torch.softmax(network(batch.x, batch.frames).float(), -1)


def consistent_random(p_a: Tensor | None, p_v: Tensor, options: ConsistentRandom) -> PseudoLabels:
    """FF_1 (Eq. 5, 6): the visual class, where the audio class is the same or a draw from U(0, 1) is below epsilon.

    Args:
        p_a: (B, C); None where epsilon is 1.
        p_v: (B, C).
        options: epsilon.
    """
    target = p_v.argmax(-1)
    mask = torch.rand(len(target), device=target.device) < options.epsilon
    if p_a is not None:
        mask |= p_a.argmax(-1) == target
    return PseudoLabels(target, mask.float())


def weighted_fusion(p_a: Tensor | None, p_v: Tensor, options: WeightedFusion) -> PseudoLabels:
    """FF_2 (Eq. 8, 9): the class of alpha p_a + (1 - alpha) p_v, where its probability is above tau.

    Args:
        p_a: (B, C); None where alpha is 0.
        p_v: (B, C), not read where alpha is 1, which is FixMatch (Eq. 4).
        options: alpha and tau.
    """
    parts = [(1 - options.alpha) * p_v] if options.needs_visual else []
    if options.needs_audio:
        assert p_a is not None
        parts.insert(0, options.alpha * p_a)
    confidence, target = sum(parts[1:], parts[0]).max(-1)
    return PseudoLabels(target, (confidence > options.threshold).float())


def pseudo_label_loss(logits: Tensor, given: PseudoLabels, size: float | None = None) -> Tensor:
    """L(B^U) (Eq. 4, 7, 9): cross entropy with the pseudo-labels, the mean over the WHOLE batch, kept or not.

    Args:
        logits: (B, C).
        given: what B utterances are taught, as far as each counts.
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.
    """
    losses = given.mask * F.cross_entropy(logits, given.target, reduction="none")
    return losses.sum() / (len(losses) if size is None else size)


def _record(labels: Tensor, rows: Tensor, given: PseudoLabels) -> None:
    """Keep what an epoch taught: the class where it was kept, -1 - class where not."""
    labels[rows] = torch.where(given.mask > 0, given.target, ~given.target).to(torch.int8)


def _consistency(
    network: SpeechTransformer,
    context: Context,
    how: PiModel | TemporalEnsembling,
    both: FrameBatch,
    n: int,
    logits: Tensor,
    before: Averages | None,
) -> tuple[Tensor, Averages | None]:
    """The squared error of two noisy predictions of labelled and unlabelled utterances, or of one and their average."""
    z = torch.softmax(logits.float(), -1)
    size = context.run.divisor(len(both.rows))
    if how.kind == "pi_model":
        again = _augmented_logits(network, context, both, n)
        return consistency_loss(z, torch.softmax(again.float(), -1), torch.ones(len(z), device=z.device), size), None
    assert before is not None
    average, visits = before
    target, known = unbiased(average, visits, how.momentum), (visits > 0).float()
    loss = consistency_loss(z, context.own_rows(target, n), context.own_rows(known, n), size)
    whole = context.all_rows(z, n, len(both.rows) - n)
    return loss, Averages(how.momentum * average + (1 - how.momentum) * whole, visits + 1)


def consistency_loss(z: Tensor, target: Tensor, known: Tensor, size: float | None = None) -> Tensor:
    """1 / (C |B|) sum of |z - target|^2 (Laine and Aila, Algorithms 1, 2); where a target is not known it adds 0.

    Args:
        z, target: distributions, (B, C).
        known: 1 or 0, (B,).
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.
    """
    return (known[:, None] * (z - target).square()).sum() / ((len(z) if size is None else size) * z.shape[1])


def unbiased(average: Tensor, visits: Tensor, momentum: float) -> Tensor:
    """Z / (1 - momentum^t): the average without its start at 0; average (B, C), t = visits (B,), 0 where t = 0."""
    return average / (1 - momentum ** visits.clamp(min=1))[:, None]


def consistency_weight(options: PiModel | TemporalEnsembling, progress: float) -> float:
    """w(t) when the share `progress` in [0, 1] of the training is done: w_max exp(-5 (1 - T)^2), then constant."""
    rest = 1 - min(1.0, progress / options.ramp) if options.ramp else 0.0
    return options.weight * math.exp(-5 * rest**2)


@torch.no_grad()
def predict(network: nn.Module, data: FrameData, rows: Tensor, batch_size: int = 64) -> Tensor:
    """Probabilities of a fold's rows, float32 of shape (rows, C), on the CPU."""
    network.eval()
    found = torch.zeros(len(data.y), len(data.classes), device=data.device)
    for batch in data.in_order(rows, batch_size):
        found[batch.rows] = torch.softmax(network(batch.x, batch.frames).float(), -1)
    return found.cpu()[rows]


def _validate(context: Context, state: dict[str, Any]) -> dict[str, float]:
    """UAR on the validation part, where there is one; keeps the best weights where they are to be selected."""
    data, rows = context.data, context.data.rows["validation"]
    if not len(rows):
        return {}
    predicted = predict(state["network"], data, rows).argmax(1)
    found = float(uar(confusion_matrix(data.y[rows].numpy(), predicted.numpy(), len(data.classes))))
    if context.options.select == "validation" and found > state["best_uar"]:
        state["best_uar"], state["best"] = found, copy.deepcopy(state["network"].state_dict())
    return {"validation_uar": found}


def _save_pseudo_labels(labels: Tensor, run: TrainingRun) -> None:
    """A row per epoch and unlabelled utterance that it came to: place in the fold, class, whether it was kept."""
    labels = labels.cpu()
    epoch, row = (labels != NOT_SEEN).nonzero(as_tuple=True)
    code = labels[epoch, row]
    columns = {"epoch": epoch.int(), "row": row.int(), "class": torch.where(code < 0, ~code, code), "kept": code >= 0}
    with publishing_on_disk(run.folder / PSEUDO_LABELS) as file:
        pq.write_table(pa.table({name: values.numpy() for name, values in columns.items()}), file)


def _save(network: nn.Module, data: FrameData, options: CmktOptions, run: TrainingRun) -> None:
    """Weights and scaling as safetensors; what is needed to build and feed the network in the card."""
    features = data.features
    card = {
        "system": "cmkt",
        "network": "transformer",
        "options": options.model_dump(mode="json"),
        "classes": data.classes,
        "input": {
            "column": features.column,
            "pool_frames": features.pool,
            "scaling": "speaker" if features.by_speaker else "none",
            "longest_frames": features.longest,
            "frames": features.shape[0],
            "width": features.shape[1],
        },
    }
    run.save_model({**network.state_dict(), **_training_statistics(data)}, card)


def _training_statistics(data: FrameData) -> dict[str, Tensor]:
    """What a new speaker who cannot bring statistics of their own is scaled with; {} where nobody is scaled."""
    if not data.features.by_speaker:
        return {}
    rows = data.rows["train"] if len(data.rows["train"]) else data.rows["unlabelled"]
    found = data.features.statistics(data.numbers[rows])
    return {"scaling.mean": torch.from_numpy(found.mean), "scaling.std": torch.from_numpy(found.std)}


class FedWith(Options):
    """What a network is fed with: pooled frames of a feature column.

    Attributes:
        column: of the features.
        pool_frames: frames that are averaged to one.
        scaling: `speaker`: every speaker by their own statistics.
        longest_frames: of an utterance before pooling; what comes later is cut.
        frames: of the longest utterance after pooling.
        width: values of a frame.
    """

    column: str
    pool_frames: int = Field(ge=1)
    scaling: Literal["speaker", "none"]
    longest_frames: int = Field(ge=1)
    frames: int = Field(ge=1)
    width: int = Field(ge=1)


class CmktCard(Card):
    """What `_save` says of a network."""

    system: Literal["cmkt"]
    options: CmktOptions
    classes: Classes
    input: FedWith


def load_network(folder: Path) -> tuple[SpeechTransformer, Saved[CmktCard]]:
    """A trained network in evaluation mode, and what was saved: its card and the statistics of its training."""
    saved = read_saved(folder, CmktCard)
    fed, classes, options = saved.card.input, saved.card.classes, saved.card.options.network
    return saved.build(lambda: SpeechTransformer(fed.width, fed.frames, len(classes), options)), saved
