"""AV-SpNET's recognition of a target on a frozen front end, or with it from random weights (Lu et al., AVEC 2018).

Embeddings of a frozen front end are the same in every epoch, fold and share and are therefore computed once. An
utterance gets the class that most of its segments vote for.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.card import Card, Classes, Inside, Sha256
from semiser.data.samples import SampleData
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.options.base import Options
from semiser.prediction.loaded import find_above
from semiser.systems.avspnet.front_end import (
    COLUMN,
    FrontEnd,
    Statistics,
    load_front_end,
)
from semiser.systems.avspnet.network import Encoder, dense_head
from semiser.systems.avspnet.options import EndToEndOptions, RecognitionOptions
from semiser.training.batches import shuffled
from semiser.training.run import TrainingRun, bare
from semiser.training.saved import CARD, Saved, read_facts, read_saved

logger = logging.getLogger(__name__)
_BATCH = {2: 16384, 3: 64}  # embeddings, and segments, whose maps are large, that are scored at a time


def fit(data: SampleData, options: RecognitionOptions, run: TrainingRun, front_end: Mapping[str, str]) -> Tensor:
    """Train the recognition network on embeddings of labelled segments, and let those of the test part vote.

    The frozen front end is nowhere near: its embeddings are data.

    Args:
        data: the fold; column `embedding`, (M, D).
        options: layers, optimiser.
        run: device, seed, checkpoint and curves; it gets the weights and their card.
        front_end: `folder`, below the pipeline's models, and `key` of the front end, for the card.

    Returns:
        What `majority_vote` makes of the test utterances, shape (tests, classes).
    """
    run.seed_everything()
    inputs = data.x["embedding"].shape[1]
    head = dense_head(inputs, options.hidden, len(data.classes), options.dropout)
    network = _train(head, data, options, run)
    _save(network, data, run, {"options": options, "inputs": inputs, "front_end": dict(front_end)})
    return vote(network, data, "test")


def fit_end_to_end(data: SampleData, options: EndToEndOptions, run: TrainingRun) -> Tensor:
    """Train a random encoder and the recognition network together on labelled segments: R, as the abstract has it.

    Args:
        data: the fold; column `segments`, (M, bins, frames), standardised per bin.
        options: encoder, recognition and its training.
        run: as in `fit`.

    Returns:
        As `fit`.
    """
    run.seed_everything()
    network = _train(EndToEnd(options, len(data.classes)), data, options.recognition, run)
    _save(network, data, run, {"options": options.recognition, "end_to_end": options.model_dump(mode="json")})
    return vote(network, data, "test")


class EndToEnd(nn.Module):
    """An encoder with a recognition network on it.

    Shape:
        input (B, bins, frames), output logits (B, classes).
    """

    def __init__(self, options: EndToEndOptions, classes: int):
        super().__init__()
        how = options.recognition
        self.encoder, self.layer = Encoder(options.network, options.size), how.front_end
        if self.layer != "dense":
            del self.encoder.dense  # the first of the three layers stands in the head
        self.head = dense_head(self.encoder.widths[self.layer], how.hidden, classes, how.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder.layer(x, self.layer))


def _train(network: nn.Module, data: SampleData, options: RecognitionOptions, run: TrainingRun) -> nn.Module:
    """The network, trained on the labelled segments."""
    (x,), y = data.x.values(), data.y[data.utterance]  # -1 takes the last label, of segments that no role has
    network, optimiser = run.setup(network, _make_optimiser(network, options))
    state = {"network": network, "optimiser": optimiser, "epoch": 0}
    run.resume(state)
    rows = data.samples("train")
    for epoch in range(state["epoch"], options.epochs):
        network.train()
        losses = []
        for batch in shuffled(rows).split(options.batch_size):
            own = run.share(batch)
            mean = run.graph(batch_loss)(bare(network), x[own], y[own], run.divisor(len(batch)), run)
            optimiser.zero_grad()
            run.fabric.backward(mean * len(batch) if options.reduction == "sum" else mean)
            optimiser.step()
            losses.append(mean.detach().clone())  # a graph gives the next one in the same place
        mean_loss = run.average(torch.stack(losses)).mean().item()
        run.log(epoch, options.epochs, loss=mean_loss, **_validation_uar(network, data))
        state["epoch"] = epoch + 1
        run.save_checkpoint(state)
    return network


def batch_loss(network: nn.Module, x: Tensor, y: Tensor, size: float, run: TrainingRun) -> Tensor:
    """Cross entropy of this process's part of a batch over `TrainingRun.divisor`, a scalar; a graph without breaks."""
    with run.own_draws(), run.fabric.autocast():
        logits = network(x)
    return F.cross_entropy(logits.float(), y, reduction="sum") / size


def _make_optimiser(network: nn.Module, options: RecognitionOptions) -> torch.optim.Optimizer:
    optimiser = torch.optim.SGD if options.optimiser == "sgd" else torch.optim.Adam
    return optimiser(network.parameters(), options.learning_rate)


@torch.no_grad()
def vote(network: nn.Module, data: SampleData, role: str) -> Tensor:
    """`majority_vote` of the segments of a role's utterances, in their order; (utterances, classes)."""
    network.eval()
    samples, rows = data.samples(role), data.rows[role]
    place = torch.full((len(data.y),), -1, device=rows.device)
    place[rows] = torch.arange(len(rows), device=rows.device)
    (x,) = data.x.values()
    logits = torch.cat([network(x[part]).float() for part in samples.split(_BATCH[x.dim()])])
    return majority_vote(logits.softmax(1), place[data.utterance[samples]], len(rows))


def majority_vote(probabilities: Tensor, utterance: Tensor, utterances: int) -> Tensor:
    """What the segments of every utterance decide.

    Every segment votes for its most probable class. With n segments, v_c votes and the mean probability p_c, the score
    of a class is (v_c + p_c) / (n + 1): scores add up to 1, the class with most votes has the highest (one vote
    weighs more than any difference of means), and among classes with as many votes the one with the higher mean
    probability does. Where that is equal too, argmax takes the first class.

    Args:
        probabilities: of segments, (S, C).
        utterance: place of each segment's utterance, (S,); each utterance has a segment.
        utterances: how many there are, U.

    Returns:
        Scores, (U, C).
    """
    votes = F.one_hot(probabilities.argmax(1), probabilities.shape[1]).to(probabilities)
    counts = torch.bincount(utterance, minlength=utterances)[:, None]
    sums = [torch.zeros(utterances, probabilities.shape[1]).to(probabilities) for _ in range(2)]
    for kept, values in zip(sums, (votes, probabilities), strict=True):
        kept.index_add_(0, utterance, values)
    return (sums[0] + sums[1] / counts) / (counts + 1)


def _validation_uar(network: nn.Module, data: SampleData) -> dict[str, float]:
    rows = data.rows["validation"]
    if not len(rows):
        return {}
    predicted = vote(network, data, "validation").argmax(1)
    counts = confusion_matrix(data.y[rows].numpy(force=True), predicted.numpy(force=True), len(data.classes))
    return {"validation_uar": float(uar(counts))}


def _save(network: nn.Module, data: SampleData, run: TrainingRun, facts: dict[str, Any]) -> None:
    """Weights and scaling as safetensors; what is needed to build and feed the network in the card."""
    ((column, _),) = data.x.items()
    scaling = run.scaling.get(column, {})
    tensors = {f"scaling.{name}": torch.from_numpy(values) for name, values in scaling.items()}
    options, made_by = facts.pop("options"), run.families.get(column, {})
    card = {
        "system": "avspnet",
        "network": "avspnet_recognition",
        "options": options.model_dump(mode="json"),
        "classes": data.classes,
        "scaling": run.scaling.get("strategy"),
        "families": {made_by.get("family", COLUMN): made_by},  # what an embedding is made from, too
        **facts,
    }
    run.save_model({**network.state_dict(), **tensors}, card)


class TrainedOn(Options):
    """The front end of a recogniser: where it lies below the models' folder, and the hash of its weights."""

    folder: Inside
    weights_sha256: Sha256


class RecognitionCard(Card):
    """What `_save` says of a network on embeddings of so many `inputs`."""

    system: Literal["avspnet"]
    network: Literal["avspnet_recognition"]
    options: RecognitionOptions
    inputs: Annotated[int, Field(ge=1)]
    classes: Classes
    scaling: Literal["global", "speaker"] | None
    front_end: TrainedOn


class Recogniser:
    """A front end with a recognition network: what recognises an utterance.

    Attributes:
        front_end: frozen.
        network: on its embeddings.
        scaling: mean and std of embeddings, (D,) each; empty where they are not scaled.
        layer: of the front end that gives the embeddings.
        classes: names in the order of the scores.
        by_speaker: whether known speakers' embeddings are scaled by their own statistics.
    """

    def __init__(self, front_end: FrontEnd, network: nn.Module, scaling: Mapping[str, Tensor], card: RecognitionCard):
        self.front_end, self.network, self.scaling = front_end, network.eval(), scaling
        self.layer, self.classes, self.by_speaker = card.options.front_end, card.classes, card.scaling == "speaker"

    @torch.no_grad()
    def __call__(self, segments: np.ndarray, statistics: Statistics | None = None) -> Tensor:
        """The vote of an utterance's segments (S, bins, frames), shape (C,); see `majority_vote`.

        Args:
            segments: as `front_end.segments` gives them.
            statistics: see `FrontEnd`.
        """
        x = self.front_end(segments, self.layer, statistics)
        if self.scaling:
            std = self.scaling["std"]
            x = torch.where(std > 0, (x - self.scaling["mean"]) / std.clamp(min=1e-12), 0.0).float()
        probabilities = self.network(x).softmax(1)
        return majority_vote(probabilities, torch.zeros(len(x), dtype=torch.long), 1)[0]


def load_avspnet(folder: str | Path) -> Recogniser:
    """A trained recogniser, on the CPU, with the front end that it was trained on.

    Args:
        folder: of a fold.

    Raises:
        FileNotFoundError: there is no model, or its front end is gone.
        ValueError: the front end was trained anew since, or there is none: the encoder was trained along.
    """
    folder = Path(folder)
    if not (folder / CARD).is_file():
        raise FileNotFoundError(f"no recognition network at {folder} (no card.json)")
    facts = read_facts(folder / CARD)
    if "end_to_end" in facts:
        raise ValueError(f"{folder}: encoder and recognition were trained end to end: take `semiser.load(<card>)`")
    saved = read_saved(folder, RecognitionCard)
    card, options = saved.card, saved.card.options
    front_end = load_front_end(find_above(folder, card.front_end.folder))
    if front_end.card["weights_sha256"] != card.front_end.weights_sha256:
        raise ValueError(f"{folder}: its front end was trained anew since; run `kedro run --pipelines=train_avspnet`")
    network = saved.build(lambda: dense_head(card.inputs, options.hidden, len(card.classes), options.dropout))
    scaling = {}
    if saved.has_statistics():
        scaling = dict(zip(("mean", "std"), saved.statistics((card.inputs,), constant=True), strict=True))
    return Recogniser(front_end, network, scaling, card)


class EndToEndCard(Card):
    """What `_save` says of a recognition network whose encoder was trained along."""

    system: Literal["avspnet"]
    network: Literal["avspnet_recognition"]
    end_to_end: EndToEndOptions
    classes: Classes
    scaling: Literal["global", "speaker"]


def load_end_to_end(folder: Path) -> tuple[EndToEnd, Saved[EndToEndCard]]:
    """A network that `fit_end_to_end` saved, for prediction, and what was saved."""
    saved = read_saved(folder, EndToEndCard)
    network = saved.build(lambda: EndToEnd(saved.card.end_to_end, len(saved.card.classes)))
    return network.requires_grad_(False), saved
