"""What test processes run: functions that a spawned process can import, on data that several tests share."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import torch
from torch.nn import functional as F

from semiser.data.stream import SampleStream
from semiser.data.streamed import VectorStream
from semiser.data.vectors import FoldData
from semiser.features.opensmile_sets import set_names
from semiser.options.training import TrainingOptions
from semiser.provenance import Provenance
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import ConsistencyOptions, MixMatchOptions, MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

NETWORK = MmdOptions(
    hidden=(8, 4), pooled=32, epochs=2, batch_size=9, learning_rate=0.01, input_noise=0.1, balanced=True
)
VARIANTS = {
    "dnn": MmmdOptions(network=NETWORK.model_copy(update={"grouping": "joint", "local_loss_weight": 0.0})),
    "mmmd_epoch_wise": MmmdOptions(
        network=NETWORK.model_copy(update={"ema_decay": 0.9}),
        mixmatch=MixMatchOptions(unlabelled_weight=1),
        acted="first",
    ),
    "softmatch": MmmdOptions(
        network=NETWORK.model_copy(update={"ema_decay": 0.9}), consistency=ConsistencyOptions(debiased=True)
    ),
}


def make_data() -> FoldData:
    """Three classes in IS10's 1,582 columns, 6 textual values and a one-hot vector; odd numbers of rows in a role."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(67) % 3
    x = torch.randn(67, 1582, generator=generator) + (y[:, None] - 1) * 0.5
    text = torch.randn(67, 6, generator=generator) + (y[:, None] - 1)
    parts = {"train": 17, "unlabelled": 23, "validation": 6, "test": 10, "acted": 11}
    rows = dict(zip(parts, torch.arange(67).split(list(parts.values())), strict=True))
    ranges = {"is10": (0, 1582), "word2vec": (1582, 1588), "accent": (1588, 1591)}
    names = (*set_names("IS10"), *(f"other_{number}" for number in range(9)))
    return FoldData(torch.cat([x, text, F.one_hot(y.roll(1), 3)], 1), y, rows, ("a", "b", "c"), names, ranges)


def streamed(data: FoldData, folder: Path) -> FoldData:
    """The same, but that the unlabelled rows come from a shard, in blocks of 5."""
    x = data.x[data.rows["unlabelled"]]
    field = pa.field("x", pa.list_(pa.float32(), x.shape[1]))
    ids, vectors = (
        [str(number) for number in range(len(x))],
        pa.FixedSizeListArray.from_arrays(x.flatten().numpy(), 1591),
    )
    table = pa.table([pa.array(ids), vectors], schema=pa.schema([("utterance_id", pa.string()), field]))
    pq.write_table(table, folder / "x.parquet", row_group_size=4)
    samples = SampleStream(pa.dataset.dataset(str(folder / "x.parquet")), ["x"], ids, block_rows=5)
    none = torch.zeros(len(x), dtype=torch.long)
    stream = VectorStream(samples, ("x",), none, np.zeros((1, 1591)), np.ones((1, 1591)))
    return replace(data, rows=data.rows | {"unlabelled": torch.arange(0)}, unlabelled=stream)


def make_run(folder: Path, fabric=None) -> TrainingRun:
    """A run on the CPU that saves a checkpoint after every step."""
    run = TrainingRun(folder, 0, TrainingOptions(accelerator="cpu", checkpoint_every_s=0), "key", fabric)
    run.provenance = Provenance({"strategy": "global", "mean": np.zeros(1591), "std": np.ones(1591)})
    return run


def train(data: FoldData, folder: Path, variant: str, fabric=None) -> dict:
    """Probabilities and curves of a training in this process or, with its fabric, in this and others."""
    run = make_run(folder, fabric)
    return {"probabilities": mmmd.fit(data, VARIANTS[variant], run), "curves": run.curves}


class Stopped(Exception):
    """Raised where a training is to end before its time."""


def train_until(steps: int, data: FoldData, folder: Path, variant: str, fabric=None) -> None:
    """Train and stop after some steps, with a checkpoint of the last."""
    save, done = TrainingRun.save_checkpoint, []

    def save_and_stop(run, state, force=False):
        save(run, state, force)
        done.append(state["step"])
        if len(done) == steps:
            raise Stopped

    TrainingRun.save_checkpoint = save_and_stop
    try:
        train(data, folder, variant, fabric)
    except Stopped:
        assert done[-1] > 0, "the stop is to fall inside an epoch"
    finally:
        TrainingRun.save_checkpoint = save


def fit_everything(data: FoldData, options: tuple[Path, FoldData], run: TrainingRun) -> torch.Tensor:
    """All that the tests want of two processes: they start once, because that is what takes time."""
    folder, from_shards = options
    fabric, epoch_wise = run.fabric, "mmmd_epoch_wise"
    found = {variant: train(data, folder / variant, variant, fabric) for variant in VARIANTS}
    train_until(5, data, folder / "two_then_one", epoch_wise, fabric)
    found["one_then_two"] = train(data, folder / "one_then_two", epoch_wise, fabric)
    found["streamed"] = train(from_shards, folder / "streamed", epoch_wise, fabric)
    found["draws"] = draw_alone_and_together(run)
    if fabric.is_global_zero:
        torch.save(found, folder / "found.pt")
    run.log(0, processes=fabric.world_size, rank=fabric.global_rank)
    return found["dnn"]["probabilities"]


def draw_alone_and_together(run: TrainingRun) -> dict:
    """Whether numbers drawn inside and behind `own_draws` differ between the processes, and from time to time."""
    torch.manual_seed(0)
    alone = []
    for _ in range(2):
        with run.own_draws():
            alone.append(torch.rand(4))
    found = {
        name: not torch.equal(run.average(drawn), drawn)
        for name, drawn in (("inside", alone[0]), ("behind", torch.rand(4)))
    }
    return found | {"next time": not torch.equal(*alone)}


def fail_in_the_second(data: FoldData, options: None, run: TrainingRun) -> torch.Tensor:
    """A system that fails in one process while the other waits for it."""
    if run.fabric.global_rank == 1:
        raise ValueError("no luck here")
    run.fabric.barrier()
    return torch.zeros(1)
