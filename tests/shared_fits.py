"""Small fits of every system by name: what runs on a pretended device, in short numbers, and on a GPU."""

import numpy as np
import shared_batches
import shared_systems
import torch
from shared_systems import Case

from semiser.faces import fit as faces
from semiser.options.face_features import ExpressionTrainingOptions, MobileNetOptions
from semiser.systems.avspnet import recognition as avspnet
from semiser.systems.avspnet.options import AvspnetNetworkOptions, EndToEndOptions, RecognitionOptions
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd import guarded
from semiser.systems.mmmd.options import GuardedOptions, GuardOptions, MixMatchOptions, MmmdOptions, SaeOptions
from semiser.training.run import TrainingRun

STATISTICS = {"mean": np.zeros(1591), "std": np.ones(1591)}
PROVENANCE = {**STATISTICS, "strategy": "global", "map": {"mean": np.zeros(6), "std": np.ones(6)}}
NAMES = [
    *("mmmd_dnn", "mmmd_epoch_wise", "mmmd_streamed", "mmmd_sae", "mmmd_guarded", "mmmd_softmatch"),
    *("consistent_random", "weighted_fusion", "pi_model", "temporal_ensembling", "softmatch_unmasked"),
    "cmkt_streamed",
    *("ssgan", "ssbase", "recognition", "chunks", "chunks_ccc", "chunks_mse", "chunks_hidden", "encoder"),
    *("front_end", "batch_norm", "end_to_end", "expression"),
]


def make_cases(folder) -> dict[str, Case]:
    """All of them, in the order of `NAMES`; some read shards from the folder."""
    data = shared_batches.make_data()
    (folder / "unlabelled").mkdir()
    epoch_wise = shared_batches.VARIANTS["mmmd_epoch_wise"]
    cases = {
        "mmmd_dnn": Case(mmmd.fit, data, shared_batches.VARIANTS["dnn"]),  # what `mlp` of the baselines is, too
        "mmmd_epoch_wise": Case(mmmd.fit, data, epoch_wise),
        "mmmd_streamed": Case(mmmd.fit, shared_batches.streamed(data, folder / "unlabelled"), epoch_wise),
        "mmmd_sae": Case(mmmd.fit, data, MmmdOptions(network=shared_batches.NETWORK, sae=SaeOptions(epochs=1))),
        "mmmd_guarded": Case(guarded.fit, data, several()),
        "mmmd_softmatch": Case(mmmd.fit, data, shared_batches.VARIANTS["softmatch"]),
    }
    return cases | shared_systems.make_cases(folder) | {"end_to_end": end_to_end(), "expression": expression()}


def several() -> GuardedOptions:
    """Networks with and without unlabelled speech, three of each."""
    network = shared_batches.NETWORK.model_copy(update={"epochs": 2})
    mixed = MmmdOptions(network=network, mixmatch=MixMatchOptions(alignment="labelled", guess="joint"))
    supervised = MmmdOptions(network=network)
    return GuardedOptions(supervised=supervised, semi_supervised=mixed, guard=GuardOptions(parts=2))


def end_to_end() -> Case:
    """AV-SpNET's R: encoder and recognition from random weights."""
    how = RecognitionOptions(hidden=(4,), optimiser="adam", learning_rate=0.01, epochs=2, batch_size=19, dropout=0)
    network = AvspnetNetworkOptions(kernels=2, dense=6, latent=4, proxy_hidden=(4,))
    options = EndToEndOptions(network=network, recognition=how, size=(20, 20))
    return Case(avspnet.fit_end_to_end, shared_systems.make_samples("segments", 20, 20), options)


def expression() -> Case:
    """A face network on 24 grey pictures."""
    network = MobileNetOptions(
        input_size=16, channels=1, stem_channels=4, stages=((1, 4, 1, 1),), last_channels=8, divisor=4, dropout=0.1
    )
    options = ExpressionTrainingOptions(
        network=network, classes=("happy", "sad"), epochs=2, batch_size=5, learning_rate=0.01
    )
    pictures = torch.randint(256, (24, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    rows = dict(zip(("train", "validation", "test"), torch.arange(24).split([12, 6, 6]), strict=True))
    return Case(fit_faces, faces.FaceData(pictures.to(torch.uint8), torch.arange(24) % 2, rows), options)


def fit_faces(data: faces.FaceData, options: ExpressionTrainingOptions, run: TrainingRun) -> torch.Tensor:
    """Figures of a network that is fitted."""
    return torch.tensor(list(faces.fit(data, options, run).values()))
