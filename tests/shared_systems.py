"""Trainings of all systems but MMMD, tiny and without dropout, that several processes can import and share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import torch

from semiser.options.cmkt import OptimisationOptions, SpecAugmentOptions, TrainCmktOptions, TransformerOptions
from semiser.options.training import TrainingOptions
from semiser.systems import cmkt
from semiser.training.data import FoldRows
from semiser.training.frames import FrameData, read_frames
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
    return cmkt_cases(folder)


def train(case: Case, folder: Path, fabric=None) -> dict[str, Any]:
    """Probabilities and curves of a training in this process or, with its fabric, in this and others."""
    run = make_run(folder, fabric)
    return {"probabilities": case.fit(case.data, case.options, run), "curves": run.curves}


def fit_all(data: Any, options: tuple[Path, dict[str, Case]], run: TrainingRun) -> torch.Tensor:
    """All trainings in the processes, which start once, because that is what takes time."""
    folder, cases = options
    found = {name: train(case, folder / name, run.fabric) for name, case in cases.items()}
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
    names = ("consistent_random", "weighted_fusion", "pi_model", "temporal_ensembling")
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
    return features.of_fold(FoldRows(np.arange(40), roles, names, roles, roles, CLASSES), make_run(folder / "data"))
