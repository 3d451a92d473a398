"""MMMD: inferring emotion from Internet voice data with MMD and MixMatch (Zhou et al., AAAI 2021).

An epoch takes acted utterances V_e, then labelled ones V_t^L, then mixed ones, labelled X'' with unlabelled V_t^U''
(Figure 4). Every step lowers its term of L = L_Ve + L_VtL + L_X + lambda_U L_U (Eq. 22). All variants of Table 1 are
options of this one algorithm. Features stay on the device; a batch is a tensor of row numbers.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.data.vector_stream import VectorStream
from semiser.data.vectors import FoldData
from semiser.devices import fetched, sent
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.options.modalities import ATTRIBUTES, TEXTUAL
from semiser.systems.mmmd.consistency import (
    Fellows,
    find_fellows,
    swap_columns,
    targets_of,
    weigh_guesses,
    weighted_losses,
)
from semiser.systems.mmmd.mixing import Part, align, draw_lambda, draw_partners, mix, part_of, sharpen
from semiser.systems.mmmd.network import Mmd, MmdLogits, probabilities
from semiser.systems.mmmd.options import ConsistencyOptions, Guess, MixMatchOptions, MmdOptions, MmmdOptions
from semiser.systems.mmmd.paths import Grouping, column_paths
from semiser.systems.mmmd.sae import pretrain
from semiser.systems.softmatch import follow_confidence
from semiser.training.batches import planned, repeated, shuffled
from semiser.training.run import TrainingRun, bare

Paths = dict[str, list[int]]

_FOLLOWS = 0.1  # how fast the mean of the guesses follows those of a batch


class Step(NamedTuple):
    """One step of an epoch: which of its phases, and the row numbers that it takes."""

    phase: str  # acted, labelled, mixed or consistent
    labelled: Tensor
    unlabelled: Tensor
    streamed: int = 0  # utterances of a batch that comes from the stream of unlabelled ones


class Context(NamedTuple):
    """What the steps of a training share."""

    data: FoldData
    options: MmmdOptions
    one_hot: list[tuple[int, int]]  # columns of one-hot vectors, which get no noise: first, last + 1
    weights: dict[str, Tensor | None]  # of the classes, by phase
    run: TrainingRun
    wanted: Tensor  # share of each class among the labels, (C,), and ...
    guessed: Tensor  # ... among each classifier's guesses so far, (P + 1, C)
    sure: Tensor | None = None  # mean and variance of the guesses' confidence so far, (2, P + 1), with consistency
    fellows: Fellows | None = None  # whose columns corrupt whose vectors, with consistency

    @property
    def mixmatch(self) -> MixMatchOptions:
        """Options of the mixed steps, which there are with MixMatch alone."""
        assert self.options.mixmatch is not None
        return self.options.mixmatch

    @property
    def consistency(self) -> ConsistencyOptions:
        """Options of the consistent steps, which there are with consistency alone."""
        assert self.options.consistency is not None
        return self.options.consistency

    def noise(self, size: int) -> Tensor:
        """Gaussian noise of deviation 1 for a batch of `size` utterances, (size, D); none on one-hot vectors."""
        drawn = torch.randn(size, self.data.x.shape[1], device=self.data.x.device)
        for first, end in self.one_hot:
            drawn[:, first:end] = 0
        return drawn

    def augment(self, x: Tensor, deviation: float) -> Tensor:
        """Augment (Eq. 13, 14): Gaussian noise on standardised features, the same shape."""
        return torch.add(x, self.noise(len(x)), alpha=deviation)


def fit(data: FoldData, options: MmmdOptions, run: TrainingRun) -> Tensor:
    """Train a variant on the labelled, unlabelled and acted rows it uses, and score the test part.

    Args:
        data: the fold, standardised, on the run's device.
        options: network, and which of MixMatch, pre-training and acted utterances take part.
        run: device, seed, checkpoint and curves; it gets the final weights and their card.

    Returns:
        Probabilities of the test rows, shape (tests, classes).
    """
    if options.sae and data.unlabelled:
        raise ValueError(
            "pre-training as an autoencoder needs the unlabelled utterances in memory: raise "
            "train_mmmd.unlabelled_in_memory_mb, or leave the variant sae out"
        )
    run.seed_everything()
    state = fresh_state(data, options, run)
    resumed = run.resume(state)
    network = train(data, options, run, state, resumed)
    save(network.state_dict(), data, options, run)
    return predict(network, data.x[data.rows["test"]], options.network)


def train(data: FoldData, options: MmmdOptions, run: TrainingRun, state: dict[str, Any], resumed: bool) -> nn.Module:
    """Train what the state has left to train.

    Args:
        data, options, run: of the training.
        state: from `fresh_state`, or resumed.
        resumed: whether it is, and the network was pre-trained before.

    Returns:
        The network with its final weights, those that are selected.
    """
    network = state["network"]
    context = make_context(data, options, run, state)
    if options.sae and not resumed:
        rows = torch.cat([data.rows["train"], data.rows["unlabelled"]])
        pretrain(network.module, data.x, rows, context.augment, options.sae, options.network.batch_size)
    for _ in range(state["epoch"], options.network.epochs):
        _train_epoch(context, state, run)
    if state["best"]:
        network.load_state_dict(state["best"])
    elif "average" in state:
        network.load_state_dict(state["average"].state_dict())
    return network


def make_context(data: FoldData, options: MmmdOptions, run: TrainingRun, state: dict[str, Any]) -> Context:
    """What the steps that the state has left share."""
    shares, weights = label_shares(data, options), _phase_weights(data, options)
    plain = Context(data, options, one_hot_ranges(data), weights, run, shares, state["guessed"])
    if options.consistency is None:
        return plain
    return plain._replace(sure=state["sure"], fellows=_fellows(data))


def _fellows(data: FoldData) -> Fellows:
    """Whose columns corrupt whose vectors: those of a speaker's labelled and unlabelled utterances."""
    if data.unlabelled:
        raise ValueError(
            "consistency swaps columns between a speaker's utterances, which need be in memory: raise "
            "train_mmmd.unlabelled_in_memory_mb, or leave the variants of softmatch out"
        )
    known = torch.cat([data.rows["train"], data.rows["unlabelled"]])
    speakers = torch.zeros_like(data.y) if data.speakers is None else data.speakers
    return find_fellows(known, speakers)


def make_network(data: FoldData, options: MmdOptions, seed: int) -> Mmd:
    """MMD for the fold's columns; one-hot vectors get no noise."""
    quiet = {column for first, end in one_hot_ranges(data) for column in range(first, end)}
    return Mmd(*network_paths(data, options.grouping), len(data.classes), options, seed, quiet)


def make_optimiser(network: nn.Module, options: MmdOptions) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay, one kernel for all parameters."""
    return torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay, fused=True)


def fresh_state(data: FoldData, options: MmmdOptions, run: TrainingRun) -> dict[str, Any]:
    """All that a training needs to go on after any step: `epoch_random` draws the steps of the epoch anew."""
    network = make_network(data, options.network, run.seed)
    averages = {"average": copy.deepcopy(network).to(data.x.device)} if options.network.ema_decay else {}
    network, optimiser = run.setup(network, make_optimiser(network, options.network))
    for method in ("noisy_pre_activations", "classify"):
        network.mark_forward_method(method)
    plain = {"epoch": 0, "step": 0, "epoch_random": torch.get_rng_state(), "sums": {}, "counts": {}}
    plain |= {"before": 0, "of": 0}  # epochs of networks that were trained before, and of all; 0: there is one network
    guessed = label_shares(data, options).expand(len(network.path_names) + 1, -1).clone()
    modules = {"network": network, "optimiser": optimiser, **averages}
    state = {**modules, **plain, "guessed": guessed, "best_uar": -1.0, "best": {}}
    if options.consistency:
        chance = torch.full(guessed.shape[:1], 1 / guessed.shape[1], device=guessed.device)
        state["sure"] = torch.stack([chance, torch.ones_like(chance)])
    return state


def label_shares(data: FoldData, options: MmmdOptions) -> Tensor:
    """Share of each class among the labels of the mixed phase, (C,): what guesses are aligned to."""
    labels = data.y[phase_rows(data, options, "mixed")]
    return torch.bincount(labels, minlength=len(data.classes)) / len(labels)


def network_paths(data: FoldData, grouping: Grouping | Literal["joint"]) -> tuple[Paths, Paths]:
    """Columns of the paths of sound and picture, and of the textual and social ones, of which each column is a path.

    Args:
        data: with the ranges of its feature columns.
        grouping: of `MmdOptions`; with `joint` all columns make one path.
    """
    if grouping == "joint":
        return {"joint": list(range(len(data.names)))}, {}
    acoustic: dict[str, list[int]] = {}
    others: dict[str, list[int]] = {}
    for column, (first, end) in (data.ranges or {"is10": (0, len(data.names))}).items():
        if column in TEXTUAL:
            others[column] = list(range(first, end))
        else:
            found = column_paths(column, data.names[first:end], grouping)
            acoustic |= {name: [first + place for place in places] for name, places in found.items()}
    return acoustic, others


def one_hot_ranges(data: FoldData) -> list[tuple[int, int]]:
    """Where one-hot vectors stand, (first, last + 1) of each."""
    return [data.ranges[column] for column in ATTRIBUTES if column in data.ranges]


def _phase_weights(data: FoldData, options: MmmdOptions) -> dict[str, Tensor | None]:
    """Class weights of each phase, from the labels that it takes; None where all weigh alike."""
    if not options.network.balanced:
        return dict.fromkeys(("acted", "labelled", "mixed"))
    rows = {name: phase_rows(data, options, name) for name in ("acted", "labelled", "mixed")}
    return {name: class_weights(data.y[part], len(data.classes)) for name, part in rows.items()}


def class_weights(y: Tensor, classes: int) -> Tensor:
    """Weight of each class, n / (C n_k), so that every class adds as much to the loss; shape (C,)."""
    return len(y) / (classes * torch.bincount(y, minlength=classes).clamp(min=1))


def phase_rows(data: FoldData, options: MmmdOptions, phase: str) -> Tensor:
    """The labelled rows of a phase: V_e, V_t^L (with V_e in random order), or X of the mixed one."""
    nothing = data.rows["train"][:0]
    both = torch.cat([data.rows["train"], data.rows.get("acted", nothing)])
    if phase == "acted":
        return data.rows["acted"] if options.acted == "first" else nothing
    if phase == "labelled":
        return both if options.acted == "random" else data.rows["train"]
    return both if options.acted != "none" and options.mixmatch and options.mixmatch.mix_acted else data.rows["train"]


def plan_epoch(data: FoldData, options: MmmdOptions, seed: int) -> list[Step]:
    """The steps of an epoch, drawn at random: V_e, V_t^L, mixed (Figure 4), or all in random order."""
    nothing = data.rows["train"][:0]
    steps = [
        Step(phase, batch, nothing)
        for phase in ("acted", "labelled")
        for batch in _batches(phase_rows(data, options, phase), options.network.batch_size)
    ]
    if options.mixmatch:
        unlabelled, stream = _unlabelled_rows(data, options.mixmatch, seed), _stream(data, options.mixmatch, seed)
        streamed = 0 if stream is None else len(stream)
        steps += _mixed_steps(phase_rows(data, options, "mixed"), unlabelled, options.network.batch_size, streamed)
    if options.consistency:
        both = data.rows["train"], data.rows["unlabelled"]
        steps += [step._replace(phase="consistent") for step in _mixed_steps(*both, options.network.batch_size)]
    if options.acted == "random":
        steps = [steps[place] for place in torch.randperm(len(steps)).tolist()]
    return steps


def _batches(rows: Tensor, batch_size: int) -> list[Tensor]:
    """Shuffled batches of near-equal size."""
    if not len(rows):
        return []
    return list(shuffled(rows).chunk(math.ceil(len(rows) / batch_size)))


def _mixed_steps(labelled: Tensor, unlabelled: Tensor, batch_size: int, streamed: int = 0) -> list[Step]:
    """Every row at least once, as many labelled as unlabelled ones in a step; the fewer are drawn again and again."""
    longest = max(len(labelled), len(unlabelled), streamed)
    count = math.ceil(longest / batch_size)
    size = math.ceil(longest / count)
    drawn = [repeated(rows, count * size).view(count, -1) for rows in (labelled, unlabelled)]
    return [Step("mixed", own, other, size if streamed else 0) for own, other in zip(*drawn, strict=True)]


def _unlabelled_rows(data: FoldData, options: MixMatchOptions, seed: int) -> Tensor:
    """V_t^U, or the share of it that is asked for; a smaller share is part of a larger one."""
    rows = data.rows["unlabelled"]
    if options.unlabelled_share == 1:
        return rows
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[: round(options.unlabelled_share * len(rows))].to(rows.device)]


def _stream(data: FoldData, options: MixMatchOptions, seed: int) -> VectorStream | None:
    """V_t^U where it is not in memory, or the share of it that is asked for; None where that is nothing."""
    stream = data.unlabelled and data.unlabelled.share(options.unlabelled_share, seed)
    return stream if stream else None


def _train_epoch(context: Context, state: dict[str, Any], run: TrainingRun) -> None:
    """One epoch, or what a checkpoint inside it left to do."""
    options, epoch = context.options.network, state["epoch"]
    steps = planned(state, lambda: plan_epoch(context.data, context.options, run.seed))
    streamed = _streamed(context, steps, state, run.seed)
    while state["step"] < len(steps):
        step = steps[state["step"]]
        progress = (epoch + state["step"] / len(steps)) / options.epochs
        batch = next(streamed) if step.streamed else None
        for name, loss in _train_step(context, step, batch, progress, state, run).items():
            state["sums"][name] = state["sums"].get(name, 0) + loss
            state["counts"][name] = state["counts"].get(name, 0) + 1
        state["step"] += 1
        run.save_checkpoint(state)
    losses = {name: total / state["counts"][name] for name, total in fetched(state["sums"]).items()}
    run.log(state["before"] + epoch, state["of"] or options.epochs, **losses, **_validate(context, state))
    state |= {"epoch": epoch + 1, "step": 0, "sums": {}, "counts": {}}
    run.save_checkpoint(state)


def _streamed(context: Context, steps: list[Step], state: dict[str, Any], seed: int) -> Iterator[Tensor]:
    """The streamed batches of the steps that are left of the epoch."""
    sizes = [step.streamed for step in steps if step.streamed]
    if not sizes:
        return iter(())
    first = sum(step.streamed > 0 for step in steps[: state["step"]])
    stream = _stream(context.data, context.mixmatch, seed)
    assert stream is not None, "steps have streamed utterances"
    return stream.batches(sizes[0], seed, state["epoch"], first)


def _train_step(
    context: Context, step: Step, streamed: Tensor | None, progress: float, state: dict[str, Any], run: TrainingRun
) -> dict[str, Tensor]:
    """One step of the optimiser; returns the losses by name."""
    network, optimiser, options = state["network"], state["optimiser"], context.options.network
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(options, progress)
    if step.phase == "mixed":
        losses = mixed_losses(network, context, step, streamed)
    elif step.phase == "consistent":
        losses = consistent_losses(network, state.get("average", network), context, step)
    else:
        losses = _labelled_loss(network, context, step)
    loss = losses["loss"] * (context.options.acted_weight if step.phase == "acted" else 1.0)
    if "unlabelled_loss" in losses:
        method = context.mixmatch if step.phase == "mixed" else context.consistency
        loss = loss + unlabelled_weight(method, progress) * losses["unlabelled_loss"]
    optimiser.zero_grad()
    run.fabric.backward(loss)
    optimiser.step()
    if "average" in state:
        _update_average(state["average"], network, options.ema_decay)
    name = "loss" if step.phase == "labelled" else f"{step.phase}_loss"
    values = run.average(torch.stack([value.detach() for value in losses.values()]))
    return {name if key == "loss" else key: value for key, value in zip(losses, values, strict=True)}


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of the parameters; buffers are constant."""
    for kept, new in zip(average.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def learning_rate(options: MmdOptions, progress: float) -> float:
    """The learning rate when the share `progress` in [0, 1] of the training is done."""
    factor = 0.5 * (1 + math.cos(math.pi * progress)) if options.schedule == "cosine" else 1.0
    return options.learning_rate * factor


def unlabelled_weight(options: MixMatchOptions | ConsistencyOptions, progress: float) -> float:
    """lambda_U when the share `progress` in [0, 1] of the training is done: a line up to its value, then constant."""
    return options.unlabelled_weight * (min(1.0, progress / options.ramp) if options.ramp else 1.0)


def _labelled_loss(network: nn.Module, context: Context, step: Step) -> dict[str, Tensor]:
    """L_Ve (Eq. 18) or L_VtL (Eq. 19) of a batch."""
    network.train()
    options, run = context.options.network, context.run
    rows = run.share(step.labelled)
    noise = run.share(context.noise(len(step.labelled)))
    x = context.data.x.index_select(0, rows).add_(noise, alpha=options.input_noise)
    part = LabelledPart(x, context.data.y[rows], context.weights[step.phase], run.divisor(len(step.labelled)))
    return {"loss": run.graph(labelled_part_loss)(bare(network), part, options, run)}


class LabelledPart(NamedTuple):
    """This process's part of a labelled batch.

    Attributes:
        x: features, (B, D).
        y: class numbers, (B,).
        weights: of the classes, (C,); None weighs all alike.
        size: of the whole batch (`TrainingRun.divisor`).
    """

    x: Tensor
    y: Tensor
    weights: Tensor | None
    size: float


def labelled_part_loss(network: Mmd, part: LabelledPart, options: MmdOptions, run: TrainingRun) -> Tensor:
    """What this process adds to the loss of a labelled batch, a scalar; a graph without breaks."""
    with run.own_draws(), run.fabric.autocast():
        logits = network(part.x)
    logits = MmdLogits(logits.local.float(), logits.globally.float())
    return supervised_loss(logits, part.y, options, part.weights, part.size)


def supervised_loss(
    logits: MmdLogits, y: Tensor, options: MmdOptions, weights: Tensor | None = None, size: float | None = None
) -> Tensor:
    """The single objective of all classifiers: global cross entropy + weight * sum of the local cross entropies.

    Args:
        logits: local (B, P, C) and global (B, C).
        y: class numbers, (B,).
        options: `local_loss_weight`.
        weights: of the classes, (C,); None weighs all alike.
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.

    Returns:
        Scalar: mean over the batch of the weighted losses (H of Eq. 18 and 19, for one-hot labels).
    """
    paths = logits.local.shape[1]
    local = F.cross_entropy(logits.local.flatten(0, 1), y.repeat_interleave(paths), weights, reduction="sum")
    globally = F.cross_entropy(logits.globally, y, weights, reduction="sum")
    return (globally + options.local_loss_weight * local) / (len(y) if size is None else size)


class Mixture(NamedTuple):
    """What is mixed in a step: this process's part, drawn, and on the device.

    Attributes:
        x: features of the utterances that are needed, (U, D).
        copies: which of them each row needed is a copy of.
        part: which rows are mixed, and with which.
        lam: lambda' of every row of the batch.
        y: class numbers of the labelled utterances, (n,).
        own: how many labelled rows are of this process.
        unlabelled: utterances of the whole batch that have no label.
    """

    x: Tensor
    copies: Tensor
    part: Part
    lam: Tensor
    y: Tensor
    own: int
    unlabelled: int


def draw_mixture(context: Context, step: Step, streamed: Tensor | None = None) -> Mixture:
    """Draw partners and lambda' of a step (Eq. 9, 10, 15); the host does what only it can, and sends it ahead."""
    data, run, mixmatch = context.data, context.run, context.mixmatch
    x, labelled, unlabelled = data.x, step.labelled, step.unlabelled
    if streamed is not None:
        x = torch.cat([x[labelled], streamed])
        labelled, unlabelled = torch.arange(len(x), device=x.device).tensor_split([len(labelled)])
    rows, n, u = torch.cat([labelled, unlabelled]), len(labelled), len(unlabelled)
    copies = torch.cat(
        [torch.arange(n), n + torch.arange(u).repeat(mixmatch.copies)]
    )  # X' (n), K copies of U, one by one
    size = len(copies)
    order = draw_partners(n, size - n, mixmatch.partners == "own")  # its first n rows are W_1
    lam = draw_lambda(size, mixmatch.alpha, x.device)
    part = part_of(_own_rows(n, u, mixmatch.copies, run), order)
    used, copies = part.utterances(copies)
    if not isinstance(used, slice):
        rows = rows[sent(used, x.device)]
    own = len(run.share(labelled))
    return Mixture(
        x.index_select(0, rows), sent(copies, x.device), part.to(x.device), lam, data.y[step.labelled], own, u
    )


def mixed_losses(network: Mmd, context: Context, step: Step, streamed: Tensor | None = None) -> dict[str, Tensor]:
    """L_X and L_U of a batch (Eq. 7 to 17, 20, 21)."""
    return context.run.graph(mixture_losses)(bare(network), context, draw_mixture(context, step, streamed))


def mixture_losses(network: Mmd, context: Context, mixture: Mixture) -> dict[str, Tensor]:
    """L_X and L_U of what was drawn, with one forward pass over X'' and U'' together; a graph without breaks.

    The first layer is affine. So it is computed once for each utterance, and the noise of the copies (Eq. 13) is drawn
    where it leaves that layer. Since lambda' and 1 - lambda' add up to 1, mixing what it makes of two utterances is the
    same as mixing their features, all modalities with the same lambda and permutation (Eq. 11): what it makes serves
    guesses and mixture, and gradients reach it through both utterances.
    """
    run, mixmatch, options = context.run, context.mixmatch, context.options.network
    part, lam, own_n, n, u = mixture.part, mixture.lam, mixture.own, len(mixture.y), mixture.unlabelled
    network.train()
    with run.fabric.autocast():  # a method of the network is not under Fabric's own, as the network's call is
        a = network.noisy_pre_activations(mixture.x, mixture.copies, mixmatch.noise, len(lam), part.needed)
    p = F.one_hot(mixture.y, len(context.data.classes)).float()
    targets = p[:, None].expand(-1, len(network.path_names) + 1, -1)  # (n, P + 1, C)
    if u:
        with run.fabric.autocast():
            q = guess_labels(network, a.detach()[:, part.first][:, own_n:], context.options)
        q = run.whole(q.to(targets), u)  # (U, P + 1, C)
        if mixmatch.alignment == "labelled":
            context.guessed.lerp_(q.mean(0), _FOLLOWS)
            q = align(q, context.wanted, context.guessed)
        q = sharpen(q, mixmatch.temperature)
        targets = torch.cat([targets, q.repeat(mixmatch.copies, 1, 1)])
    a = mix(a, part.second, lam[part.own], axis=1, own=part.first)  # X'' (Eq. 16) and U'' (Eq. 17)
    targets = mix(targets, part.others, lam[part.own], own=part.own)
    network.train()
    with run.own_draws(), run.fabric.autocast():
        logits = stacked(network.classify(a))
    weights, size = context.weights["mixed"], run.divisor(len(lam) - n)
    losses = {"loss": labelled_mix_loss(logits[:own_n], targets[:own_n], options, weights, run.divisor(n))}
    if u:
        losses["unlabelled_loss"] = unlabelled_mix_loss(logits[own_n:], targets[own_n:], options, size)
    return losses


def _own_rows(n: int, u: int, copies: int, run: TrainingRun) -> Tensor:
    """This process's rows of X' and of all copies of U: a share of the utterances, with all copies of each."""
    labelled, unlabelled = torch.arange(n), n + torch.arange(copies * u).view(copies, u)
    return torch.cat([labelled[run.own], unlabelled[:, run.own].flatten()])


def stacked(logits: MmdLogits) -> Tensor:
    """Logits of the local classifiers and, last, the global one: (B, P, C) and (B, C) -> (B, P + 1, C), float32."""
    return torch.cat([logits.local.float(), logits.globally[:, None].float()], dim=1)


@torch.no_grad()
def guess_labels(network: Mmd, a: Tensor, options: MmmdOptions) -> Tensor:
    """Mean prediction over the noisy copies of each utterance (Eq. 7), without dropout and gradient; not yet sharp.

    Args:
        network: of P paths.
        a: pre-activations of K times the U utterances one after the other, (P, K * U, first).
        options: K, and whether each classifier guesses by itself.

    Returns:
        (U, P + 1, C), the global classifier last.
    """
    network.eval()
    mixmatch = options.mixmatch
    assert mixmatch is not None
    predicted = guesses_of(network.classify(a), mixmatch.guess, options.network)
    of_copies = predicted.unflatten(0, (mixmatch.copies, a.shape[1] // mixmatch.copies))  # (K, U, P + 1, C)
    return of_copies.mean(0)


def guesses_of(logits: MmdLogits, guess: Guess, options: MmdOptions) -> Tensor:
    """What each classifier is taught by these logits: (B, P + 1, C), the global classifier last."""
    predicted = torch.softmax(stacked(logits), -1)
    if guess == "joint":
        return probabilities(logits, options.local_prediction_weight)[:, None].expand_as(predicted)
    return of_others(predicted) if guess == "others" else predicted


def of_others(predicted: Tensor) -> Tensor:
    """What the other classifiers think, (B, P + 1, C), the global one last.

    A path's teachers are the mean of the other paths and the global classifier, with equal weights; the global one's
    are the paths. With one path the two teach each other.
    """
    local, globally = predicted[:, :-1], predicted[:, -1:]
    paths = local.shape[1]
    mean = local.mean(1, keepdim=True)
    others = (paths * mean - local) / (paths - 1) if paths > 1 else globally
    return torch.cat([(others + globally) / 2, mean], 1)


class Views(NamedTuple):
    """What a consistent step takes: this process's part, drawn, and on the device.

    Attributes:
        labelled: noisy features of the labelled utterances, (n, D).
        y: their class numbers, (n,).
        weak: features of the utterances that are guessed as they are, (V, D): the unlabelled ones, and behind them the
            labelled ones where the loss is debiased.
        strong: the same, corrupted.
        own: how many of them are unlabelled.
        sizes: labelled and unlabelled utterances of the whole batch.
    """

    labelled: Tensor
    y: Tensor
    weak: Tensor
    strong: Tensor
    own: int
    sizes: tuple[int, int]


def draw_views(context: Context, step: Step) -> Views:
    """Draw noise and swaps of a step for the whole batch, and keep this process's part."""
    data, run, chosen = context.data, context.run, context.consistency
    assert context.fellows is not None
    labelled = data.x[step.labelled].add_(context.noise(len(step.labelled)), alpha=context.options.network.input_noise)
    parts = [step.unlabelled, *([step.labelled] if chosen.debiased else [])]
    rows = torch.cat(parts)
    weak = data.x[rows]
    strong = swap_columns(weak, data.x[context.fellows.draw(rows)], chosen.swapped, chosen.run)
    for first, end in context.one_hot:
        strong[:, first:end] = weak[:, first:end]
    strong = context.augment(strong, chosen.noise)
    weak, strong = (
        torch.cat([run.share(part) for part in values.split([len(each) for each in parts])])
        for values in (weak, strong)
    )
    sizes = len(step.labelled), len(step.unlabelled)
    y = run.share(data.y[step.labelled])
    return Views(run.share(labelled), y, weak, strong, len(run.share(step.unlabelled)), sizes)


def consistent_losses(network: nn.Module, teacher: nn.Module, context: Context, step: Step) -> dict[str, Tensor]:
    """Cross entropy of the labelled utterances of a batch, and of the unlabelled ones to what the teacher guesses."""
    views = draw_views(context, step)
    return context.run.graph(view_losses)(bare(network), bare(teacher), context, views)


def view_losses(network: Mmd, teacher: Mmd, context: Context, views: Views) -> dict[str, Tensor]:
    """The losses of what was drawn, with one pass over labelled and corrupted utterances; a graph without breaks.

    The loss of the unlabelled ones is the mean of weight * H(target, P(y|corrupted)), all classifiers combined as in
    `supervised_loss`; where it is debiased, less the same of the labelled ones.
    """
    run, chosen, options = context.run, context.consistency, context.options.network
    n, u = views.sizes
    assert context.sure is not None
    teacher.eval()
    with torch.no_grad(), run.fabric.autocast():
        q = guesses_of(teacher(views.weak), chosen.guess, options).float()
    network.train()
    with run.own_draws(), run.fabric.autocast():
        logits = stacked(network(torch.cat([views.labelled, views.strong])))
    own = len(views.y)
    labelled = MmdLogits(logits[:own, :-1], logits[:own, -1])
    losses = {"loss": supervised_loss(labelled, views.y, options, context.weights["labelled"], run.divisor(n))}
    if not u:
        return losses
    with torch.no_grad():
        context.guessed.lerp_(run.whole(q[: views.own], u).mean(0), _FOLLOWS)
        if chosen.alignment == "labelled":
            q = align(q, context.wanted, context.guessed)
        follow_confidence(context.sure, run.whole(q[: views.own], u), _FOLLOWS)
        sure_of_labelled = run.average(torch.softmax(logits[:own], -1).max(-1)[0].sum(0) / run.divisor(n))
        weights = weigh_guesses(q, chosen, context.sure, context.guessed, sure_of_labelled)
    of_each = weighted_losses(logits[own:], targets_of(q, chosen.temperature), weights)
    losses["unlabelled_loss"] = _combined(of_each[: views.own], options, run.divisor(u))
    if chosen.debiased:
        bias = _combined(of_each[views.own :], options, run.divisor(n))
        losses["unlabelled_loss"] = losses["unlabelled_loss"] - bias
    return losses


def labelled_mix_loss(
    logits: Tensor, targets: Tensor, options: MmdOptions, weights: Tensor | None = None, size: float | None = None
) -> Tensor:
    """L_X (Eq. 20): mean over utterances of H(p, P(y|x)), combined over the classifiers as in `supervised_loss`.

    Args:
        logits, targets: (B, P + 1, C), the global classifier last.
        options: `local_loss_weight`.
        weights: of the classes, (C,).
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.
    """
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1), weights, reduction="none")
    return _combined(losses.view(targets.shape[:2]), options, size)


def unlabelled_mix_loss(logits: Tensor, targets: Tensor, options: MmdOptions, size: float | None = None) -> Tensor:
    """L_U (Eq. 21): squared error of the probabilities, mean over utterances and classes, combined likewise."""
    return _combined((torch.softmax(logits, -1) - targets).square().mean(-1), options, size)


def _combined(losses: Tensor, options: MmdOptions, size: float | None) -> Tensor:
    """Losses (B, P + 1) of the classifiers -> the global one's mean + weight * sum of the local ones' means."""
    means = losses.sum(0) / (len(losses) if size is None else size)
    return means[-1] + options.local_loss_weight * means[:-1].sum()


@torch.no_grad()
def predict(network: nn.Module, x: Tensor, options: MmdOptions, batch_size: int = 8192) -> Tensor:
    """Weighted probabilities of all classifiers for standardised features (N, D), shape (N, C), float32."""
    network.eval()
    parts = [probabilities(network(part), options.local_prediction_weight) for part in x.split(batch_size)]
    return torch.cat(parts).float()


def _validate(context: Context, state: dict[str, Any]) -> dict[str, float]:
    """UAR on the validation part, where there is one; keeps the best weights where they are to be selected."""
    data, options = context.data, context.options.network
    rows = data.rows["validation"]
    if not len(rows):
        return {}
    network = state.get("average", state["network"])
    predicted = predict(network, data.x[rows], options).argmax(1)
    confusion = confusion_matrix(data.y[rows].numpy(force=True), predicted.numpy(force=True), len(data.classes))
    found = float(uar(confusion))
    if options.select == "validation" and found > state["best_uar"]:
        state["best_uar"], state["best"] = found, copy.deepcopy(network.state_dict())
    return {"validation_uar": found}


def save(weights: Mapping[str, Tensor], data: FoldData, options: MmmdOptions, run: TrainingRun, **facts: Any) -> None:
    """Weights and scaling as safetensors; what is needed to build and feed the network in the card."""
    scaling = {f"scaling.{name}": torch.from_numpy(run.scaling[name]) for name in ("mean", "std")}
    ranges = data.ranges or {"is10": (0, len(data.names))}
    card = {
        "system": "mmmd",
        "network": "mmd",
        "options": options.model_dump(mode="json"),
        "classes": data.classes,
        "features": {column: data.names[first:end] for column, (first, end) in ranges.items()},
        "scaling": run.scaling["strategy"],
    }
    run.save_model({**weights, **scaling}, card | facts)
