"""Peak memory of reading features for a training and of preparing a fold, as a ratio to the size of the values.

    python benchmarks/training_memory.py [--mb 500] [--rounds 3] [--folder <where to write>]

Shards of random numbers are written as the store writes them: vectors of two families, segments, frames of one size and
of as many as an utterance has, chunks. Each kind is read by a process of its own, as the systems that train on it read
it, and a fold of all its utterances is prepared. Read: what the process grew by at its largest, over the bytes of what
it then holds; 1 would be the values and nothing else. Fold: likewise until the fold is ready, over the same bytes; 2
would be what was read and a scaled copy of it. Seconds are processor time, the least of the rounds.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import torch
from torch import nn

from semiser.data.frames import read_frames
from semiser.data.matrix import read_matrix
from semiser.data.samples import read_samples
from semiser.features.registry import make_families
from semiser.folds.rows import FoldRows
from semiser.options.features import FeaturesOptions
from semiser.options.training import ScalingOptions
from semiser.shards.store import ShardWriter
from semiser.systems.began.classifier import read_maps
from semiser.systems.mssgan.crops import read_crops
from semiser.systems.mssgan.options import CropOptions

SPEAKERS, PER_SHARD = 20, 200
SCALING = ScalingOptions(strategy="speaker")
FAMILIES = {"segments": {"pad_short": True}, "chunks": {}, "stft": {}, "fbank": {}}
Tables = dict[str, pyarrow.dataset.Dataset]


class Whole(nn.Module):
    """In place of BEGAN's encoder: a chunk is its own map."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, bins, frames) -> (B, 1, bins, frames)."""
        return x[:, None]


def _read_vectors(tables: Tables, ids: list[str]) -> Any:
    return read_matrix(tables, ids, SCALING)


def _read_segments(tables: Tables, ids: list[str]) -> Any:
    return read_samples(tables, ids, scaling=SCALING, band_axis=0)


def _read_chunks(tables: Tables, ids: list[str]) -> Any:
    return read_maps(tables["chunks"], ids, Whole(), SCALING)


def _read_frames(tables: Tables, ids: list[str]) -> Any:
    kept, visual = np.ones(len(ids), bool), np.full((len(ids), 2), np.nan, np.float32)
    return read_frames(tables["stft"], "stft", ids, kept, visual, speakers=_speakers(ids).tolist(), memory_mib=2**20)


def _read_crops(tables: Tables, ids: list[str]) -> Any:
    return read_crops(tables, pa.table({"utterance_id": ids}), CropOptions(), SCALING)


# who trains so: columns, floats that one utterance has when it is read, rows of an utterance, how it is read
KINDS: dict[str, tuple[str, tuple[str, ...], int, Callable[[Tables, list[str]], Any]]] = {
    "vectors": ("MMMD, baselines", ("is10", "word2vec"), 1582 + 300, _read_vectors),
    "segments": ("AV-SpNET", ("segments",), 3 * 16000, _read_segments),
    "chunks": ("BEGAN, maps", ("chunks",), 3 * 16416, _read_chunks),
    "frames": ("CMKT", ("stft",), 555 * 512, _read_frames),
    "crops": ("MSSGAN", ("fbank",), 128 * 128, _read_crops),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=float, default=500, help="of the values that are read, each kind")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", help="of temporary files")
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)  # folder and kind, of one process
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(measure(Path(arguments.job[0]), arguments.job[1])))
        return
    print(f"{'kind':9s} {'who':16s} {'MB':>5s} {'read':>5s} {'fold':>5s} {'s read':>7s} {'s fold':>7s} values")
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            _write(Path(folder), kind, arguments.mb)
            rounds = [_in_a_process(folder, kind) for _ in range(arguments.rounds)]
        ratios = [np.median([found[name] for found in rounds]) for name in ("read", "fold")]
        seconds = [min(found[name] for found in rounds) for name in ("read_s", "fold_s")]
        (digest,) = {found["digest"] for found in rounds}
        shown = " ".join([*(f"{ratio:5.2f}" for ratio in ratios), *(f"{spent:7.2f}" for spent in seconds)])
        print(f"{kind:9s} {KINDS[kind][0]:16s} {rounds[0]['mb']:5.0f} {shown} {digest}")


def _in_a_process(folder: str, kind: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--job", folder, kind]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(folder: Path, kind: str) -> dict[str, Any]:
    """What this process grew by behind reading and behind a fold, over the bytes read; seconds; a hash of the fold."""
    torch.set_num_threads(1)
    _, columns, _, read = KINDS[kind]
    tables = {column: pa.dataset.dataset(sorted(map(str, folder.glob(f"{column}-*.parquet")))) for column in columns}
    names = next(iter(tables.values())).to_table(columns=["utterance_id"])["utterance_id"]
    ids = sorted(set(names.to_pylist()))
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    start = time.process_time()
    features = read(tables, ids)
    read_s, read_peak = time.process_time() - start, _peak()
    start = time.process_time()
    data, _ = features.of_fold(_rows(ids), torch.device("cpu"))
    fold_s, fold_peak = time.process_time() - start, _peak()
    held = features.x.values() if isinstance(features.x, dict) else [features.x]
    size = sum(values.nbytes for values in held)
    x = getattr(data, "x", None)
    x = features.x if x is None else x  # CMKT scales what is read, and has no copy for a fold
    digest = hashlib.sha256()
    for values in x.values() if isinstance(x, dict) else [x]:
        digest.update(np.ascontiguousarray(values))
    ratios = {"read": (read_peak - before) / size, "fold": (fold_peak - before) / size}
    return {**ratios, "mb": size / 1e6, "read_s": read_s, "fold_s": fold_s, "digest": digest.hexdigest()[:12]}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _speakers(ids: list[str]) -> np.ndarray:
    return np.array([f"c/{number % SPEAKERS}" for number in range(len(ids))], dtype=object)


def _rows(ids: list[str]) -> FoldRows:
    numbers = np.arange(len(ids))
    roles = np.where(numbers % 5 == 0, "test", np.where(numbers % 5 == 1, "validation", "train"))
    labels = ["ab"[number % 2] for number in numbers]
    return FoldRows(numbers, roles, labels, np.array(["c"] * len(ids)), _speakers(ids), ("a", "b"))


def _write(folder: Path, kind: str, mb: float) -> None:
    """Shards of the kind's columns; three segments or chunks for an utterance."""
    _, columns, floats, _ = KINDS[kind]
    ids = [f"c/{number:07d}" for number in np.random.default_rng(1).permutation(int(mb * 1e6 / 4 / floats))]
    for column in columns:
        rng, fields = np.random.default_rng(0), [pa.field("utterance_id", pa.string()), *_fields(column)]
        for shard, first in enumerate(range(0, len(ids), PER_SHARD)):
            with (folder / f"{column}-{shard:05d}.parquet").open("wb") as file:
                writer = ShardWriter(file, pa.schema(fields), f"c/{shard:05d}", f"{column}{shard}")
                for name in ids[first : first + PER_SHARD]:
                    for row in _values(column, rng):
                        writer.add({"utterance_id": name, **row})
                writer.close({"key": f"{column}{shard}"})


def _fields(column: str) -> list[pa.Field]:
    if column in FAMILIES:
        families = make_families((column,), FeaturesOptions(extract=[column], **{column: FAMILIES[column]}))
        return families[column].fields()
    size = {"is10": 1582, "word2vec": 300}[column]
    names = json.dumps([f"{column}_{number}" for number in range(size)])
    return [pa.field(column, pa.list_(pa.float32(), size), metadata={"names": names})]


def _values(column: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The rows of an utterance."""
    if column in ("segments", "chunks"):
        size = {"segments": 16000, "chunks": 16416}[column]
        return [{column[:-1]: number, column: rng.standard_normal(size, np.float32)} for number in range(3)]
    if column == "stft":
        return [{"frames": 555, column: rng.standard_normal(555 * 512, np.float32)}]
    if column == "fbank":
        frames = int(rng.integers(200, 400))
        return [{"frames": frames, column: rng.standard_normal(frames * 128, np.float32)}]
    return [{column: rng.standard_normal(1582 if column == "is10" else 300, np.float32)}]


if __name__ == "__main__":
    main()
