"""Does time grow linearly and memory stay flat? Ingest, features and folds of a corpus at 1, 10 and 100 times its size.

    python benchmarks/scaling.py [--root <folder of audio>] [--times 1 10 100] [--family fbank] [--workers 2]

The file list is repeated by links, not copies: every link is an utterance of its own. A manifest of them is ingested
(every header is read), the family is extracted to Parquet shards, extraction runs once more (nothing is left to do),
and folds are made. Each step of each size runs in a process of its own, with the datasets of the catalog, so that it
has a peak of its own. The ratios compare each size with the first: seconds per utterance should stay near 1, and so
should the peaks, but for folds, which hold columns of all utterances by design.
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

DEMO = Path(__file__).parents[1] / "data/01_raw/demo/acted"
SUFFIXES = (".wav", ".flac")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEMO)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--family", default="fbank")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(_measured(arguments)))
        return
    print(f"{arguments.family}, {arguments.workers} workers, files below {arguments.root.name}")
    first = None
    for times in arguments.times:
        with tempfile.TemporaryDirectory() as folder:
            utterances = _link(arguments.root.resolve(), Path(folder, "links"), times)
            steps = {step: _in_a_process(step, folder, arguments) for step in STEPS}
            table_mb = sum(path.stat().st_size for path in Path(folder, "store").rglob("*.parquet")) / 2**20
        found = {step: {**facts, "ms": 1000 * facts["seconds"] / utterances} for step, facts in steps.items()}
        first = first or found
        print(f"\n{times} x: {utterances} utterances, {table_mb:.1f} MB of shards; ratios to the first in brackets")
        for step in STEPS:
            _print(step, found[step], first[step])


def _in_a_process(step: str, folder: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--folder", folder]
    command += ["--family", arguments.family, "--workers", str(arguments.workers)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def _print(step: str, found: dict[str, float], first: dict[str, float]) -> None:
    shown = [f"{found['seconds']:8.1f} s {found['ms']:7.3f} ms each ({found['ms'] / first['ms']:.2f})"]
    for who in ("main_mb", "worker_mb"):
        if found[who]:
            shown.append(f"{who} {found[who]:5.0f} ({found[who] / first[who]:.2f})")
    print(f"  {step:9s}{', '.join(shown)}")


def _measured(arguments: argparse.Namespace) -> dict[str, float]:
    """Seconds of one step, and the peaks of this process and of its largest worker."""
    work = STEPS[arguments.step](arguments)
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    who = {"main_mb": resource.RUSAGE_SELF, "worker_mb": resource.RUSAGE_CHILDREN}
    peaks = {name: resource.getrusage(which).ru_maxrss / 1024 for name, which in who.items()}
    return {"seconds": seconds, **peaks}


def _ingest(arguments: argparse.Namespace) -> Callable[[], None]:
    from semiser.corpora.ingest import ingest
    from semiser.corpora.options import IngestOptions
    from semiser.datasets.arrow import ArrowDataset

    manifest = {"reader": "manifest", "root": str(arguments.folder / "links")}
    table = ArrowDataset(filepath=str(arguments.folder / "utterances.parquet"))
    return lambda: table.save(ingest(IngestOptions(corpora={"linked": manifest})).utterance_batches())


def _features(arguments: argparse.Namespace) -> Callable[[], None]:
    from semiser.datasets.arrow import UtteranceFileDataset
    from semiser.datasets.sharded import ShardedTableDataset
    from semiser.features.registry import make_families
    from semiser.options.features import FeaturesOptions, ShardOptions
    from semiser.shards.engine import LocalEngine
    from semiser.shards.extract import extract

    families = make_families((arguments.family,), FeaturesOptions(extract=[arguments.family])).values()
    table = UtteranceFileDataset(filepath=str(arguments.folder / "utterances.parquet"))
    roots, store = {"linked": str(arguments.folder / "links")}, str(arguments.folder / "store")
    engine = LocalEngine(arguments.workers)

    def work() -> None:
        receipts = extract(families, store, table.load(), roots, engine, ShardOptions())
        for name, receipt in receipts.items():
            ShardedTableDataset(filepath=f"{store}/{name}.json").save(receipt)

    return work


def _folds(arguments: argparse.Namespace) -> Callable[[], None]:
    from semiser.datasets.arrow import ArrowDataset, UtteranceFileDataset
    from semiser.folds.make import make_folds
    from semiser.folds.options import FoldOptions

    utterances = UtteranceFileDataset(filepath=str(arguments.folder / "utterances.parquet"))
    folds = ArrowDataset(filepath=str(arguments.folder / "folds.parquet"))
    options = FoldOptions(experiment="e", corpora=["linked"], protocol={"kind": "k_fold", "k": 5})
    return lambda: folds.save(make_folds(utterances.load().read(), options))


STEPS = {"ingest": _ingest, "features": _features, "again": _features, "folds": _folds}


def _link(root: Path, links: Path, times: int) -> int:
    """A manifest over links to every audio file, so many times; ten speakers a copy, two classes. Gives its rows."""
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
    return times * len(files)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
