"""All audio families in one pass over a folder, against the libraries called family by family and file by file.

    python benchmarks/audio_features.py [--root <folder of audio>] [--files 100] [--rounds 3]

Ours decodes each file once, computes all families and writes their Parquet shards, on one thread. The reference loads
each file for each family, as a script per family does, calls librosa or opensmile, and writes nothing. Both run in turn
on the same files; the ratio is taken round by round and its median reported: above 1 ours is faster. What is imported,
compiled or set up once is left out on both sides.

The last line is what sharing saves: the spectral families together in one pass, against the dearest of them alone and
against each of them alone, from decoding on and without writing, in processor time.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import opensmile
import pyarrow as pa

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.features.chunks import Chunks
from semiser.features.family import Family, Source
from semiser.features.fbank import Fbank
from semiser.features.fft import Fft
from semiser.features.functionals import Is10
from semiser.features.segments import Segments
from semiser.features.stft import Stft
from semiser.features.voice import VoiceFamily
from semiser.media.audio import probe_audio
from semiser.options.audio_features import (
    ChunksOptions,
    FbankOptions,
    FftOptions,
    OpenSmileOptions,
    SegmentsOptions,
    StftOptions,
    VoiceOptions,
)
from semiser.options.features import ShardOptions
from semiser.shards.extract import extract

RATE_HZ = 16_000
SPECTRAL = ("segments", "chunks", "fft", "fbank", "stft")
DEMO = Path(__file__).parents[1] / "data" / "01_raw" / "demo"

FAMILIES: tuple[Family, ...] = (
    Is10(OpenSmileOptions()),
    Segments(SegmentsOptions(pad_short=True)),
    Chunks(ChunksOptions()),
    Fft(FftOptions()),
    Fbank(FbankOptions()),
    Stft(StftOptions()),
    VoiceFamily(VoiceOptions()),
)


class _Inline:
    """An engine that runs one task after the other, right here."""

    def map(self, function, tasks, pool):
        return ((task, function(task)) for task in tasks)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEMO, help="folder of audio files; the demo corpus by default")
    parser.add_argument("--files", type=int, default=100, help="files, evenly drawn from the folder")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    utterances = _draw(arguments.root, arguments.files)
    paths = [arguments.root / path for path in utterances["audio_path"].to_pylist()]
    for warm_up in REFERENCE.values():
        warm_up(paths[0])
    _extract(utterances.slice(0, 1), arguments.root)
    rounds = [(_time(_extract, utterances, arguments.root), _reference(paths)) for _ in range(arguments.rounds)]
    _print(rounds, _by_family(utterances, arguments.root), sum(utterances["duration_s"].to_pylist()), len(paths))
    _print_shared([_shared(utterances, arguments.root) for _ in range(arguments.rounds)])


def _draw(root: Path, count: int) -> pa.Table:
    """An `utterances` table of files evenly drawn from the folder."""
    paths = sorted(path for path in root.rglob("*") if path.suffix in {".wav", ".flac"})
    if not paths:
        raise SystemExit(f"--root: no .wav or .flac file below {root}")
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return pa.Table.from_pylist([_describe(root, paths[number]) for number in chosen], UTTERANCES_SCHEMA)


def _describe(root: Path, path: Path) -> dict:
    info, name = probe_audio(path), path.relative_to(root).as_posix()
    return {"utterance_id": name, "corpus": "folder", "audio_path": name, **info.__dict__}


def _extract(utterances: pa.Table, root: Path) -> None:
    with tempfile.TemporaryDirectory() as store:
        options = ShardOptions(max_quarantined_share=1)
        extract(FAMILIES, store, utterances, {"folder": str(root)}, _Inline(), options)


def _time(function: Callable, *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def _by_family(utterances: pa.Table, root: Path) -> dict[str, float]:
    """Seconds of decoding and of each family, without writing."""
    seconds = dict.fromkeys(["decode", *(family.name for family in FAMILIES)], 0.0)
    for row in utterances.to_pylist():
        source = Source(row, root)
        seconds["decode"] += _time(source.audio, RATE_HZ)
        for family in FAMILIES:
            seconds[family.name] += _time(lambda family=family, source=source: list(family.rows(source)))
    return seconds


def _shared(utterances: pa.Table, root: Path) -> tuple[float, dict[str, float]]:
    """Processor seconds of the spectral families together, and of each alone."""
    spectral = [family for family in FAMILIES if family.name in SPECTRAL]
    rows = utterances.to_pylist()
    return _processor_s(spectral, rows, root), {each.name: _processor_s([each], rows, root) for each in spectral}


def _processor_s(families: list[Family], rows: list[dict], root: Path) -> float:
    start = time.process_time()
    for row in rows:
        source = Source(row, root)
        for family in families:
            list(family.rows(source))
    return time.process_time() - start


def _print_shared(rounds: list[tuple[float, dict[str, float]]]) -> None:
    dearest = statistics.median(together / max(alone.values()) for together, alone in rounds)
    every = statistics.median(together / sum(alone.values()) for together, alone in rounds)
    print(f"{', '.join(SPECTRAL)}: together / the dearest alone = {dearest:.2f}, together / each alone = {every:.2f}")


def _smile(feature_set: opensmile.FeatureSet, level: opensmile.FeatureLevel) -> Callable[[Path], np.ndarray]:
    smile = opensmile.Smile(feature_set, level)
    return lambda path: smile.process_signal(_load(path), RATE_HZ).to_numpy()


def _load(path: Path) -> np.ndarray:
    return librosa.load(path, sr=RATE_HZ)[0]


def _librosa_stft(path: Path, dft_size: int, window_ms: int, step_ms: int = 10) -> np.ndarray:
    return np.abs(
        librosa.stft(
            _load(path), n_fft=dft_size, win_length=RATE_HZ * window_ms // 1000, hop_length=RATE_HZ * step_ms // 1000,
            window="hamming", center=False,
        )
    )  # fmt: skip


def _librosa_segments(path: Path) -> np.ndarray:
    return np.log(np.maximum(_librosa_stft(path, 800, 20)[:200], 1e-5))


def _librosa_chunks(path: Path) -> list[np.ndarray]:
    signal = _load(path)
    signal = np.pad(signal, (0, -len(signal) % RATE_HZ))
    chunks = signal.reshape(-1, RATE_HZ)
    return [librosa.amplitude_to_db(np.abs(librosa.stft(chunk, n_fft=1024, hop_length=512))) for chunk in chunks]


def _librosa_fft(path: Path) -> np.ndarray:
    return np.log(np.maximum(_librosa_stft(path, 512, 25)[:256].reshape(128, 2, -1).mean(axis=1), 1e-5))


def _librosa_fbank(path: Path) -> np.ndarray:
    power = _librosa_stft(path, 1024, 25) ** 2
    return librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=RATE_HZ, n_mels=128))


def _librosa_normalised(path: Path) -> np.ndarray:
    spectra = _librosa_stft(path, 1024, 25)[:512]
    return (spectra - spectra.mean(axis=1, keepdims=True)) / (spectra.std(axis=1, keepdims=True) + 1e-5)


REFERENCE: dict[str, Callable[[Path], object]] = {
    "is10": _smile(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals),
    "segments": _librosa_segments,
    "chunks": _librosa_chunks,
    "fft": _librosa_fft,
    "fbank": _librosa_fbank,
    "stft": _librosa_normalised,
    "voice": _smile(opensmile.FeatureSet.GeMAPSv01b, opensmile.FeatureLevel.LowLevelDescriptors),
}


def _reference(paths: list[Path]) -> dict[str, float]:
    return {name: _time(lambda call=call: [call(path) for path in paths]) for name, call in REFERENCE.items()}


def _print(rounds: list[tuple[float, dict[str, float]]], ours: dict[str, float], audio_s: float, files: int) -> None:
    print(f"{files} files, {audio_s:.0f} s of audio, {len(rounds)} rounds; milliseconds per second of audio")
    print(f"{'':12s}{'libraries':>12s}{'ours':>12s}")
    for name, seconds in ours.items():
        loops = [reference[name] for _, reference in rounds if name in reference]
        theirs = f"{1000 * statistics.median(loops) / audio_s:12.1f}" if loops else f"{'each time':>12s}"
        print(f"{name:12s}{theirs}{1000 * seconds / audio_s:12.1f}")
    together = statistics.median(seconds for seconds, _ in rounds)
    reference = statistics.median(sum(loops.values()) for _, loops in rounds)
    print(f"{'together':12s}{1000 * reference / audio_s:12.1f}{1000 * together / audio_s:12.1f}   ours with Parquet")
    ratio = statistics.median(sum(loops.values()) / seconds for seconds, loops in rounds)
    print(f"ratio, median of rounds {ratio:.2f}")


if __name__ == "__main__":
    main()
