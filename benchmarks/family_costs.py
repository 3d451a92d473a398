"""What each family costs: time, memory and size, each beside decoding alone.

    python benchmarks/family_costs.py [--root <folder of audio>] [--files 50] [--families is10,egemaps,...]
        [--encoder <folder of a speech encoder's checkpoint>] [--options <file>] [--parquet]
    python benchmarks/family_costs.py --root <folder of clips> --families face_track,image_encoder --options <file>

A family runs alone in a process of its own, on one thread, over the same files; its first file is not counted. Time is
processor time per second of audio (of a clip, for families of faces), decoding included, and as a ratio against
decoding alone; memory is the peak of the process above that of one which decodes; size is that of the values, before
Parquet's compression. `--parquet` writes the values, too, as a shard, and prints the processor time of that, which the
memory then has. `--options` is a YAML or JSON file of what families need, as under `features`:
`{image_encoder: {checkpoint: <folder>}, sound_network: {model: <file>}}`; the families that it names are measured, too.
"""

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml

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
    parser.add_argument("--options", type=Path, help="file of options of families, which are measured, too")
    parser.add_argument("--parquet", action="store_true", help="write the values, too")
    arguments = parser.parse_args()
    given: dict[str, Any] = yaml.safe_load(arguments.options.read_text()) if arguments.options else {}
    given |= {"speech_encoder": {"checkpoint": str(arguments.encoder)}} if arguments.encoder else {}
    names = list(dict.fromkeys([*arguments.families.split(","), *given]))
    paths = sorted(path for path in arguments.root.rglob("*") if path.suffix in {".wav", ".flac", ".mp4"})
    if not paths:
        raise SystemExit(f"--root: no .wav, .flac or .mp4 file below {arguments.root}")
    chosen = np.linspace(0, len(paths) - 1, min(arguments.files, len(paths))).round().astype(int)
    files = [paths[number] for number in chosen]
    decoding = _in_a_process(None, files, {}, arguments.parquet)
    print(f"{len(files)} files, {decoding['audio_s']:.0f} s of audio")
    print(
        f"| family | ms per s of audio | x decoding ({decoding['ms']:.2f} ms) | MB above decoding | kB per s of audio "
        "| ms of Parquet per s of audio |"
    )
    print("|---|---|---|---|---|---|")
    for name in names:
        found = _in_a_process(name, files, given, arguments.parquet)
        memory = max(0, found["peak_mb"] - decoding["peak_mb"])
        print(
            f"| `{name}` | {found['ms']:.2f} | {found['ms'] / decoding['ms']:.1f} | {memory:.0f} | {found['kb']:.1f} | "
            f"{found['writing_ms']:.2f} |"
        )


def _in_a_process(name: str | None, files: list[Path], given: dict[str, Any], write: bool) -> dict[str, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure, name, files, given, write).result()


def _measure(name: str | None, files: list[Path], given: dict[str, Any], write: bool) -> dict[str, float]:
    """A family's costs over the files; without a name those of decoding."""
    from semiser.features.family import Source
    from semiser.features.registry import make_families
    from semiser.options.features import FeaturesOptions

    options = {"segments": {"pad_short": True}, **given, "extract": [name] if name else []}
    family = make_families((name,), FeaturesOptions(**options))[name] if name else None
    seconds = audio_s = size = 0.0
    kept: list[Any] = []
    for number, path in enumerate([files[0], *files]):
        row = {"audio_path": path.name, "start_s": None, "end_s": None}
        row |= {"video_path": path.name} if path.suffix == ".mp4" else {}
        start = time.process_time()
        source = Source(row, path.parent)
        samples = source.audio(RATE_HZ)
        rows = list(family.rows(source)) if family else []
        if number:
            seconds += time.process_time() - start
            audio_s += len(samples) / RATE_HZ
            kept += rows if write else []
            size += sum(np.asarray(value).nbytes for made in rows for value in made.values() if value is not None)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"ms": 1000 * seconds / audio_s, "audio_s": audio_s, "kb": size / 1000 / audio_s, "peak_mb": peak_mb}
    if family and kept:
        _writing_s(family, kept[:1])  # what is loaded first
        found["writing_ms"] = 1000 * _writing_s(family, kept) / audio_s
    return {"writing_ms": 0.0} | found


def _writing_s(family: Any, rows: list[Any]) -> float:
    """Processor time of a shard of these rows."""
    from semiser.shards.store import ShardFolder
    from semiser.shards.task import table_schema

    start = time.process_time()
    with (
        tempfile.TemporaryDirectory() as folder,
        ShardFolder(folder).shard("c/00000", table_schema(family), {"key": "0" * 64}) as writer,
    ):
        for row in rows:
            writer.add({"utterance_id": "", **row})
    return time.process_time() - start


if __name__ == "__main__":
    main()
