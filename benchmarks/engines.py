"""Engines of the shard map side by side: IS10 in threads, in processes and on a Dask cluster of this machine.

    python benchmarks/engines.py --root <folder of CASIA> [--reader casia] [--files 160] [--workers 2] [--rounds 3]

Every engine does the same work (decode to Parquet, shards of 20) in a process of its own; engines take turns within a
round. Rates are medians of the rounds, ratios are taken round by round against threads. `start` is what an engine takes
for one task that does nothing, start and end included; `files/s` includes it, `net` is the rate without it. `CPU s`
is the work of all processes together, both starts included: it says what an engine costs where the machine is not idle
and rates are worth little. Memory is that of the main process and of its largest worker, as the system counts them.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENGINES = ("threads", "processes", "dask")
_KEYS = ("start_s", "per_second", "net_per_second", "cpu_s", "main_mb", "worker_mb")


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    if arguments.job:
        print(json.dumps(_ingest(arguments) if arguments.job == "ingest" else _extract(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "utterances.parquet"
        files = _run("ingest", arguments, table)["files"]
        rounds = [{name: _run(name, arguments, table) for name in ENGINES} for _ in range(arguments.rounds)]
    digests = {result["digest"] for results in rounds for result in results.values()}
    print(f"{files} files, {arguments.workers} workers, {arguments.rounds} rounds, machine load as it was")
    print("engine      start s  files/s  ratio      net  ratio    CPU s  ratio  main MB  worker MB")
    for name in ENGINES:
        start, rate, net, cpu, peak, worker = (
            statistics.median(results[name][key] for results in rounds) for key in _KEYS
        )
        ratios = [
            statistics.median(results[name][key] / results["threads"][key] for results in rounds) for key in _KEYS[1:4]
        ]
        speed = f"{rate:8.1f} {ratios[0]:6.2f} {net:8.1f} {ratios[1]:6.2f}"
        print(f"{name:10} {start:8.2f} {speed} {cpu:8.1f} {ratios[2]:6.2f} {peak:8.0f} {worker:10.0f}")
    print(f"bytes of shards and manifest: {'the same everywhere' if len(digests) == 1 else 'THEY DIFFER'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder of the corpus")
    parser.add_argument("--reader", default="casia", help="its reader")
    parser.add_argument("--files", type=int, default=160)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--job", choices=("ingest", *ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--table", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(job: str, arguments: argparse.Namespace, table: Path) -> dict:
    """Run one job in a fresh process, so that start-up and memory are its own."""
    command = [sys.executable, __file__, "--job", job, "--table", str(table), "--root", arguments.root]
    command += ["--reader", arguments.reader, "--files", str(arguments.files), "--workers", str(arguments.workers)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def _ingest(arguments: argparse.Namespace) -> dict:
    import pyarrow.parquet as pq

    from semiser.corpora.ingest import ingest
    from semiser.corpora.options import IngestOptions

    corpora = {"corpus": {"reader": arguments.reader, "root": arguments.root}}
    utterances = ingest(IngestOptions(corpora=corpora)).utterances.slice(0, arguments.files)
    pq.write_table(utterances, arguments.table)
    return {"files": utterances.num_rows}


def _extract(arguments: argparse.Namespace) -> dict:
    import hashlib

    import pyarrow.parquet as pq

    from semiser.features.functionals import Is10
    from semiser.options.audio_features import OpenSmileOptions
    from semiser.options.engine import EngineOptions
    from semiser.options.features import ShardOptions
    from semiser.shards.engine import make_engine
    from semiser.shards.extract import extract
    from semiser.shards.table import ShardedTable

    kind = "dask" if arguments.job == "dask" else "local"
    Is10.pool = "threads" if arguments.job == "threads" else "processes"
    begin = time.perf_counter()
    engine = make_engine(EngineOptions(kind=kind, workers=arguments.workers))
    list(engine.map(abs, [1], Is10.pool))
    start_s = time.perf_counter() - begin
    utterances, roots = pq.read_table(arguments.table), {"corpus": arguments.root}
    with tempfile.TemporaryDirectory() as store:
        begin = time.perf_counter()
        families, options = [Is10(OpenSmileOptions())], ShardOptions(utterances=20)
        receipt = extract(families, store, utterances, roots, engine, options)["is10"]
        ShardedTable(f"{store}/is10.json").commit(receipt)
        seconds = time.perf_counter() - begin
        digest = hashlib.sha256()
        for path in sorted(Path(store).rglob("*")):
            digest.update(path.read_bytes() if path.is_file() else b"")
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "start_s": start_s,
        "per_second": utterances.num_rows / seconds,
        "net_per_second": utterances.num_rows / max(seconds - start_s, 1e-3),
        "cpu_s": sum(one.ru_utime + one.ru_stime for one in usage),
        "main_mb": usage[0].ru_maxrss / 1024,
        "worker_mb": usage[1].ru_maxrss / 1024,
        "digest": digest.hexdigest(),
    }


if __name__ == "__main__":
    main()
