"""What MMMD's corpus of 7,534,064 utterances would take: core-hours, hours and disk per feature family.

    python benchmarks/millions.py [--root <folder of audio>] [--files 200] [--families is10 segments ...]

Every family alone is extracted from the files on one worker, from decoding to published Parquet shards, and once
more with four times the files; the difference of the two runs leaves out what is set up once. Processor seconds and
bytes per second of audio are scaled to the corpus, with utterances of 3 s. A calculation, not a measurement at that
size: it takes for granted that time is linear and memory flat, which `scaling.py` shows up to a hundredfold CASIA.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[1] / "data/01_raw/demo/acted"
SUFFIXES = (".wav", ".flac")
UTTERANCES, SECONDS = 7_534_064, 3.0
CORES = (2, 64, 1024)


def main() -> None:
    """Measure, scale and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEMO)
    parser.add_argument("--files", type=int, default=200)
    default = ["is10", "segments", "chunks", "fft", "fbank", "stft", "voice"]
    parser.add_argument("--families", nargs="+", default=default)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(extract_family(arguments)))
        return
    print(f"{UTTERANCES:,} utterances of {SECONDS:g} s = {UTTERANCES * SECONDS / 3600:,.0f} h of audio")
    hours = "".join(f"{f'h on {cores}':>12s}" for cores in CORES)
    print(f"{'family':10s} {'ms/s audio':>10s} {'core-hours':>11s} {hours} {'kB/s audio':>11s} {'disk TB':>8s}")
    total = dict.fromkeys(("cpu", "bytes"), 0.0)
    for family in arguments.families:
        small, large = (_measured(family, arguments, files) for files in (arguments.files, 4 * arguments.files))
        audio = large["audio_s"] - small["audio_s"]
        found = {key: (large[key] - small[key]) / audio for key in total}
        _print(family, found)
        total = {key: total[key] + found[key] for key in total}
    _print("all", total)


def _measured(family: str, arguments: argparse.Namespace, files: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--job", family, "--root", str(arguments.root), "--files", str(files)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    return json.loads(printed.splitlines()[-1])


def _print(family: str, found: dict[str, float]) -> None:
    seconds = UTTERANCES * SECONDS
    core_hours = found["cpu"] * seconds / 3600
    hours = "".join(f"{core_hours / cores:12,.1f}" for cores in CORES)
    kilobytes, terabytes = found["bytes"] / 1e3, found["bytes"] * seconds / 1e12
    print(f"{family:10s} {1000 * found['cpu']:10.2f} {core_hours:11,.0f} {hours} {kilobytes:11.1f} {terabytes:8.2f}")


def extract_family(arguments: argparse.Namespace) -> dict[str, Any]:
    """Processor seconds of this process and its worker, bytes of the shards, seconds of audio."""
    import pyarrow as pa

    from semiser.corpora.utterance import UTTERANCES_SCHEMA
    from semiser.features.registry import make_families
    from semiser.media.audio import probe_audio
    from semiser.options.features import FeaturesOptions, ShardOptions
    from semiser.shards.engine import LocalEngine
    from semiser.shards.extract import extract

    found = sorted(path for path in arguments.root.rglob("*") if path.suffix.lower() in SUFFIXES)
    files = [found[number % len(found)] for number in range(arguments.files)]
    rows = [
        {"utterance_id": f"c/{number:06d}", "corpus": "c", "audio_path": str(path.relative_to(arguments.root))}
        for number, path in enumerate(files)
    ]
    family_options = {"pad_short": True} if arguments.job == "segments" else {}
    options = FeaturesOptions(extract=[arguments.job], **{arguments.job: family_options})
    families = make_families((arguments.job,), options).values()
    with tempfile.TemporaryDirectory() as store:
        table = pa.Table.from_pylist(rows, UTTERANCES_SCHEMA)
        extract(families, store, table, {"c": str(arguments.root)}, LocalEngine(1), ShardOptions())
        size = sum(path.stat().st_size for path in Path(store).rglob("*.parquet"))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in used)
    return {"cpu": cpu, "bytes": size, "audio_s": sum(probe_audio(path).duration_s for path in files)}


if __name__ == "__main__":
    main()
