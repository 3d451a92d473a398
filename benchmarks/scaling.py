"""Does time grow linearly and memory stay flat? Ingest, features and folds of a corpus at 1, 10 and 100 times its size.

    python benchmarks/scaling.py [--root <folder of audio>] [--times 1 10 100] [--family fbank] [--workers 2]

The file list is repeated by links, not copies: every link is an utterance of its own. Each size runs in a process of
its own: a manifest is ingested (every header is read), the family is extracted to Parquet shards, extraction runs once
more (nothing is left to do), and folds are made. The ratios compare each size with the first: seconds per utterance
should stay near 1, peak memory too, but for what is proportional to the number of utterances by design: the tables of
utterances and folds, some hundred bytes a row.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[1] / "data/01_raw/demo/acted"
SUFFIXES = (".wav", ".flac")
STEPS = ("ingest", "features", "again", "folds")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEMO)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--family", default="fbank")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(run_all(arguments)))
        return
    print(f"{arguments.family}, {arguments.workers} workers, files below {arguments.root.name}")
    first = None
    for times in arguments.times:
        command = [sys.executable, __file__, "--job", str(times), "--root", str(arguments.root.resolve())]
        command += ["--family", arguments.family, "--workers", str(arguments.workers)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(printed.splitlines()[-1])
        first = first or found
        _print(times, found, first)


def _print(times: int, found: dict[str, Any], first: dict[str, Any]) -> None:
    print(f"\n{times} x: {found['utterances']} utterances, {found['table_mb']:.1f} MB of shards")
    for step in STEPS:
        per_utterance = [1000 * facts["seconds"][step] / facts["utterances"] for facts in (found, first)]
        ratio = per_utterance[0] / per_utterance[1]
        print(
            f"  {step:9s} {found['seconds'][step]:8.1f} s  {per_utterance[0]:7.2f} ms each, {ratio:5.2f} of the first"
        )
    for who in ("main_mb", "worker_mb"):
        print(f"  {who:9s} {found[who]:8.0f} MB {found[who] / first[who]:23.2f} of the first")


def run_all(arguments: argparse.Namespace) -> dict[str, Any]:
    """One size in this process."""
    from semiser.corpora.ingest import ingest
    from semiser.features.registry import make_families
    from semiser.options.features import FeaturesOptions, ShardOptions
    from semiser.options.folds import FoldOptions
    from semiser.options.ingest import IngestOptions
    from semiser.shards.engine import LocalEngine
    from semiser.shards.extract import extract
    from semiser.training.folds import make_folds

    seconds = {}

    def timed(step: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[step] = time.perf_counter() - start
        return result

    with tempfile.TemporaryDirectory() as folder:
        links, store = Path(folder, "links"), Path(folder, "store")
        _link(arguments.root, links, arguments.job)
        manifest = {"reader": "manifest", "root": str(links)}
        utterances = timed("ingest", lambda: ingest(IngestOptions(corpora={"linked": manifest}))).utterances
        options = FeaturesOptions(is10=None, **{arguments.family: {}})
        families = make_families((arguments.family,), options).values()
        roots, engine = {"linked": str(links)}, LocalEngine(arguments.workers)
        for step in ("features", "again"):
            timed(step, lambda: extract(families, str(store), utterances, roots, engine, ShardOptions()))
        protocol = {"kind": "k_fold", "k": 5}
        timed(
            "folds", lambda: make_folds(utterances, FoldOptions(experiment="e", corpora=["linked"], protocol=protocol))
        )
        table_mb = sum(path.stat().st_size for path in store.rglob("*.parquet")) / 2**20
    who = {"main_mb": resource.RUSAGE_SELF, "worker_mb": resource.RUSAGE_CHILDREN}
    peaks = {name: resource.getrusage(which).ru_maxrss / 1024 for name, which in who.items()}
    return {"utterances": utterances.num_rows, "seconds": seconds, "table_mb": table_mb, **peaks}


def _link(root: Path, links: Path, times: int) -> None:
    """A manifest over links to every audio file, so many times; ten speakers a copy, two classes."""
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    with open(_made(links) / "utterances.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["audio_path", "speaker_id", "emotion"])
        for time_ in range(times):
            _made(links / str(time_))
            for place, path in enumerate(files):
                name = f"{time_}/{place:05d}{path.suffix}"
                os.symlink(path, links / name)
                rows.writerow([name, f"{time_}-{place % 10}", ("sadness", "anger")[place // 10 % 2]])


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
