"""Room and error of `stored: float16` against float32, on the matrices of `stft` in shards of the store.

    python benchmarks/half_shards.py --root <folder of wav or flac files> [--files 100]

Both shards hold the same utterances and are written in turn in this process. Prints their sizes and the ratio, the time
that writing and reading take and the ratios, and the largest difference of a value that training reads.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import soxr

from semiser.data.samples import matrices
from semiser.features.spectra import as_stored, fit_frames, frame_spectra
from semiser.features.stft import Stft, compute_stft
from semiser.options.audio_features import StftOptions
from semiser.options.family import STORED, Stored
from semiser.shards.store import ShardFolder


def main() -> None:
    """Write and read both, print sizes, times and the difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--files", type=int, default=100)
    arguments = parser.parse_args()
    options = StftOptions()
    bins = options.dft_size // 2 + 1
    files = sorted([*arguments.root.rglob("*.wav"), *arguments.root.rglob("*.flac")])[: arguments.files]
    spectra = [compute_stft(frame_spectra(_load(path), options, bins), options) for path in files]
    with tempfile.TemporaryDirectory() as folder:
        found = {stored: measure(spectra, stored, Path(folder)) for stored in STORED}
    (whole, *times, values), (half, *half_times, half_values) = found["float32"], found["float16"]
    print(f"{len(spectra)} utterances: {whole / 1e6:.1f} MB, {half / 1e6:.1f} MB in float16, ratio {half / whole:.2f}")
    for name, before, after in zip(("write", "read"), times, half_times, strict=True):
        print(f"{name}: {before:.2f} s, {after:.2f} s, ratio {after / before:.2f}")
    print(f"largest difference {np.abs(values - half_values).max():.1e} of values up to {np.abs(values).max():.1f}")


def measure(spectra: list[np.ndarray], stored: Stored, folder: Path) -> tuple[int, float, float, np.ndarray]:
    """Bytes of the shard, seconds of writing and of reading, and what is read, (utterances, 555, 512)."""
    options = StftOptions(stored=stored)
    schema = pa.schema([pa.field("utterance_id", pa.string()), *Stft(options).fields()])
    shards, start = ShardFolder(str(folder / stored)), time.perf_counter()
    with shards.shard("c/00000", schema, {"key": "0" * 64}) as writer:
        for number, values in enumerate(spectra):
            kept = fit_frames(as_stored(values, stored), options.frames)
            writer.add({"utterance_id": str(number), "frames": min(len(values), options.frames), "stft": kept})
    written = time.perf_counter()
    (path,) = (folder / stored).rglob("*.parquet")
    read = np.concatenate([matrices(batch, schema.field("stft")) for batch in pq.read_table(path).to_batches()])
    return path.stat().st_size, written - start, time.perf_counter() - written, read


def _load(path: Path) -> np.ndarray:
    signal, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(signal.mean(1), rate, 16_000)


if __name__ == "__main__":
    main()
