"""MSSGAN: semi-supervised emotion recognition with an improved Wasserstein GAN, CT-GAN (Liang et al., ACII 2019).

The critic, that is the discriminators D of one or two modalities and the classifier C over them, tells K classes and
"generated". Every step of Algorithm 1 first lowers L_dis (Eq. 4, 6) by the critic's weights, then L_gen (Eq. 5, 7) by
the generators'. FSBase and SSBase are the critic alone. Everything stays on the device; a batch is a tensor of numbers.

The consistency term is that of Wei et al., "Improving the Improved Training of Wasserstein GANs", ICLR 2018.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.card import Card, Classes
from semiser.data.samples import SampleData
from semiser.devices import fetched, sent
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.folds.soft_labels import credited
from semiser.systems.mssgan.network import Critic, Criticised, Generators, Shape
from semiser.systems.mssgan.options import CropOptions, GanOptions, MssganOptions
from semiser.training.batches import planned, repeated
from semiser.training.channels_last import channels_last
from semiser.training.run import TrainingRun, bare
from semiser.training.saved import Saved, read_saved

if TYPE_CHECKING:
    from lightning_fabric.wrappers import _FabricModule

Samples = dict[str, Tensor]  # modality -> (B, frames, bands)
_ALL = slice(None)


class Batch(NamedTuple):
    """Labelled samples (x', y) with their soft labels, and unlabelled ones x'': this process's part of them."""

    labelled: Samples
    targets: Tensor  # (B, K)
    unlabelled: Samples | None
    labelled_count: int  # of the whole batch, as is the next
    unlabelled_count: int


class Context(NamedTuple):
    """What the steps of a training share.

    Attributes:
        data: the fold, with the soft labels of its utterances in `about["target"]`.
        options: of the variant.
        sample: number of the sample of each utterance, (N,).
        unlabelled: utterances that are used without label.
        weights: of the classes, (K,); None weighs all alike.
    """

    data: SampleData
    options: MssganOptions
    sample: Tensor
    unlabelled: Tensor
    weights: Tensor | None


def fit(data: SampleData, options: MssganOptions, run: TrainingRun) -> Tensor:
    """Train a variant, and score the test part.

    Args:
        data: the fold: a sample per utterance and modality, standardised, and soft labels `about["target"]`, (N, K), of
            which only those of the training and validation parts are read. On the run's device.
        options: network, crop, and what of GAN and self-training takes part.
        run: device, seed, checkpoint and curves; it gets the final weights and their card.

    Returns:
        Probabilities of the test utterances, shape (tests, K).
    """
    run.seed_everything()
    context = make_context(data, options, run.seed)
    state = make_state(context, run)
    run.resume(state)
    while state["epoch"] < epochs(options):
        if options.self_training and state["epoch"] == options.optimisation.epochs and not state["pseudo"]:
            _label_by_itself(context, state)
        _train_epoch(context, state, run)
    critic = state["critic"]
    if state["best"]:
        critic.load_state_dict(state["best"])
    _save(critic, context, run)
    return predict(critic, context, data.rows["test"])


def epochs(options: MssganOptions) -> int:
    """Epochs in all: those of the fine-tuning come after the others."""
    return options.optimisation.epochs + (options.self_training.epochs if options.self_training else 0)


def make_context(data: SampleData, options: MssganOptions, seed: int) -> Context:
    """The data of a fold as the steps take them."""
    inside = data.utterance >= 0
    sample = torch.empty(len(data.y), dtype=torch.int64, device=data.y.device)
    sample[data.utterance[inside]] = inside.nonzero().flatten()
    weights = None
    if options.optimisation.balanced:
        shares = data.about["target"][data.rows["train"]].sum(0)  # n_k
        weights = shares.sum() / (len(shares) * shares.clamp(min=1e-6))
    return Context(data, options, sample, _drawn(data.rows["unlabelled"], options.unlabelled_samples, seed), weights)


def _drawn(rows: Tensor, count: int | None, seed: int) -> Tensor:
    """So many of the rows, all of them where there are fewer; a smaller draw is part of a larger one."""
    if count is None or count >= len(rows):
        return rows
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return rows[order[:count].to(rows.device)]


def make_state(context: Context, run: TrainingRun) -> dict[str, Any]:
    """Networks, optimisers and all else that a training needs to go on after any step.

    `epoch_random` draws the batches of the epoch anew, `pseudo` holds what SSBase labelled by itself.
    """
    data, options = context.data, context.options
    shapes, optimisation = crop_shapes(data, options.crop), options.optimisation
    critic = channels_last(Critic(shapes, len(data.classes) + (options.gan is not None), options.network))
    betas = (optimisation.beta1, 0.999)
    adam = torch.optim.Adam(critic.parameters(), optimisation.learning_rate, betas, fused=True)
    critic, adam = run.setup(critic, adam)
    state: dict[str, Any] = {"critic": critic, "critic_adam": adam}
    if options.gan:
        generators = channels_last(Generators(shapes, options.network))
        adam = torch.optim.Adam(generators.parameters(), optimisation.learning_rate, betas, fused=True)
        state["generators"], state["generators_adam"] = run.setup(generators, adam)
    plain = {"epoch": 0, "step": 0, "epoch_random": torch.get_rng_state(), "sums": {}}
    return state | plain | {"best_uar": -1.0, "best": {}, "pseudo": {}}


def crop_shapes(data: SampleData, options: CropOptions) -> dict[str, Shape]:
    """Modality to frames and bands of its crops."""
    return {name: (options.frames // options.frames_averaged, x.shape[2]) for name, x in data.x.items()}


def _train_epoch(context: Context, state: dict[str, Any], run: TrainingRun) -> None:
    """One epoch, or what a checkpoint inside it left to do."""
    targets = training_targets(context, state)
    steps = planned(state, lambda: plan_epoch(context, state))
    while state["step"] < len(steps):
        labelled, unlabelled = steps[state["step"]]
        losses = train_step(context, draw_batch(context, labelled, unlabelled, targets, run), state, run)
        state["sums"] = {name: state["sums"].get(name, 0) + loss for name, loss in losses.items()}
        state["step"] += 1
        run.save_checkpoint(state)
    means = {name: total / len(steps) for name, total in fetched(state["sums"]).items()}
    run.log(state["epoch"], epochs(context.options), **means, **_validate(context, state))
    state |= {"epoch": state["epoch"] + 1, "step": 0, "sums": {}}
    run.save_checkpoint(state)


def train_step(context: Context, batch: Batch, state: dict[str, Any], run: TrainingRun) -> dict[str, Tensor]:
    """The inner loops of Algorithm 1 on one batch, or a supervised step; returns the losses by name."""
    gan = context.options.gan
    if gan is None:
        losses = supervised_step(context, batch, state, run)
    else:
        for _ in range(gan.discriminator_steps):
            losses = discriminator_step(context, batch, state, run)
        for _ in range(gan.generator_steps):
            losses |= generator_step(context, batch, state, run)
    return dict(zip(losses, run.average(torch.stack(list(losses.values()))), strict=True))


def supervised_step(context: Context, batch: Batch, state: dict[str, Any], run: TrainingRun) -> dict[str, Tensor]:
    """Eq. 1: the critic learns from labels alone."""
    loss = run.graph(critic_loss)(bare(state["critic"].train()), batch, context.weights, run)
    _descend(loss, state["critic"], state["critic_adam"], run)
    return {"loss": loss.detach()}


def critic_loss(critic: Critic, batch: Batch, weights: Tensor | None, run: TrainingRun) -> Tensor:
    """Eq. 1 of this process's part of a batch, a scalar; a graph without breaks."""
    with run.own_draws(), run.fabric.autocast():
        logits = critic(batch.labelled).logits
    return supervised_loss(logits, batch.targets, weights, run.divisor(batch.labelled_count))


def discriminator_step(context: Context, batch: Batch, state: dict[str, Any], run: TrainingRun) -> dict[str, Tensor]:
    """Adam updates the weights of D and C with L_dis (Eq. 4, 6); those of G stay as they are."""
    critic, generators, gan = state["critic"].train(), state["generators"].train(), context.options.gan
    assert gan
    z = run.share(draw_noise(context, batch.labelled_count))
    losses = run.graph(discriminator_losses)(bare(critic), bare(generators), batch, z, context.weights, gan, run)
    total = losses["loss"] + losses["generated_loss"] + losses["real_loss"]
    _descend(total + gan.consistency_weight * losses["consistency"], critic, state["critic_adam"], run)
    return {name: loss.detach() for name, loss in losses.items()}


def discriminator_losses(
    critic: Critic,
    generators: Generators,
    batch: Batch,
    z: Tensor,
    weights: Tensor | None,
    gan: GanOptions,
    run: TrainingRun,
) -> dict[str, Tensor]:
    """The terms of L_dis (Eq. 4, 6) of this process's part of a batch by name, scalars; a graph without breaks."""
    with torch.no_grad(), run.fabric.autocast():
        generated = {name: x.float() for name, x in generators(z).items()}
    real = real_samples(batch)
    with run.own_draws(), run.fabric.autocast():
        first, second = critic(real), critic(real)  # two passes, each with its own dropout
        of_generated = critic(generated).logits
    labelled, both = (run.divisor(n) for n in (batch.labelled_count, batch.labelled_count + batch.unlabelled_count))
    return {
        "loss": supervised_loss(first.logits[: len(batch.targets)], batch.targets, weights, labelled),
        "generated_loss": -log_generated(of_generated).sum() / labelled,
        "real_loss": -log_real(first.logits).sum() / both,
        "consistency": consistency(first, second, gan, both),
    }


def generator_step(context: Context, batch: Batch, state: dict[str, Any], run: TrainingRun) -> dict[str, Tensor]:
    """Adam updates the weights of G with L_gen (Eq. 5, 7); those of D and C stay as they are."""
    critic, generators = state["critic"].train(), state["generators"].train()
    real = run.graph(real_means)(bare(critic), batch, run)
    with frozen(critic):
        z = run.share(draw_noise(context, batch.labelled_count))
        loss = run.graph(generator_loss)(bare(critic), bare(generators), z, real, batch.labelled_count, run)
        _descend(loss, generators, state["generators_adam"], run)
    return {"generator_loss": loss.detach()}


@torch.no_grad()
def real_means(critic: Critic, batch: Batch, run: TrainingRun) -> Tensor:
    """The mean representation of real samples in parts (`_means`), without gradient; a graph without breaks."""
    with run.own_draws(), run.fabric.autocast():
        real = critic(real_samples(batch)).representation
    return _means(real, batch.labelled_count + batch.unlabelled_count, run)


def generator_loss(
    critic: Critic, generators: Generators, z: Tensor, real: Tensor, count: int, run: TrainingRun
) -> Tensor:
    """L_gen (Eq. 5, 7) of samples made of this process's part of the noise, a scalar; a graph without breaks."""
    with run.fabric.autocast():
        generated = {name: x.float() for name, x in generators(z).items()}
        with run.own_draws():
            representation = critic(generated).representation
    return matching_loss(_means(representation, count, run), real)


def _means(own: Tensor, count: int, run: TrainingRun) -> Tensor:
    """What each of P processes adds to the mean over a batch of `count` samples, the mean of which it is.

    Representations of the own part, (B, R) -> (P, R).
    """
    return run.joined(own.float().sum(0, keepdim=True) / run.divisor(count), run.fabric.world_size)


def _descend(loss: Tensor, network: "_FabricModule", adam: torch.optim.Optimizer, run: TrainingRun) -> None:
    adam.zero_grad()
    run.fabric.backward(loss, model=network)
    adam.step()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through the network, and none is computed of its weights."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def supervised_loss(
    logits: Tensor, targets: Tensor, weights: Tensor | None = None, size: float | None = None
) -> Tensor:
    """-E[log C(y | x')] with soft labels y (first term of Eq. 4 and 6), a scalar.

    Args:
        logits: (B, K) or, with "generated" last, (B, K + 1).
        targets: (B, K) shares of the classes.
        weights: of the classes, (K,).
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.
    """
    log = F.log_softmax(logits.float(), dim=1)[:, : targets.shape[1]]
    losses = -(targets * log * (1 if weights is None else weights)).sum(1)
    return losses.sum() / (len(losses) if size is None else size)


def log_generated(logits: Tensor) -> Tensor:
    """log C(K + 1 | x), (B, K + 1) -> (B,), without a probability in between."""
    return F.log_softmax(logits.float(), dim=1)[:, -1]


def log_real(logits: Tensor) -> Tensor:
    """log(1 - C(K + 1 | x)) as a difference of logsumexp, (B, K + 1) -> (B,)."""
    logits = logits.float()
    return logits[:, :-1].logsumexp(1) - logits.logsumexp(1)


def consistency(first: Criticised, second: Criticised, options: GanOptions, size: float | None = None) -> Tensor:
    """CT of Eq. 4 and 6: how far two passes of the same samples with dropout of their own are apart, a scalar.

    E[max(0, d(C(x'), C(x'')) + hidden_factor * d(D_-(x'), D_-(x'')) - M)], d being the mean squared difference of the
    probabilities, and of the second-to-last layer (Wei et al. 2018, Eq. 4 and 5 with their scripts' squares). E is the
    sum over these samples divided by `size` (`TrainingRun.divisor`), or by their number.
    """
    outputs = (first.logits.float().softmax(1) - second.logits.float().softmax(1)).square().mean(1)
    hidden = (first.representation.float() - second.representation.float()).square().mean(1)
    apart = (outputs + options.hidden_factor * hidden - options.margin).clamp(min=0)
    return apart.sum() / (len(apart) if size is None else size)


def matching_loss(generated: Tensor, real: Tensor) -> Tensor:
    """L_gen (Eq. 5, 7): squared distance of the mean representations, (B, R) and (B', R) -> scalar."""
    return (generated.float().mean(0) - real.float().mean(0)).square().sum()


def draw_noise(context: Context, count: int) -> Tensor:
    """z, standard normal, (count, noise)."""
    return sent(torch.randn(count, context.options.network.noise), context.data.y.device)


def real_samples(batch: Batch) -> Samples:
    """P_r: labelled and unlabelled samples, the labelled ones first."""
    if batch.unlabelled is None:
        return batch.labelled
    return {name: torch.cat([x, batch.unlabelled[name]]) for name, x in batch.labelled.items()}


def training_targets(context: Context, state: Mapping[str, Any]) -> Tensor:
    """Soft labels (N, K), with the classes that SSBase gave to unlabelled samples."""
    targets = context.data.about["target"]
    if not state["pseudo"]:
        return targets
    targets = targets.clone()
    targets[state["pseudo"]["rows"]] = F.one_hot(state["pseudo"]["classes"], targets.shape[1]).to(targets)
    return targets


def plan_epoch(context: Context, state: Mapping[str, Any]) -> list[tuple[Tensor, Tensor]]:
    """Labelled and unlabelled utterances of every step, drawn at random; the fewer are drawn again and again."""
    labelled, unlabelled, options = context.data.rows["train"], context.unlabelled, context.options.optimisation
    if state["pseudo"]:
        labelled = torch.cat([labelled, state["pseudo"]["rows"]])
    count = options.batches or math.ceil(max(len(labelled), len(unlabelled)) / options.batch_size)
    drawn = [repeated(rows, count * options.batch_size) for rows in (labelled, unlabelled)]
    return list(zip(*(rows.chunk(count) if len(rows) else [rows] * count for rows in drawn), strict=True))


def draw_batch(context: Context, labelled: Tensor, unlabelled: Tensor, targets: Tensor, run: TrainingRun) -> Batch:
    """The crops of a step, this process's part of them; a variant without GAN takes no unlabelled ones.

    Args:
        context: data and options.
        labelled, unlabelled: utterances of the step.
        targets: soft labels, (N, K).
        run: which part is its own.
    """
    use = context.options.gan is not None and len(unlabelled) > 0
    return Batch(
        crops(context, labelled, draw=True, own=run.own),
        targets[run.share(labelled)],
        crops(context, unlabelled, draw=True, own=run.own) if use else None,
        len(labelled),
        len(unlabelled) if use else 0,
    )


def crops(context: Context, utterances: Tensor, draw: bool, own: slice = _ALL) -> Samples:
    """Crops of utterances, all modalities from the same place.

    Args:
        context: data and options.
        utterances: their numbers, (B,).
        draw: from a random place of what was kept of the utterance, else its middle.
        own: which of them are wanted; places are drawn for all.
    """
    options, rows = context.options.crop, context.sample[utterances[own]]
    width, kept = (value // options.frames_averaged for value in (options.frames, options.kept_frames))
    if kept == width:
        return {name: x[rows] for name, x in context.data.x.items()}
    spare = kept - width
    first = torch.randint(spare + 1, (len(utterances),)) if draw else torch.full((len(utterances),), spare // 2)
    frames = sent(first[own][:, None] + torch.arange(width), rows.device)
    return {name: x[rows[:, None], frames] for name, x in context.data.x.items()}


@torch.no_grad()
def predict(critic: nn.Module, context: Context, utterances: Tensor, batch_size: int = 256) -> Tensor:
    """Probabilities of the K classes, given that a sample is real: (U, K) float32."""
    critic.eval()
    classes = len(context.data.classes)
    parts = [critic(crops(context, part, draw=False)).logits[:, :classes] for part in utterances.split(batch_size)]
    return torch.cat(parts).float().softmax(1)


def _label_by_itself(context: Context, state: dict[str, Any]) -> None:
    """SSBase: the baseline, as selected, labels the unlabelled samples; those that it is sure of are added."""
    options = context.options.self_training
    assert options
    if state["best"]:
        state["critic"].load_state_dict(state["best"])
    rows = context.unlabelled
    confidence, classes = predict(state["critic"], context, rows).max(1) if len(rows) else (rows.float(), rows)
    sure = confidence >= options.confidence
    state["pseudo"] = {"rows": rows[sure], "classes": classes[sure]}
    for group in state["critic_adam"].param_groups:
        group["lr"] = options.learning_rate or group["lr"]


def _validate(context: Context, state: dict[str, Any]) -> dict[str, float]:
    """UAR on the validation part, ties counted as right; keeps the best weights where they are to be selected."""
    data, rows = context.data, context.data.rows["validation"]
    added: dict[str, float] = {"self_labelled": len(state["pseudo"]["rows"])} if state["pseudo"] else {}
    if not len(rows):
        return added
    predicted = predict(state["critic"], context, rows).argmax(1).numpy(force=True)
    target = credited(data.about["target"][rows].numpy(force=True), predicted)
    found = uar(confusion_matrix(target, predicted, len(data.classes)))
    if context.options.optimisation.select == "validation" and found > state["best_uar"]:
        state["best_uar"], state["best"] = float(found), copy.deepcopy(state["critic"].state_dict())
    return {"validation_uar": float(found)} | added


def _save(critic: nn.Module, context: Context, run: TrainingRun) -> None:
    """The critic's weights and the scaling as safetensors; what is needed to build and feed it in the card."""
    data, options = context.data, context.options
    scaling = {
        f"scaling.{name}.{part}": torch.from_numpy(run.scaling[name][part])
        for name in data.x
        if name in run.scaling
        for part in ("mean", "std")
    }
    card = {
        "system": "mssgan",
        "network": "ct_gan",
        "options": options.model_dump(mode="json"),
        "classes": data.classes,
        "shapes": crop_shapes(data, options.crop),
        "scaling": run.scaling.get("strategy"),
    }
    run.save_model({**critic.state_dict(), **scaling}, card)


Side = Annotated[int, Field(ge=1)]


class MssganCard(Card):
    """What `_save` says of a critic: feature column to the shape of its crops."""

    system: Literal["mssgan"]
    options: MssganOptions
    classes: Classes
    shapes: Annotated[dict[str, tuple[Side, Side]], Field(min_length=1)]
    scaling: Literal["global", "speaker"] | None


def load_mssgan(folder: Path) -> tuple[Critic, Saved[MssganCard]]:
    """A trained critic in evaluation mode, and what was saved, from the folder of a fold."""
    saved = read_saved(folder, MssganCard)
    options, outputs = saved.card.options, len(saved.card.classes) + (saved.card.options.gan is not None)
    return saved.build(lambda: Critic(saved.card.shapes, outputs, options.network)), saved
