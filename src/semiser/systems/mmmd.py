"""MMMD: inferring emotion from Internet voice data with MMD and MixMatch (Zhou et al., AAAI 2021).

Here is MMD, the supervised network: local and global classifiers are trained through one objective.
"""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.features.is10_paths import acoustic_paths
from semiser.networks.mmd import Mmd, MmdLogits, probabilities
from semiser.options.mmmd import MmdOptions
from semiser.training.data import FoldData
from semiser.training.run import TrainingRun


def fit(data: FoldData, options: MmdOptions, run: TrainingRun) -> Tensor:
    """Train MMD on the labelled part and score the test part.

    Args:
        data: the fold, standardised, on the run's device.
        options: layers, optimiser, weights of the losses and of the prediction.
        run: device, seed, checkpoint and curves; it gets the final weights and their card.

    Returns:
        Probabilities of the test rows, shape (tests, classes).
    """
    run.seed_everything()
    paths = acoustic_paths(data.names, options.grouping)
    network = Mmd(paths, {}, len(data.classes), options, seed=run.seed)
    optimiser = torch.optim.AdamW(network.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    network, optimiser = run.fabric.setup(network, optimiser)
    state = {"network": network, "optimiser": optimiser, "epoch": 0, "best_uar": -1.0, "best": {}}
    run.resume(state)
    weights = class_weights(data.y[data.rows["train"]], len(data.classes)) if options.balanced else None
    for epoch in range(state["epoch"], options.epochs):
        losses = [
            _step(network, optimiser, data, batch, weights, options, progress, run)
            for batch, progress in _batches(data.rows["train"], epoch, options)
        ]
        run.log(epoch, loss=torch.stack(losses).mean().item(), **_validate(network, data, options, state))
        state["epoch"] = epoch + 1
        run.save_checkpoint(state)
    if state["best"]:
        network.load_state_dict(state["best"])
    _save(network, data, options, run)
    return predict(network, data.x[data.rows["test"]], options)


def _batches(rows: Tensor, epoch: int, options: MmdOptions) -> Iterator[tuple[Tensor, float]]:
    """Shuffled batches of near-equal size, each with the share of the whole training that lies behind it."""
    shuffled = rows[torch.randperm(len(rows)).to(rows.device)]
    batches = shuffled.chunk(math.ceil(len(rows) / options.batch_size))
    for number, batch in enumerate(batches):
        yield batch, (epoch + number / len(batches)) / options.epochs


def class_weights(y: Tensor, classes: int) -> Tensor:
    """Weight of each class, n / (C n_k), so that every class adds as much to the loss; shape (C,)."""
    return len(y) / (classes * torch.bincount(y, minlength=classes).clamp(min=1))


def _step(
    network, optimiser, data: FoldData, batch: Tensor, weights, options: MmdOptions, progress: float, run
) -> Tensor:
    """One step of the optimiser; returns the loss."""
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(options, progress)
    x = data.x[batch]
    loss = supervised_loss(network(x + options.input_noise * torch.randn_like(x)), data.y[batch], options, weights)
    optimiser.zero_grad()
    run.fabric.backward(loss)
    optimiser.step()
    return loss.detach()


def learning_rate(options: MmdOptions, progress: float) -> float:
    """The learning rate when the share `progress` in [0, 1] of the training is done."""
    factor = 0.5 * (1 + math.cos(math.pi * progress)) if options.schedule == "cosine" else 1.0
    return options.learning_rate * factor


def supervised_loss(logits: MmdLogits, y: Tensor, options: MmdOptions, weights: Tensor | None = None) -> Tensor:
    """The single objective of all classifiers: global cross entropy + weight * sum of the local cross entropies.

    Args:
        logits: local (B, P, C) and global (B, C).
        y: class numbers, (B,).
        options: `local_loss_weight`.
        weights: of the classes, (C,); None weighs all alike.

    Returns:
        Scalar: mean over the batch of the weighted losses (H of Eq. 18 to 20, for one-hot labels).
    """
    paths = logits.local.shape[1]
    local = F.cross_entropy(logits.local.flatten(0, 1), y.repeat_interleave(paths), weights, reduction="none")
    globally = F.cross_entropy(logits.globally, y, weights, reduction="none")
    return globally.mean() + options.local_loss_weight * local.sum() / len(y)


@torch.no_grad()
def predict(network: Mmd, x: Tensor, options: MmdOptions, batch_size: int = 8192) -> Tensor:
    """Weighted probabilities of all classifiers for standardised features (N, D), shape (N, C), float32."""
    network.eval()
    parts = [probabilities(network(part), options.local_prediction_weight) for part in x.split(batch_size)]
    return torch.cat(parts).float()


def _validate(network: Mmd, data: FoldData, options: MmdOptions, state: dict) -> dict[str, float]:
    """UAR on the validation part, where there is one; keeps the best weights where they are to be selected."""
    rows = data.rows["validation"]
    if not len(rows):
        return {}
    predicted = predict(network, data.x[rows], options).argmax(1)
    found = uar(confusion_matrix(data.y[rows].numpy(force=True), predicted.numpy(force=True), len(data.classes)))
    if options.select == "validation" and found > state["best_uar"]:
        state["best_uar"], state["best"] = float(found), copy.deepcopy(network.state_dict())
    return {"validation_uar": found}


def _save(network: Mmd, data: FoldData, options: MmdOptions, run: TrainingRun) -> None:
    """Weights and scaling as safetensors; what is needed to build and feed the network in the card."""
    scaling = {f"scaling.{name}": torch.from_numpy(run.scaling[name]) for name in ("mean", "std")}
    card = {
        "system": "mmmd",
        "network": "mmd",
        "options": options.model_dump(mode="json"),
        "classes": data.classes,
        "features": {"is10": data.names},
        "scaling": run.scaling["strategy"],
    }
    run.save_model({**network.state_dict(), **scaling}, card)
