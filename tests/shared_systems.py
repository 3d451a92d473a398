"""Trainings of all systems but MMMD, tiny and without dropout, that several processes can import and share."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import torch
from interruption import killed_after
from segment_tables import proxy_table, segment_table, utterance_table, utterances
from torch import nn
from torch.nn import functional as F

from semiser.data.frames import FrameData, read_frames
from semiser.data.samples import SampleData
from semiser.data.stream import SampleStream
from semiser.folds.rows import FoldRows
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.avspnet import pretraining
from semiser.systems.avspnet import recognition as avspnet
from semiser.systems.avspnet.options import AvspnetNetworkOptions, PretrainingOptions, RecognitionOptions
from semiser.systems.began import classifier as began_classifier
from semiser.systems.began import encoder as began
from semiser.systems.began.options import BeganFitOptions, BeganNetworkOptions, ClassifierOptions, EncoderOptions
from semiser.systems.cmkt import fit as cmkt
from semiser.systems.cmkt.options import OptimisationOptions, SpecAugmentOptions, TrainCmktOptions, TransformerOptions
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.mssgan.options import CropOptions, CtGanOptions, GanOptions, MssganOptions, SelfTrainingOptions
from semiser.systems.mssgan.options import OptimisationOptions as GanOptimisation
from semiser.training.run import TrainingRun

CLASSES = ("a", "b", "c")


class Case(NamedTuple):
    """A training: `fit(data, options, run)`."""

    fit: Callable[[Any, Any, TrainingRun], torch.Tensor]
    data: Any
    options: Any


def make_run(folder: Path, fabric=None) -> TrainingRun:
    """A run on the CPU that saves a checkpoint after every step."""
    return TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "key", fabric)


def make_cases(folder: Path) -> dict[str, Case]:
    """All of them, by name, in the order of the systems."""
    encoders = {"encoder": encoder_case(folder), "front_end": front_end_case(folder / "segments")}
    return cmkt_cases(folder) | mssgan_cases() | avspnet_cases() | began_cases() | encoders | batch_norm_cases()


def train(case: Case, folder: Path, fabric=None) -> dict[str, Any]:
    """Probabilities and curves of a training in this process or, with its fabric, in this and others."""
    run = make_run(folder, fabric)
    run.provenance = Provenance({"strategy": "global", "map": {"mean": np.zeros(6), "std": np.ones(6)}})
    return {"probabilities": case.fit(case.data, case.options, run), "curves": run.curves}


# Checkpoints after which a training is stopped, inside an epoch where a system saves after every step.
STOPPED_AFTER = {
    **{
        "consistent_random": 4,
        "temporal_ensembling": 5,
        "softmatch_unmasked": 5,
        "cmkt_streamed": 4,
        "ssgan": 2,
        "ssbase": 6,
    },
    **{"recognition": 1, "chunks": 2, "chunks_ccc": 2, "encoder": 5, "front_end": 3},
}


def train_a_part(case: Case, folder: Path, checkpoints: int, fabric=None) -> None:
    """A training that ends before its time and leaves a checkpoint."""
    with killed_after(checkpoints):
        train(case, folder, fabric)


def fit_all(data: Any, options: tuple[Path, dict[str, Case]], run: TrainingRun) -> torch.Tensor:
    """All trainings in the processes, which start once, because that is what takes time."""
    folder, cases = options
    found = {name: train(case, folder / name, run.fabric) for name, case in cases.items()}
    for name, checkpoints in STOPPED_AFTER.items():
        found[f"one then two: {name}"] = train(cases[name], folder / "one_then_two" / name, run.fabric)
        train_a_part(cases[name], folder / "two_then_one" / name, checkpoints, run.fabric)
    if run.fabric.is_global_zero:
        torch.save(found, folder / "found.pt")
    return torch.zeros(1)


CMKT = TrainCmktOptions(
    folds={"experiment": "e", "corpora": ["c"]},
    network=TransformerOptions(blocks=1, heads=2, hidden=8, feedforward=16, mlp=8, dropout=0.0),
    optimisation=OptimisationOptions(epochs=3, batch_size=4, learning_rate=0.02, warmup_epochs=1),
    augment=SpecAugmentOptions(band_masks=1, band_share=0.2, time_masks=1),
    threshold=0.35,
    unlabelled_weight=1.0,
)


def cmkt_cases(folder: Path) -> dict[str, Case]:
    """Guesses, draws, two passes and averages of the variants; and a stream. Some batches have a single row."""
    memory, stream = (make_frames(folder, memory_mib) for memory_mib in (1, 0))
    names = ("consistent_random", "weighted_fusion", "pi_model", "temporal_ensembling", "softmatch_unmasked")
    cases = {name: Case(cmkt.fit, memory, CMKT.neural(name)) for name in names}
    return cases | {"cmkt_streamed": Case(cmkt.fit, stream, CMKT.neural("fixmatch"))}


def make_frames(folder: Path, memory_mib: int) -> FrameData:
    """40 utterances of two to six frames x 5: 9 labelled, 21 unlabelled, 4 to validate, 6 to test."""
    random = np.random.default_rng(0)
    y, frames = np.arange(40) % 3, random.integers(2, 7, 40)
    x = random.normal(0, 0.5, (40, 6, 5)).astype(np.float32)
    x[np.arange(40), :, y] += 1.5
    x[np.arange(6) < 6 - frames[:, None]] = 0
    field = pa.field("stft", pa.list_(pa.float32(), 30), metadata={"shape": json.dumps([6, 5])})
    schema = pa.schema([pa.field("utterance_id", pa.string()), pa.field("frames", pa.int32()), field])
    ids = [f"u{number:02d}" for number in range(40)]
    arrays = [ids, pa.array(frames, pa.int32()), pa.FixedSizeListArray.from_arrays(x.ravel(), 30)]
    pq.write_table(pa.table(arrays, schema=schema), folder / "frames.parquet", row_group_size=7)
    roles = np.repeat(["train", "unlabelled", "validation", "test"], [9, 21, 4, 6])
    names = [CLASSES[y[n]] if role != "unlabelled" else None for n, role in enumerate(roles)]
    visual = np.full((40, 3), 0.1, np.float32)
    visual[np.arange(40), random.integers(0, 3, 40)] = 0.8
    table = pa.dataset.dataset(str(folder / "frames.parquet"))
    kept = roles != "unlabelled"
    features = read_frames(table, "stft", ids, kept, visual, memory_mib=memory_mib, block_rows=8)
    return features.of_fold(FoldRows(np.arange(40), roles, names, roles, roles, CLASSES), torch.device("cpu"))[0]


MSSGAN = MssganOptions(
    network=CtGanOptions(noise=4, generator_channels=(4, 2), discriminator_channels=(2, 4), dropout=0.0),
    crop=CropOptions(frames=16, kept_frames=20),
    optimisation=GanOptimisation(epochs=2, batches=3, batch_size=5, learning_rate=0.01, balanced=True),
)


def mssgan_cases() -> dict[str, Case]:
    """Both steps of the GAN, with batch normalisation, and self-training; batches of five."""
    gan = MSSGAN.model_copy(update={"gan": GanOptions()})
    taught = MSSGAN.model_copy(update={"self_training": SelfTrainingOptions(confidence=0.35, epochs=1)})
    data = make_crops()
    return {"ssgan": Case(mssgan.fit, data, gan), "ssbase": Case(mssgan.fit, data, taught)}


def make_crops() -> SampleData:
    """40 utterances of 20 frames in two modalities: 12 labelled, 15 unlabelled, 6 to validate, 7 to test."""
    generator, y = torch.Generator().manual_seed(0), torch.arange(40) % 3
    x = {
        name: torch.randn(40, 20, bands, generator=generator) + F.one_hot(y, bands)[:, None] * 2
        for name, bands in (("fbank", 6), ("dface", 5))
    }
    rows = dict(zip(("train", "unlabelled", "validation", "test"), torch.arange(40).split([12, 15, 6, 7]), strict=True))
    about = {"target": F.one_hot(y, 3).float()}
    return SampleData(x, torch.arange(40), y, rows, CLASSES, about)


def make_samples(column: str, *shape: int) -> SampleData:
    """40 utterances of one to three samples: 20 labelled, 8 to validate, 12 to test; two classes, two dimensions."""
    generator, y = torch.Generator().manual_seed(0), torch.arange(40) % 2
    utterance = torch.repeat_interleave(torch.arange(40), 1 + torch.arange(40) % 3)
    shift = (2 * y[utterance] - 1).view(-1, *[1] * len(shape))
    x = torch.randn(len(utterance), *shape, generator=generator) + shift
    rows = dict(zip(("train", "validation", "test"), torch.arange(40).split([20, 8, 12]), strict=True))
    dimensions = torch.randn(40, 2, generator=generator) + y[:, None]
    return SampleData({column: x}, utterance, y, rows, ("low", "high"), {"dimensions": dimensions})


def avspnet_cases() -> dict[str, Case]:
    """Recognition on embeddings; 39 segments, of which the last batch has one."""
    options = RecognitionOptions(hidden=(4,), optimiser="adam", learning_rate=0.01, epochs=2, batch_size=19, dropout=0)
    fit = partial(avspnet.fit, front_end={"folder": "somewhere", "key": "k"})
    return {"recognition": Case(fit, make_samples("embedding", 6), options)}


def began_cases() -> dict[str, Case]:
    """Classes with class weights, and arousal and valence with both losses, under input noise."""
    options = ClassifierOptions(
        filters=[4], epochs=2, batch_size=7, learning_rate=0.01, dropout=0, output_dropout=0, input_noise=0.1
    )
    cases = {}
    for task, loss in (("emotion", "ccc"), ("dimensions", "ccc"), ("dimensions", "mse")):
        chosen = options.model_copy(update={"dimension_loss": loss})
        fit_options = BeganFitOptions(classifier=chosen, shape=(2, 3, 4), task=task)
        name = "chunks" if task == "emotion" else f"chunks_{loss}"
        cases[name] = Case(began_classifier.fit, make_samples("map", 6, 4), fit_options)
    hidden = options.model_copy(update={"filters": (), "hidden": (5,), "standardise": True})
    fit_options = BeganFitOptions(classifier=hidden, shape=(2, 3, 4))
    cases["chunks_hidden"] = Case(began_classifier.fit, make_samples("map", 6, 4), fit_options)
    return cases


def encoder_case(folder: Path) -> Case:
    """BEGAN on 22 chunks from a shard, in blocks of 12; the last batch has one."""
    random = np.random.default_rng(0)
    slope, level = random.uniform(-0.5, 0.5, (2, 22, 1, 1))
    values = (level + slope * np.linspace(-1, 1, 9)[:, None] + np.zeros((9, 8))).astype(np.float32)
    field = pa.field("chunks", pa.list_(pa.float32(), 72), metadata={"shape": "[9, 8]"})
    ids = [f"u{number:02d}" for number in range(22)]
    columns = [pa.array(ids), pa.FixedSizeListArray.from_arrays(values.ravel(), 72)]
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    pq.write_table(pa.table(columns, schema=schema), folder / "chunks.parquet", row_group_size=4)
    stream = SampleStream(pa.dataset.dataset(str(folder / "chunks.parquet")), ["chunks"], ids, block_rows=12)
    network = BeganNetworkOptions(filters=2, code=2, convolutions=1, smallest=(4, 4))
    options = EncoderOptions(network=network, gamma=1.0, epochs=2, batch_size=7, learning_rate=1e-3, log_every_steps=2)
    return Case(began.fit_part, began.EncoderData(stream, (9, 8)), options)


def front_end_case(folder: Path) -> Case:
    """AV-SpNET with both heads on segments from a shard; the last batch has one."""
    rows = utterances("abc", "bg")
    table, proxies = segment_table(folder, rows), {"arousal": proxy_table(rows, ("low", "high"))}
    how = PretrainingOptions(epochs=2, batch_size=4, held_out_share=0.25, learning_rate=3e-3, block_rows=7)
    background = pretraining.make_background(table, utterance_table(rows), proxies, how, seed=0)
    network = AvspnetNetworkOptions(kernels=4, dense=12, latent=6, proxy_hidden=(8,))
    return Case(fit_front_end, background, pretraining.FrontEndOptions("avspnet_arousal", network, how, initial=None))


def fit_front_end(
    background: pretraining.Background, how: pretraining.FrontEndOptions, run: TrainingRun
) -> torch.Tensor:
    """`pretraining.fit_front_end` with an epsilon that leaves rounding small: the gradient of a bias before batch
    normalisation is 0 but for rounding, and Adam makes steps of the usual size of it."""
    with mock.patch.object(torch.optim, "Adam", partial(torch.optim.Adam, eps=1e-2)):
        return pretraining.fit_front_end(background, how, run)


def batch_norm_cases() -> dict[str, Case]:
    """Batch normalisation by itself, far from mean 0; the last batch has one row."""
    x = torch.randn(10, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 3 + 50
    return {"batch_norm": Case(fit_batch_norm, x, None)}


def fit_batch_norm(data: torch.Tensor, options: None, run: TrainingRun) -> torch.Tensor:
    """Descend what two layers make of batches of three; returns weights and running statistics."""
    run.seed_everything()
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2, eps=0.1, momentum=0.3))
    network, optimiser = run.setup(network, torch.optim.SGD(network.parameters(), 0.1))
    for number, batch in enumerate(data.split(3)):
        loss = (network(run.share(batch)) - 0.5).pow(4).sum() / run.divisor(40 * len(batch))
        optimiser.zero_grad()
        run.fabric.backward(loss)
        optimiser.step()
        run.log(number, loss=float(run.average(loss.detach())))
    run.save_model(network.state_dict(), {})
    return network.eval()(data).detach()
