"""BEGAN on unlabelled chunks of speech: the adversarial autoencoder whose encoder represents speech.

Pereira, Santos, Maciel, Barros, "Semi-supervised Model for Emotion Recognition in Speech" (ICANN 2018), section 2.1;
the algorithm is that of Berthelot, Schumm, Metz, "BEGAN" (arXiv 1703.10717), section 3.4:

    L_D = L(x) - k_t L(G(z_D))                          for theta_D
    L_G = L(G(z_G))                                     for theta_G
    k_{t+1} = clip(k_t + lambda_k (gamma L(x) - L_G))   to [0, 1]
    M_global = L(x) + |gamma L(x) - L_G|

with L(v) = |v - D(v)|, here the mean over bins and frames. Each step of D is followed by one of G, through the D that
has just been changed.
"""

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from pydantic import Field
from torch import Tensor, nn

from semiser import __version__
from semiser.card import Card
from semiser.data.samples import read_samples
from semiser.data.stream import SampleStream
from semiser.devices import sent
from semiser.hold import hold_process
from semiser.options.training import TrainingOptions
from semiser.progress import progress
from semiser.publish import publishing_on_disk
from semiser.systems.began.network import Autoencoder, Decoder, Encoder, FeatureMap, crop
from semiser.systems.began.options import BeganNetworkOptions, CepstrumOptions, EncoderOptions
from semiser.training.channels_last import Network, channels_last
from semiser.training.experiment import CURVES_SCHEMA
from semiser.training.processes import fit_in_processes
from semiser.training.run import TrainingRun, bare
from semiser.training.saved import keyed_folder, read_saved

logger = logging.getLogger(__name__)

COLUMN = "chunks"
LEAST_DIVERSITY = 0.1  # below it generated chunks count as alike
_CURVES = "curves.json"


def fit(stream: SampleStream, shape: tuple[int, int], options: EncoderOptions, run: TrainingRun) -> dict[str, Any]:
    """Train D and G on the stream's chunks; weights and card go to the run's folder.

    Args:
        stream: unlabelled chunks in [-1, 1], column `chunks`.
        shape: bins and frames of a chunk.
        options: network, gamma, lambda_k, optimisers.
        run: device, seed, checkpoint and curves.

    Returns:
        What the card says of the training: chunks, epochs, the last point of the curves, `diversity`, and `collapse`,
        None where there is none.
    """
    run.seed_everything()
    state = _fresh_state(shape, options, run)
    run.resume(state)
    layout = state["discriminator"].module.encoder.map.layout
    with progress("train encoder", options.epochs, "epochs") as bar:
        bar.update(state["epoch"])
        for epoch in range(state["epoch"], options.epochs):
            for batch in stream.batches(options.batch_size, run.seed, epoch, first=state["step"]):
                _train_step(state, crop(batch.x[COLUMN], layout), options, run)
            if state["steps_summed"]:
                _log(state, options, run)
            state |= {"epoch": epoch + 1, "step": 0}
            run.save_checkpoint(state)
            bar.update()
    facts = _facts(state, stream, options, run)
    _save(state, shape, options, facts, run)
    return facts


def _fresh_state(shape: tuple[int, int], options: EncoderOptions, run: TrainingRun) -> dict[str, Any]:
    """All that a training needs to go on after any step; k_t starts at 0."""
    d = channels_last(Autoencoder(shape, options.network))
    g = channels_last(Decoder(shape, options.network))
    d, d_optimiser = run.setup(d, torch.optim.Adam(d.parameters(), options.learning_rate, fused=True))
    g, g_optimiser = run.setup(g, torch.optim.Adam(g.parameters(), options.learning_rate, fused=True))
    modules = {"discriminator": d, "generator": g, "d_optimiser": d_optimiser, "g_optimiser": g_optimiser}
    k, sums = torch.zeros((), device=run.fabric.device), torch.zeros(2, device=run.fabric.device)
    return modules | {"k": k, "epoch": 0, "step": 0, "sums": sums, "steps_summed": 0}


def _train_step(state: dict[str, Any], x: Tensor, options: EncoderOptions, run: TrainingRun) -> None:
    """One step of D, one of G, and the next k_t, on this process's part of a batch."""
    size = run.divisor(len(x))
    z_d, z_g = torch.rand(2, len(x), options.network.code) * 2 - 1  # as the paper: uniform in [-1, 1]
    x, z_d, z_g = (sent(run.share(values), run.fabric.device) for values in (x, z_d, z_g))
    real = step_discriminator(state, x, z_d, run, size)
    generated = step_generator(state, z_g, run, size)
    losses = run.average(torch.stack([real, generated]))
    state["k"] = next_k(state["k"], losses[0], losses[1], options)
    state["sums"] = state["sums"] + losses
    state |= {"step": state["step"] + 1, "steps_summed": state["steps_summed"] + 1}
    if state["steps_summed"] == options.log_every_steps:
        _log(state, options, run)
    run.save_checkpoint(state)


def reconstruction_loss(v: Tensor, reconstruction: Tensor) -> Tensor:
    """L(v) = |v - D(v)| (BEGAN, Eq. 1 with eta = 1), mean over bins and frames: (B, bins, frames) -> (B,)."""
    return (v - reconstruction).abs().mean((1, 2))


def discriminator_loss(real: Tensor, generated: Tensor, k: Tensor) -> Tensor:
    """L_D = L(x) - k_t L(G(z_D))."""
    return real - k * generated


def next_k(k: Tensor, real: Tensor, generated: Tensor, options: EncoderOptions) -> Tensor:
    """k_{t+1} = clip(k_t + lambda_k (gamma L(x) - L_G), 0, 1)."""
    return (k + options.lambda_k * (options.gamma * real - generated)).clamp(0, 1)


def convergence(real: Tensor, generated: Tensor, gamma: float) -> Tensor:
    """M_global = L(x) + |gamma L(x) - L_G|: falls as BEGAN converges, rises where it collapses."""
    return real + (gamma * real - generated).abs()


def step_discriminator(
    state: dict[str, Any], x: Tensor, z: Tensor, run: TrainingRun, size: float | None = None
) -> Tensor:
    """One step of D, which takes G(z_D) as given: G gets no gradient. Returns L(x), a scalar.

    Args:
        state: discriminator, generator, d_optimiser, k.
        x: chunks, (B, used bins, used frames).
        z: noise, (B, code).
        run: backward.
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.
    """
    d, g = bare(state["discriminator"]), bare(state["generator"])
    real, generated = run.graph(real_and_generated)(d, g, x, z, size or len(x), run)
    state["d_optimiser"].zero_grad()
    run.fabric.backward(discriminator_loss(real, generated, state["k"]), model=state["discriminator"])
    state["d_optimiser"].step()
    return real.detach()


def real_and_generated(
    d: Autoencoder, g: Decoder, x: Tensor, z: Tensor, size: float, run: TrainingRun
) -> tuple[Tensor, Tensor]:
    """L(x) and L(G(z_D)), without a gradient of G, of this process's part of a batch; a graph without breaks."""
    with run.fabric.autocast():
        with torch.no_grad():
            fake = g(z).float()
        both = torch.cat([x, fake])
        reconstructed = d(both).float()
    real, generated = reconstruction_loss(both, reconstructed).split([len(x), len(fake)])
    return real.sum() / size, generated.sum() / size


def step_generator(state: dict[str, Any], z: Tensor, run: TrainingRun, size: float | None = None) -> Tensor:
    """One step of G through D, which is left as it is. Returns L_G, a scalar.

    Args:
        state: discriminator, generator, g_optimiser.
        z: noise, (B, code).
        run: backward.
        size: of the batch that B is a part of (`TrainingRun.divisor`); None: B.
    """
    discriminator = state["discriminator"].requires_grad_(False)
    loss = run.graph(generated_loss)(bare(discriminator), bare(state["generator"]), z, size or len(z), run)
    state["g_optimiser"].zero_grad()
    run.fabric.backward(loss, model=state["generator"])
    state["g_optimiser"].step()
    discriminator.requires_grad_(True)
    return loss.detach()


def generated_loss(d: Autoencoder, g: Decoder, z: Tensor, size: float, run: TrainingRun) -> Tensor:
    """L(G(z_G)) of this process's part of a batch, a scalar; a graph without breaks."""
    with run.fabric.autocast():
        fake = g(z).float()
        reconstructed = d(fake).float()
    return reconstruction_loss(fake, reconstructed).sum() / size


def _log(state: dict[str, Any], options: EncoderOptions, run: TrainingRun) -> None:
    """A point of the curves: means over the steps since the last one, and k_t now. An epoch may have several."""
    real, generated = state["sums"] / state["steps_summed"]
    m_global = convergence(real, generated, options.gamma)
    run.log(state["epoch"], real_loss=real, generator_loss=generated, k=state["k"], m_global=m_global)
    state |= {"sums": torch.zeros_like(state["sums"]), "steps_summed": 0}


def find_collapse(curves: Sequence[dict[str, Any]]) -> str | None:
    """Whether a training has collapsed, from the last quarter of its points: a sentence, or None.

    It has collapsed where M_global is not finite, where its mean over the last quarter lies more than a tenth above the
    lowest mean of an earlier quarter, or where k_t stood at 0 or at 1 all through the last quarter. Fewer than
    twenty points say nothing.

    Args:
        curves: rows with `name` (m_global, k, others are passed over) and `value`, in the order of time.
    """
    m_global, k = ([row["value"] for row in curves if row["name"] == name] for name in ("m_global", "k"))
    if not all(map(math.isfinite, m_global)):
        return "M_global is not finite"
    window = len(m_global) // 4
    if window < 5:
        return None
    first = len(m_global) - 4 * window  # what does not fill a quarter is left out at the beginning
    *earlier, last = (fmean(m_global[first + n * window : first + (n + 1) * window]) for n in range(4))
    if last > 1.1 * min(earlier):
        return f"M_global rises: {last:.4f} over the last quarter of the training after {min(earlier):.4f}"
    for bound in (0.0, 1.0):
        if all(value == bound for value in k[-window:]):
            return f"k_t stuck at {bound:g} all through the last quarter of the training"
    return None


@torch.no_grad()
def diversity(generator: nn.Module, x: Tensor, z: Tensor) -> float:
    """How much generated chunks differ from each other: their deviation over z against that of chunks, 1 being equal.

    Each deviation is taken over the chunks at every bin and frame, and averaged. Near 0 G makes one and the same chunk,
    which M_global and k_t do not show.

    Args:
        generator: G.
        x: chunks, (B, used bins, used frames).
        z: noise, (B, code).
    """
    return float(generator(z).std(0).mean() / x.std(0).mean())


def _facts(state: dict[str, Any], stream: SampleStream, options: EncoderOptions, run: TrainingRun) -> dict[str, Any]:
    found = find_collapse(run.curves)
    if found:
        logger.warning("%s: the training has collapsed: %s", run.folder, found)
    spread = _diversity(state["generator"].module, stream, run.seed)
    if spread < LEAST_DIVERSITY:
        logger.warning("%s: generated chunks are alike, their deviation is %.3f of that of chunks", run.folder, spread)
    last = {row["name"]: row["value"] for row in run.curves}
    return {"chunks": len(stream), "epochs": options.epochs, "last": last, "diversity": spread, "collapse": found}


def _diversity(generator: Decoder, stream: SampleStream, seed: int) -> float:
    """`diversity` over 256 chunks drawn at random."""
    x = crop(next(stream.batches(256, seed)).x[COLUMN], generator.layout)
    z = torch.rand(256, generator.code.in_features, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    device = next(generator.parameters()).device
    return diversity(generator, x.to(device), z.to(device))


def _save(
    state: dict[str, Any], shape: tuple[int, int], options: EncoderOptions, facts: dict[str, Any], run: TrainingRun
) -> None:
    """Weights of D's encoder and decoder and of G as safetensors; what builds and judges them in the card."""
    d, g = state["discriminator"].module, state["generator"].module
    card = _card(shape, options.network, {"training": options.model_dump(mode="json"), **facts})
    if run.fabric.is_global_zero:
        with publishing_on_disk(run.folder / _CURVES) as file:
            file.write(json.dumps(run.curves).encode())
    run.save_model(_prefixed("discriminator", d) | _prefixed("generator", g), card)


def _prefixed(part: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{part}.{name}": tensor for name, tensor in module.state_dict().items()}


def _card(shape: tuple[int, int], network: BeganNetworkOptions, facts: dict[str, Any]) -> dict[str, Any]:
    return {"system": "began", "network": "began", "shape": shape, "options": network.model_dump(mode="json"), **facts}


def train_encoder(
    chunks: pyarrow.dataset.Dataset,
    utterance_ids: Sequence[str],
    options: EncoderOptions,
    training: TrainingOptions,
    models: Path,
) -> tuple[dict[str, Any], pa.Table]:
    """Train BEGAN with the first seed, unless it is there already, from the same chunks with the same options.

    Args:
        chunks: the `chunks` table.
        utterance_ids: the unlabelled utterances.
        options: network and training.
        training: device, precision, checkpoints.
        models: folder of the pipeline's models.

    Returns:
        The card, with `folder`, where it lies below the models; and the curves: several points of an epoch stand under
        its number, in the order of time.
    """
    stream = SampleStream(chunks, [COLUMN], utterance_ids, block_rows=options.block_rows)
    seed = training.seeds[0]
    key = _key(options=options.model_dump(mode="json"), seed=seed, precision=training.precision,
               utterances=list(utterance_ids), shards=stream.keys())  # fmt: skip
    folder, there = keyed_folder(models / "encoder", key, reuse=training.reuse)
    if there:
        logger.info("%s: trained before on the same chunks with the same options", folder)
    else:
        run = TrainingRun(folder, seed, training.in_one_process(), key)
        fit_in_processes(fit_part, EncoderData(stream, chunk_shape(chunks)), options, training, run)
    curves = json.loads((folder / _CURVES).read_bytes())
    rows = [{"variant": "encoder", "fold": 0, "seed": seed, **row} for row in curves]
    place = {"folder": folder.relative_to(models).as_posix()}
    return read_saved(folder, EncoderCard).facts | place, pa.Table.from_pylist(rows, CURVES_SCHEMA)


def _key(**facts: Any) -> str:
    return hashlib.sha256(json.dumps({"version": __version__, **facts}, sort_keys=True).encode()).hexdigest()


class EncoderData(NamedTuple):
    """What is trained on; chunks go to the device batch by batch."""

    stream: SampleStream
    shape: tuple[int, int]

    def to(self, device: torch.device) -> "EncoderData":
        """The same."""
        return self


def fit_part(data: EncoderData, options: EncoderOptions, run: TrainingRun) -> Tensor:
    """`fit`; the last means of the curves stand for a result."""
    fit(data.stream, data.shape, options, run)
    return torch.tensor([row["value"] for row in run.curves[-4:]])


def save_random_encoder(
    shape: tuple[int, int], network: BeganNetworkOptions, training: TrainingOptions, seed: int, models: Path
) -> str:
    """An encoder that has learnt nothing, saved like a trained one: the baseline of a random representation.

    Args:
        shape: of a chunk.
        network: of the encoder.
        training: device and precision.
        seed: of its weights.
        models: folder of the pipeline's models.

    Returns:
        Where it lies below the models.
    """
    key = _key(network=network.model_dump(mode="json"), shape=shape, seed=seed)
    folder, there = keyed_folder(models / "random" / f"seed-{seed}", key)
    if not there:
        run = TrainingRun(folder, seed, training.in_one_process(), key)
        with hold_process():
            run.seed_everything()
            encoder = Encoder(shape, network)
        run.save_model(_prefixed("discriminator.encoder", encoder), _card(shape, network, {"epochs": 0}))
    return folder.relative_to(models).as_posix()


def load_feature_map(folder: Path, stage: int | None = None, cepstrum: CepstrumOptions | None = None) -> FeatureMap:
    """The convolutions of a saved encoder up to a stage, and the map's cepstrum if asked; frozen, for prediction."""
    return _load(folder, "discriminator.encoder.map", FeatureMap, stage, cepstrum)


def load_networks(folder: Path) -> tuple[Autoencoder, Decoder]:
    """D and G of a saved model, frozen, for prediction."""
    return _load(folder, "discriminator", Autoencoder), _load(folder, "generator", Decoder)


class EncoderCard(Card):
    """What `_card` says of BEGAN's networks: bins and frames of a chunk, and their options."""

    system: Literal["began"]
    network: Literal["began"]
    shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    options: BeganNetworkOptions


def _load(folder: Path, part: str, kind: type[Network], *more: Any) -> Network:
    saved = read_saved(folder, EncoderCard)
    make = partial(kind, saved.card.shape, saved.card.options, *more)
    module = saved.build(make, f"{part}.", ("discriminator.", "generator."))
    return channels_last(module).requires_grad_(False)


@torch.no_grad()
def sample_chunks(
    chunks: pyarrow.dataset.Dataset, utterance_ids: Sequence[str], folder: Path, count: int = 8
) -> dict[str, np.ndarray]:
    """Chunks x beside D(x), and generated chunks G(z) beside D(G(z)), each (count, used bins, used frames).

    Args:
        chunks: the `chunks` table.
        utterance_ids: of which the first chunks of so many, evenly spread, are shown.
        folder: of a trained BEGAN.
        count: chunks of each kind, fewer where there are fewer utterances.
    """
    d, g = load_networks(folder)
    places = np.unique(np.linspace(0, len(utterance_ids) - 1, count).round().astype(int))
    shown = [utterance_ids[place] for place in places]
    samples = read_samples({COLUMN: chunks}, shown)
    first = np.unique(samples.utterance, return_index=True)[1]
    x = crop(torch.from_numpy(samples.x[COLUMN][first]), d.encoder.map.layout)
    z = torch.rand(len(x), g.code.in_features, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fake = g(z)
    found = {"x": x, "D(x)": d(x), "G(z)": fake, "D(G(z))": d(fake)}
    return {title: values.numpy() for title, values in found.items()}


def chunk_shape(chunks: pyarrow.dataset.Dataset) -> tuple[int, int]:
    """Bins and frames of a chunk, as the table says."""
    return tuple(json.loads(chunks.schema.field(COLUMN).metadata[b"shape"]))
