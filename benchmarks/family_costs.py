"""What each audio family costs: time, memory and size, each beside decoding alone.

    python benchmarks/family_costs.py [--root <folder of audio>] [--files 50] [--families is10,egemaps,...]
        [--encoder <folder of a speech encoder's checkpoint>]

A family runs alone in a process of its own, on one thread, over the same files; its first file is not counted. Time is
processor time per second of audio, decoding included, and as a ratio against decoding alone; memory is the peak of the
process above that of one which decodes; size is that of the values, before Parquet's compression.
"""

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

RATE_HZ = 16_000
DEMO = Path(__file__).parents[1] / "data" / "01_raw" / "demo"
FAMILIES = (
    *("is10", "egemaps", "compare2016", "emobase", "is10_lld", "egemaps_lld", "compare2016_lld", "emobase_lld"),
    *("segments", "chunks", "fft", "fbank", "stft", "voice"),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEMO, help="folder of audio files; the demo corpus by default")
    parser.add_argument("--files", type=int, default=50, help="files, evenly drawn from the folder")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--encoder", type=Path, help="folder of a speech encoder, measured too")
    arguments = parser.parse_args()
    names = [*arguments.families.split(","), *(["speech_encoder"] if arguments.encoder else [])]
    paths = sorted(path for path in arguments.root.rglob("*") if path.suffix in {".wav", ".flac"})
    if not paths:
        raise SystemExit(f"--root: no .wav or .flac file below {arguments.root}")
    chosen = np.linspace(0, len(paths) - 1, min(arguments.files, len(paths))).round().astype(int)
    files = [paths[number] for number in chosen]
    decoding = _in_a_process(None, files, None)
    print(f"{len(files)} files, {decoding['audio_s']:.0f} s of audio")
    print(
        f"| family | ms per s of audio | x decoding ({decoding['ms']:.2f} ms) | MB above decoding | kB per s of audio |"
    )
    print("|---|---|---|---|---|")
    for name in names:
        found = _in_a_process(name, files, arguments.encoder)
        memory = max(0, found["peak_mb"] - decoding["peak_mb"])
        print(
            f"| `{name}` | {found['ms']:.2f} | {found['ms'] / decoding['ms']:.1f} | {memory:.0f} | {found['kb']:.1f} |"
        )


def _in_a_process(name: str | None, files: list[Path], encoder: Path | None) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, name, files, encoder).result()


def _measure(name: str | None, files: list[Path], encoder: Path | None) -> dict[str, float]:
    """A family's costs over the files; without a name those of decoding."""
    from semiser.features.family import Source
    from semiser.features.registry import make_families
    from semiser.options.features import FeaturesOptions

    given: dict[str, Any] = {"extract": [name] if name else [], "segments": {"pad_short": True}}
    given |= {"speech_encoder": {"checkpoint": encoder}} if encoder else {}
    family = make_families((name,), FeaturesOptions(**given))[name] if name else None
    seconds = audio_s = size = 0.0
    for number, path in enumerate([files[0], *files]):
        row = {"audio_path": path.name, "start_s": None, "end_s": None}
        start = time.process_time()
        source = Source(row, path.parent)
        samples = source.audio(RATE_HZ)
        rows = list(family.rows(source)) if family else []
        if number:
            seconds += time.process_time() - start
            audio_s += len(samples) / RATE_HZ
            size += sum(np.asarray(value).nbytes for made in rows for value in made.values() if value is not None)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": 1000 * seconds / audio_s, "audio_s": audio_s, "kb": size / 1000 / audio_s, "peak_mb": peak_mb}


if __name__ == "__main__":
    main()
