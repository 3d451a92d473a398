"""MMMD's unlabelled utterances streamed from Parquet shards, against the same in memory: memory and steps per second.

    python benchmarks/mmmd_stream.py [--rows 2000] [--times 10] [--block 1024] [--steps 20] [--device cpu]

Shards of IS10 (1,582), text (4,200), topic and accent are made of random numbers in a temporary folder. Peak memory
(RSS) is that of a process of its own for each of four cases: `rows` and `times` as many unlabelled utterances, streamed
and in memory, each with one pass through all batches. Speed is that of the mixed steps of mmmd_epoch_wise at batch 256
with the larger number, streamed and in memory in turn, in this process, and that of reading alone.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch

from semiser.data.streamed import read_vectors
from semiser.data.vectors import FoldData
from semiser.features.opensmile_sets import set_names
from semiser.folds.rows import FoldRows
from semiser.options.modalities import ATTRIBUTES
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.shards.store import ShardWriter
from semiser.systems.mmmd import fit as mmmd
from semiser.systems.mmmd.options import MixMatchOptions, MmdOptions, MmmdOptions
from semiser.training.run import TrainingRun

SIZES = {"is10": 1582, "word2vec": 4200, "query_topic": 7, "accent": 34}
LABELLED, PER_SHARD, BATCH = 600, 500, 256
OPTIONS = MmmdOptions(network=MmdOptions(batch_size=BATCH), mixmatch=MixMatchOptions())


def main() -> None:
    """Print memory and speed with their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--block", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)  # folder, rows, MB, block: of one process
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.case:
        folder, rows, limit_mb, block = arguments.case
        print(json.dumps(_peak_mb(Path(folder), int(rows), float(limit_mb), int(block))))
        return
    with tempfile.TemporaryDirectory() as folder:
        sizes = (arguments.rows, arguments.rows * arguments.times)
        _write_shards(Path(folder), sizes[1])
        for name, limit_mb in (("streamed", 0.0), ("in memory", 1e9)):
            few, many = (_in_a_process(folder, rows, limit_mb, arguments.block) for rows in sizes)
            print(f"{name}: peak {few:.0f} MB with {sizes[0]} rows, {many:.0f} MB with {sizes[1]}: {many / few:.2f}")
        _compare_speed(Path(folder), sizes[1], arguments)


def _write_shards(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    for column, size in SIZES.items():
        names = set_names("IS10") if column == "is10" else [f"{column}_{number}" for number in range(size)]
        field = pa.field(column, pa.list_(pa.float32(), size), metadata={"names": json.dumps(names)})
        schema = pa.schema([pa.field("utterance_id", pa.string()), field])
        ids = _ids(rows)
        for number, first in enumerate(range(0, len(ids), PER_SHARD)):
            with (folder / f"{column}-{number:05d}.parquet").open("wb") as file:
                writer = ShardWriter(file, schema, f"c/{number:05d}", f"{column}{number}")
                for name in ids[first : first + PER_SHARD]:
                    vector = np.eye(size)[rng.integers(size)] if column in ATTRIBUTES else rng.standard_normal(size)
                    writer.add({"utterance_id": name, column: vector.astype(np.float32)})
                writer.close({"key": f"{column}{number}"})


def _ids(rows: int) -> list[str]:
    return [f"c/{number:07d}" for number in range(LABELLED)] + [f"w/{number:07d}" for number in range(rows)]


def _data(folder: Path, rows: int, limit_mb: float, block: int, device: str = "cpu") -> tuple[FoldData, TrainingRun]:
    ids = _ids(rows)
    roles = ["train"] * (LABELLED - 100) + ["test"] * 100 + ["unlabelled"] * rows
    labels = ["abcdef"[number % 6] if role != "unlabelled" else None for number, role in enumerate(roles)]
    columns = {"fold": [0] * len(ids), "utterance_id": ids, "role": roles, "label": labels}
    folds = pa.table(columns, metadata={"protocol": json.dumps({"classes": list("abcdef")})})
    corpora = np.array([name[0] for name in ids], dtype=object)
    paths = {column: sorted(map(str, folder.glob(f"{column}-*.parquet"))) for column in SIZES}
    tables = {column: pa.dataset.dataset(paths[column]) for column in SIZES}
    features = read_vectors(tables, ids, folds, ScalingOptions(unlabelled="shift"), ATTRIBUTES, limit_mb, block)
    run = TrainingRun(folder / "run", 0, TrainingOptions(accelerator="cpu" if device == "cpu" else "cuda"), "")
    rows = FoldRows(np.arange(len(ids)), np.array(roles), labels, corpora, corpora, tuple("abcdef"))
    data, run.provenance = features.of_fold(rows, run.fabric.device)
    return data, run


def _in_a_process(folder: str, rows: int, limit_mb: float, block: int) -> float:
    command = [sys.executable, __file__, "--case", folder, str(rows), str(limit_mb), str(block)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _peak_mb(folder: Path, rows: int, limit_mb: float, block: int) -> float:
    """Peak memory of reading and of a pass through all batches."""
    data, _ = _data(folder, rows, limit_mb, block)
    batches = _batches(data)
    for _ in range(rows // BATCH):
        next(batches)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _batches(data: FoldData) -> Iterator[torch.Tensor]:
    """Unlabelled batches without end, from the stream or from memory."""
    if data.unlabelled:
        yield from data.unlabelled.batches(BATCH, seed=0, epoch=0)
    while True:
        rows = data.rows["unlabelled"]
        for batch in rows[torch.randperm(len(rows)).to(rows.device)].split(BATCH):
            yield data.x[batch]


def _compare_speed(folder: Path, rows: int, arguments: argparse.Namespace) -> None:
    data, _ = _data(folder, rows, 0.0, arguments.block, arguments.device)
    batches, started = _batches(data), time.perf_counter()
    for _ in range(rows // BATCH):
        next(batches)
    print(f"reading alone: {rows / (time.perf_counter() - started):.0f} rows/s")
    limits = {"streamed": 0.0, "memory": 1e9}
    trainings = {name: _training(folder, rows, limit_mb, arguments) for name, limit_mb in limits.items()}
    times: dict[str, list[float]] = {name: [] for name in trainings}
    for _ in range(arguments.steps + 2):
        for name, step in trainings.items():
            started = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - started)
    # totals, not medians: a block that is waited for now and then is what would stall
    totals = {name: sum(values[2:]) for name, values in times.items()}
    for name, total in totals.items():
        longest = max(times[name][2:]) / statistics.median(times[name][2:])
        print(f"{name}: {arguments.steps / total:.2f} steps/s, the longest step {longest:.2f} of the median")
    print(f"steps/s streamed / in memory = {totals['memory'] / totals['streamed']:.3f}")


def _training(folder: Path, rows: int, limit_mb: float, arguments: argparse.Namespace) -> Callable[[], None]:
    """A function that takes one mixed step."""
    data, run = _data(folder, rows, limit_mb, arguments.block, arguments.device)
    network = mmmd.make_network(data, OPTIONS.network, seed=0).to(data.x.device)
    optimiser = mmmd.make_optimiser(network, OPTIONS.network)
    context = mmmd.make_context(data, OPTIONS, run, {"guessed": mmmd.label_shares(data, OPTIONS)})
    train, none, batches = data.rows["train"], data.rows["train"][:0], _batches(data)

    def step() -> None:
        labelled = train[torch.randint(len(train), (BATCH,)).to(train.device)]
        batch = next(batches)
        losses = mmmd.mixed_losses(network, context, mmmd.Step("mixed", labelled, none, len(batch)), batch)
        optimiser.zero_grad()
        (losses["loss"] + 0.01 * losses["unlabelled_loss"]).backward()
        optimiser.step()
        if arguments.device != "cpu":
            torch.cuda.synchronize()

    return step


if __name__ == "__main__":
    main()
