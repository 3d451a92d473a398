"""Peak memory of the audio families, all in one pass, as the corpus grows.

    python benchmarks/features_memory.py [--root <folder of wav files>] [--files 100] [--times 10] [--workers 2]

Extracts all audio families that need no file of yours from the files, and from the same list repeated (links, no
copies), each in a process of its own, and prints the largest resident size of the main process and of any worker: the
second line should not exceed the first by more than noise.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

DEMO = Path(__file__).parents[1] / "data/01_raw/demo/acted"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEMO)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        print(json.dumps(extract_all(arguments)))
        return
    for times in (1, arguments.times):
        command = [sys.executable, __file__, "--job", "--root", str(arguments.root), "--files", str(arguments.files)]
        command += ["--times", str(times), "--workers", str(arguments.workers)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        print(
            f"{found['utterances']:6d} utterances: main {found['main_mb']:.0f} MB, worker {found['worker_mb']:.0f} MB"
        )


def extract_all(arguments: argparse.Namespace) -> dict:
    """One extraction in this process; gives the peaks."""
    from semiser.features.registry import AUDIO, make_families
    from semiser.options.families import GIVE
    from semiser.options.features import FeaturesOptions, ShardOptions
    from semiser.shards.engine import LocalEngine
    from semiser.shards.extract import extract

    names = tuple(name for name in AUDIO if name not in GIVE)
    families = make_families(names, FeaturesOptions(extract=names, segments={"pad_short": True}))
    utterances = _utterances(arguments)
    with tempfile.TemporaryDirectory() as store:
        roots = {"corpus": str(arguments.root)}
        extract(families.values(), store, utterances, roots, LocalEngine(arguments.workers), ShardOptions())
    main, worker = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"utterances": utterances.num_rows, "main_mb": main, "worker_mb": worker}


def _utterances(arguments: argparse.Namespace):
    import pyarrow as pa

    from semiser.corpora.utterance import UTTERANCES_SCHEMA

    files = sorted([*arguments.root.rglob("*.wav"), *arguments.root.rglob("*.flac")])[: arguments.files]
    rows = [
        {
            "utterance_id": f"corpus/{time}/{place}",
            "corpus": "corpus",
            "audio_path": str(path.relative_to(arguments.root)),
        }
        for time in range(arguments.times)
        for place, path in enumerate(files)
    ]
    return pa.Table.from_pylist(rows, UTTERANCES_SCHEMA)


if __name__ == "__main__":
    main()
