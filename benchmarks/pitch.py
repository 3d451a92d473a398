"""Pitch trackers: openSMILE (what the `voice` family uses) against `librosa.pyin`, in speed and agreement.

    python benchmarks/pitch.py --root <folder of audio> [--root <another>] [--files 100]

Both track the same files, evenly drawn from each folder, in one process. Agreement is that of the utterances' medians,
in semitones; an octave error is a difference of more than six. Compiling pyin is not counted.
"""

import argparse
import time
from pathlib import Path

import librosa
import numpy as np

from semiser.features.voice import track_pitch
from semiser.media.audio import decode_audio

RATE_HZ = 16_000


def main() -> None:
    """Measure and print, folder by folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", action="append", required=True, type=Path, help="folder of audio files")
    parser.add_argument("--files", type=int, default=100, help="files per folder")
    arguments = parser.parse_args()
    for root in arguments.root:
        print(root.name)
        _compare(_draw(root, arguments.files))


def _draw(root: Path, count: int) -> list[np.ndarray]:
    paths = sorted(path for path in root.rglob("*") if path.suffix in {".wav", ".flac"})
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)]
    return [decode_audio(path, RATE_HZ) for path in chosen]


def _compare(signals: list[np.ndarray]) -> None:
    seconds = sum(signal.size for signal in signals) / RATE_HZ
    medians = {}
    for name, track in {"openSMILE": track_pitch, "pyin": _pyin}.items():
        track(signals[0], RATE_HZ)  # set up, compile
        start = time.perf_counter()
        tracks = [track(signal, RATE_HZ) for signal in signals]
        cost = (time.perf_counter() - start) / seconds
        medians[name] = np.array([np.median(pitch[pitch > 0]) if (pitch > 0).any() else np.nan for pitch in tracks])
        unvoiced = np.isnan(medians[name]).sum()
        print(f"  {name:10s} {cost * 1000:6.1f} ms per second of audio, {unvoiced} of {len(signals)} files unvoiced")
    apart = np.abs(12 * np.log2(medians["openSMILE"] / medians["pyin"]))
    apart = apart[~np.isnan(apart)]
    print(
        f"  medians apart by {np.median(apart):.2f} semitones (median), within one in {np.mean(apart < 1):.0%}, ",
        end="",
    )
    print(f"an octave error in {np.mean(apart > 6):.0%}")


def _pyin(signal: np.ndarray, rate_hz: int) -> np.ndarray:
    """F0 from 55 to 1000 Hz as openSMILE searches it, frames of 64 ms every 10 ms, 0 where unvoiced."""
    pitch, *_ = librosa.pyin(signal, fmin=55, fmax=1000, sr=rate_hz, frame_length=1024, hop_length=rate_hz // 100)
    return np.nan_to_num(pitch)


if __name__ == "__main__":
    main()
