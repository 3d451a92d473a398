"""The supervised part: convolutional layers and a softmax, or a unit each for arousal and valence, on chunks of speech.

"Semi-supervised Model for Emotion Recognition in Speech" (ICANN 2018), section 2.2 and 2.3: the encoder is frozen, so
its feature maps are computed once for all folds (`read_maps`). A chunk has the label of its utterance; an utterance's
prediction is the mean over its chunks of the probabilities (of the values of the two units).
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.dataset
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semiser.card import Card, Classes, Sha256
from semiser.data.reading import in_batches, read_rows, sample_places
from semiser.data.samples import SampleData, SampleFeatures, matrices, put_in_places
from semiser.data.scaling import Scaler
from semiser.data.tables import family_of
from semiser.devices import sent
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.options.training import ScalingOptions
from semiser.prediction.loaded import find_above
from semiser.systems.began.encoder import COLUMN, load_feature_map
from semiser.systems.began.network import ChunkMap, FeatureMap, MapClassifier, Standardise
from semiser.systems.began.options import DIMENSIONS, BeganFitOptions, ClassifierOptions
from semiser.training.channels_last import channels_last
from semiser.training.run import TrainingRun, bare
from semiser.training.saved import WEIGHTS, file_sha256, read_saved

MAP = "map"


@torch.no_grad()
def read_maps(
    chunks: pyarrow.dataset.Dataset,
    utterance_ids: Sequence[str],
    frozen: FeatureMap | ChunkMap,
    scaling: ScalingOptions,
    about: Mapping[str, np.ndarray] | None = None,
    device: torch.device | str = "cpu",
    batch_size: int = 256,
) -> SampleFeatures:
    """The frozen encoder's feature maps of the utterances' chunks, read and encoded batch by batch into their places.

    Args:
        chunks: the `chunks` table.
        utterance_ids: the experiment's utterances.
        frozen: the encoder's convolutions, for prediction, with the map's cepstrum where it is asked for; or none.
        scaling: strategies by name; each channel and bin (or coefficient) has statistics of its own.
        about: facts of the utterances.
        device: where the encoder lies.
        batch_size: chunks encoded at a time.

    Returns:
        Column `map`: float32 of shape (M, channels * bins (or coefficients), frames).

    Raises:
        KeyError: an utterance has no chunk.
    """
    places, utterance = sample_places(chunks, COLUMN, utterance_ids)
    field = chunks.schema.field(COLUMN)
    found = (matrices(batch, field) for batch, _ in read_rows(chunks, [COLUMN], utterance_ids))
    maps = (
        frozen(torch.from_numpy(batch).to(device)).flatten(1, 2).numpy(force=True)
        for batch in in_batches(found, batch_size)
    )
    x, families = {MAP: put_in_places(maps, places)}, {COLUMN: family_of(chunks)}
    return SampleFeatures(x, utterance, dict(about or {}), scaling, band_axis=0, families=families)


class Classifier(nn.Module):
    """What predicts from one sample: a classifier on its feature map, which is given, or computed by an encoder."""

    def __init__(self, options: BeganFitOptions, outputs: int):
        """Args:
        options: of encoder and classifier, and the shape of a sample.
        outputs: classes or dimensions.
        """
        super().__init__()
        self.map: nn.Module = nn.Identity()
        if options.encoder:
            bins, frames = options.shape
            self.map = found = FeatureMap((bins, frames), options.encoder, options.stage, options.cepstrum)
            channels, bins, frames = found.map_shape
        else:
            channels, bins, frames = options.shape
        self.classifier = MapClassifier((channels, bins, frames), outputs, options.classifier)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.map(x))

    @torch.no_grad()
    def standardise(self, x: Tensor, samples: Tensor) -> None:
        """Give the classifier's standardisation the values that the network as it is pools from these samples of x."""
        assert isinstance(self.classifier.standard, Standardise)
        self.eval()
        self.classifier.standard.fit(self.classifier.pooled(self.map(x[part])) for part in samples.split(1024))


def fit(data: SampleData, options: BeganFitOptions, run: TrainingRun) -> Tensor:
    """Train on the chunks of the training part, score the utterances of the test part.

    Args:
        data: one column of samples, standardised, on the run's device: `map`, or `chunks` to train from scratch. For
            the task `dimensions` its `about` has `dimensions`, (N, 2), NaN where unknown.
        options: network, task and training.
        run: device, seed, checkpoint and curves; it gets the final weights and their card.

    Returns:
        Probabilities (tests, classes), or arousal and valence (tests, 2).
    """
    run.seed_everything()
    outputs = len(data.classes) if options.task == "emotion" else len(DIMENSIONS)
    (x,), how = data.x.values(), options.classifier
    network = channels_last(Classifier(options, outputs).to(x.device))
    if how.standardise:
        network.standardise(x, _training_samples(data, options))
    optimiser = torch.optim.AdamW(network.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    network, optimiser = run.setup(network, optimiser)
    plain = {"epoch": 0, "step": 0, "sum": 0.0, "best_score": -math.inf, "best": {}}
    state = {"network": network, "optimiser": optimiser, **plain}
    run.resume(state)
    for _ in range(state["epoch"], how.epochs):
        _train_epoch(data, options, state, run)
    if state["best"]:
        network.load_state_dict(state["best"])
    _save(network, data, options, run)
    return predict(network, data, data.rows["test"], options)


def _train_epoch(data: SampleData, options: BeganFitOptions, state: dict[str, Any], run: TrainingRun) -> None:
    """One epoch, or what a checkpoint inside it left to do."""
    (x,), how = data.x.values(), options.classifier
    batches = _batches(_training_samples(data, options), state["epoch"], how, run.seed)
    weights = _class_weights(data, how) if options.task == "emotion" else None
    for batch in batches[state["step"] :]:
        for group in state["optimiser"].param_groups:
            progress = (state["epoch"] + state["step"] / len(batches)) / how.epochs
            group["lr"] = how.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        own = run.share(batch)
        state["network"].train()
        noisy = x[own]
        if how.input_noise:
            noise = torch.randn(len(batch), *x.shape[1:], dtype=x.dtype, device=x.device)
            noisy = noisy + how.input_noise * run.share(noise)
        if options.task == "emotion":
            size = len(batch) if weights is None else weights[data.y[data.utterance[batch]]].sum()
            y, divisor = data.y[data.utterance[own]], run.divisor(size)
            loss = run.graph(emotion_loss)(bare(state["network"]), noisy, y, weights, divisor, run)
        else:  # a concordance is of the whole batch
            target = data.about["dimensions"][data.utterance[batch]]
            loss = run.graph(dimensions_loss)(bare(state["network"]), noisy, target, how.dimension_loss, run)
        state["optimiser"].zero_grad()
        run.fabric.backward(loss)
        state["optimiser"].step()
        state |= {"step": state["step"] + 1, "sum": state["sum"] + run.average(loss.detach())}
        run.save_checkpoint(state)
    mean_loss = float(state["sum"]) / len(batches)
    run.log(state["epoch"], options.classifier.epochs, loss=mean_loss, **_validate(data, options, state))
    state |= {"epoch": state["epoch"] + 1, "step": 0, "sum": 0.0}
    run.save_checkpoint(state)


def emotion_loss(
    network: Classifier, x: Tensor, y: Tensor, weights: Tensor | None, size: float | Tensor, run: TrainingRun
) -> Tensor:
    """Cross entropy of this process's part of a batch over `TrainingRun.divisor`, a scalar; a graph without breaks."""
    with run.own_draws(), run.fabric.autocast():
        output = network(x)
    return F.cross_entropy(output.float(), y, weights, reduction="sum") / size


def dimensions_loss(network: Classifier, x: Tensor, target: Tensor, kind: str, run: TrainingRun) -> Tensor:
    """`dimension_loss` of a whole batch, of which x is this process's part, a scalar; a graph without breaks."""
    with run.own_draws(), run.fabric.autocast():
        output = network(x)
    return dimension_loss(run.joined(output.float(), len(target)), target, kind)


def _training_samples(data: SampleData, options: BeganFitOptions) -> Tensor:
    """Numbers of the chunks that are trained on: those whose utterance has a target."""
    samples = data.samples("train")
    if options.task == "dimensions":
        samples = samples[data.about["dimensions"][data.utterance[samples]].isfinite().all(1)]
    return samples


def _batches(samples: Tensor, epoch: int, options: ClassifierOptions, seed: int) -> list[Tensor]:
    """Shuffled batches of near-equal size, drawn from seed and epoch alone: a resumed epoch has the same."""
    order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(samples)))
    return list(samples[sent(order, samples.device)].chunk(math.ceil(len(samples) / options.batch_size)))


def _class_weights(data: SampleData, options: ClassifierOptions) -> Tensor | None:
    """n / (C n_k) of each class over the training chunks, (C,); None where all weigh alike."""
    if not options.balanced:
        return None
    y = data.y[data.utterance[data.samples("train")]]
    return len(y) / (len(data.classes) * torch.bincount(y, minlength=len(data.classes)).clamp(min=1))


def dimension_loss(output: Tensor, target: Tensor, kind: str) -> Tensor:
    """Loss of the two-unit head, mean over arousal and valence.

    Args:
        output, target: (B, 2).
        kind: `mse`, or `ccc`: 1 - 2 cov / (var + var + (difference of the means)^2) over the batch.

    Returns:
        A scalar.
    """
    if kind == "mse":
        return F.mse_loss(output, target)
    return (1 - concordance(output, target)).mean()


def concordance(output: Tensor, target: Tensor) -> Tensor:
    """Concordance correlation over a batch (Lin, 1989), (B, K) -> (K,); 0 where neither varies."""
    a, b = output - output.mean(0), target - target.mean(0)
    spread = a.square().mean(0) + b.square().mean(0) + (output.mean(0) - target.mean(0)).square()
    return 2 * (a * b).mean(0) / spread.clamp(min=1e-8)


@torch.no_grad()
def predict(network: nn.Module, data: SampleData, rows: Tensor, options: BeganFitOptions) -> Tensor:
    """Mean over an utterance's chunks of their probabilities, or of the dimensions' values.

    Args:
        network: a `Classifier`.
        data: with the samples of the utterances.
        rows: places of the utterances in the fold, (R,).
        options: the task.

    Returns:
        float32 of shape (R, outputs).
    """
    network.eval()
    (x,) = data.x.values()
    wanted = torch.zeros(len(data.y) + 1, dtype=torch.bool, device=rows.device)  # the last is what -1 points at
    wanted[rows] = True
    samples = wanted[data.utterance].nonzero().flatten()
    output = torch.cat([network(x[part]).float() for part in samples.split(1024)])
    if options.task == "emotion":
        output = output.softmax(1)
    return utterance_mean(output, data.utterance[samples], len(data.y))[rows]


def utterance_mean(values: Tensor, utterance: Tensor, count: int) -> Tensor:
    """Mean of the chunks' values over each utterance, (M, K) and (M,) -> (count, K); NaN where it has no chunk."""
    sums = values.new_zeros(count, values.shape[1]).index_add_(0, utterance, values)
    return sums / torch.bincount(utterance, minlength=count)[:, None]


def _validate(data: SampleData, options: BeganFitOptions, state: dict[str, Any]) -> dict[str, float]:
    """UAR or mean CCC on the validation part, where there is one; keeps the best weights if asked to."""
    rows = data.rows["validation"]
    if options.task == "dimensions":
        rows = rows[data.about["dimensions"][rows].isfinite().all(1)]
    if not len(rows):
        return {}
    predicted = predict(state["network"], data, rows, options)
    if options.task == "emotion":
        counts = confusion_matrix(
            data.y[rows].numpy(force=True), predicted.argmax(1).numpy(force=True), len(data.classes)
        )
        name, score = "validation_uar", float(uar(counts))
    else:
        name, score = "validation_ccc", float(concordance(predicted, data.about["dimensions"][rows]).mean())
    if options.classifier.select == "validation" and score > state["best_score"]:
        state |= {"best_score": score, "best": copy.deepcopy(state["network"].state_dict())}
    return {name: score}


def _save(network: nn.Module, data: SampleData, options: BeganFitOptions, run: TrainingRun) -> None:
    """Weights and scaling as safetensors; what is needed to build and feed the network in the card."""
    (column,) = data.x
    scaling = {f"scaling.{name}": torch.from_numpy(run.scaling[column][name]) for name in ("mean", "std")}
    card = {
        "system": "began",
        "network": "began_classifier",
        "options": options.model_dump(mode="json"),
        "classes": data.classes if options.task == "emotion" else DIMENSIONS,
        "features": column,
        "scaling": run.scaling["strategy"],
        "encoder_sha256": None,
    }
    if options.frozen and run.fabric.is_global_zero:  # others may be on hosts that do not have the encoder
        card["encoder_sha256"] = file_sha256(find_above(run.folder, options.frozen) / WEIGHTS)
    run.save_model({**network.state_dict(), **scaling}, card)


@dataclass(frozen=True)
class SavedClassifier:
    """A classifier with all that it needs to predict from the chunks of an utterance.

    Attributes:
        network: for prediction.
        frozen: convolutions of the frozen encoder, or what makes a map of a chunk without one; None where the network
            has its own.
        scaler: of the training part, by channel and bin, or by bin. Under the strategy `speaker` a known speaker's
            samples are scaled by that speaker's statistics instead.
        options: as trained.
        outputs: classes or dimensions.
        by_speaker: whether training scaled known speakers by their own statistics.
    """

    network: Classifier
    frozen: FeatureMap | ChunkMap | None
    scaler: Scaler
    options: BeganFitOptions
    outputs: tuple[str, ...]
    by_speaker: bool

    @torch.no_grad()
    def predict(self, chunks: Tensor) -> Tensor:
        """Probabilities, or arousal and valence, of one utterance: (chunks, bins, frames) -> (outputs,)."""
        x = chunks if self.frozen is None else self.frozen(chunks).flatten(1, 2)
        scaled = np.ascontiguousarray(self.scaler.apply(x.movedim(1, -1).numpy()).swapaxes(1, 2))
        output = self.network(torch.from_numpy(scaled))
        return (output.softmax(1) if self.options.task == "emotion" else output).mean(0)


class BeganCard(Card):
    """What `_save` says of a classifier.

    Attributes:
        features: column of the chunks.
        encoder_sha256: of the weights of the frozen encoder, None where there is none.
    """

    system: Literal["began"]
    network: Literal["began_classifier"]
    options: BeganFitOptions
    classes: Classes
    features: str
    scaling: Literal["global", "speaker"]
    encoder_sha256: Sha256 | None


def load(folder: Path) -> SavedClassifier:
    """The classifier that `fit` saved in a folder; its frozen encoder is found in a folder above.

    Raises:
        FileNotFoundError: the frozen encoder is not there.
        ValueError: it was trained anew since, or card and weights are not sound (`read_saved`).
    """
    saved = read_saved(folder, BeganCard)
    options, classes = saved.card.options, saved.card.classes
    network = saved.build(lambda: Classifier(options, len(classes)))
    scaler = Scaler(*(values.numpy() for values in saved.statistics((math.prod(options.shape[:-1]),))))
    frozen: FeatureMap | ChunkMap | None = None if options.encoder else ChunkMap(options.cepstrum)
    if options.frozen:
        encoder = find_above(folder, options.frozen)
        if file_sha256(encoder / WEIGHTS) != saved.card.encoder_sha256:
            raise ValueError(
                f"{folder}: its frozen encoder was trained anew since; run `kedro run --pipelines=train_began`"
            )
        frozen = load_feature_map(encoder, options.stage, options.cepstrum)
    return SavedClassifier(network, frozen, scaler, options, classes, saved.card.scaling == "speaker")
