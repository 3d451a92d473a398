"""IS10: the whole node (decode to Parquet) against `opensmile.Smile.process_files`, and its peak memory.

    python benchmarks/is10.py --root <folder of CASIA> [--reader casia] [--workers 2] [--rounds 3] [--times 10]

Both run in turn in processes of their own, each on the same files with the same number of workers; the ratio is taken
round by round and its median reported: above 1 the node is faster. Then the node runs on the file list repeated
`--times` times (links, no copies) to show whether memory grows with the corpus.
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


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    if arguments.job:
        print(json.dumps(_JOBS[arguments.job](arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "utterances.parquet"
        _run("ingest", arguments, table)
        rounds = [
            (_run("node", arguments, table), _run("reference", arguments, table)) for _ in range(arguments.rounds)
        ]
        repeated = _run("node", arguments, table, times=arguments.times)
    _print(rounds, repeated, arguments)


def _print(rounds: list[tuple[dict, dict]], repeated: dict, arguments: argparse.Namespace) -> None:
    rates = [statistics.median(both[place]["per_second"] for both in rounds) for place in (0, 1)]
    ratio = statistics.median(node["per_second"] / reference["per_second"] for node, reference in rounds)
    memory = statistics.median(node["peak_mb"] for node, _ in rounds)
    print(f"files                     {rounds[0][0]['files']}, {arguments.workers} workers, {arguments.rounds} rounds")
    print(f"process_files             {rates[1]:8.1f} utterances per second")
    print(f"is10 node                 {rates[0]:8.1f} utterances per second")
    print(f"ratio, median of rounds   {ratio:8.2f}")
    print(f"peak memory of the node   {memory:8.0f} MB")
    rate = repeated["per_second"]
    print(f"  {arguments.times:3d} times the files      {repeated['peak_mb']:8.0f} MB, {rate:.1f} per second")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder of the corpus")
    parser.add_argument("--reader", default="casia", help="its reader")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--times", type=int, default=10, help="length of the repeated file list")
    parser.add_argument("--job", choices=("ingest", "node", "reference"), help=argparse.SUPPRESS)
    parser.add_argument("--table", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(job: str, arguments: argparse.Namespace, table: Path, times: int = 1) -> dict:
    """Run one job in a fresh process, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--job", job, "--table", str(table), "--times", str(times)]
    command += ["--root", arguments.root, "--reader", arguments.reader, "--workers", str(arguments.workers)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def _ingest(arguments: argparse.Namespace) -> dict:
    import pyarrow.parquet as pq

    from semiser.corpora.ingest import ingest
    from semiser.corpora.options import IngestOptions

    corpora = {"corpus": {"reader": arguments.reader, "root": arguments.root}}
    pq.write_table(ingest(IngestOptions(corpora=corpora)).utterances, arguments.table)
    return {}


def _node(arguments: argparse.Namespace) -> dict:
    from semiser.corpora.options import IngestOptions
    from semiser.options.engine import EngineOptions
    from semiser.options.features import FeaturesOptions
    from semiser.options.places import PlacesOptions
    from semiser.pipelines.features.nodes import extract_audio
    from semiser.shards.table import ShardedTable
    from semiser.shards.utterances import UtteranceFile

    utterances = _repeated(arguments)
    corpora = IngestOptions(corpora={"corpus": {"reader": arguments.reader, "root": arguments.root}})
    with tempfile.TemporaryDirectory() as store:
        start = time.perf_counter()
        options, engine = FeaturesOptions(extract=["is10"]), EngineOptions(workers=arguments.workers)
        file = UtteranceFile.in_memory(utterances)
        *receipts, _ = extract_audio(
            file, corpora, options, engine, PlacesOptions(features=store, models="", reporting="")
        )
        for receipt in receipts:
            ShardedTable(f"{store}/{receipt.facts['family']}.json").commit(receipt)
        return _measured(utterances.num_rows, time.perf_counter() - start)


def _repeated(arguments: argparse.Namespace):
    """The utterances, `--times` times under other ids: the same files, a longer list."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(arguments.table)
    column = table.schema.get_field_index("utterance_id")
    return pa.concat_tables(
        table.set_column(column, "utterance_id", pc.binary_join_element_wise(table["utterance_id"], str(time), "-"))
        for time in range(arguments.times)
    )


def _reference(arguments: argparse.Namespace) -> dict:
    import opensmile
    import pyarrow.parquet as pq

    files = [str(Path(arguments.root) / path) for path in pq.read_table(arguments.table)["audio_path"].to_pylist()]
    start = time.perf_counter()
    smile = opensmile.Smile(
        opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals, num_workers=arguments.workers
    )
    smile.process_files(files)
    return _measured(len(files), time.perf_counter() - start)


def _measured(files: int, seconds: float) -> dict:
    peak_kb = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"files": files, "per_second": files / seconds, "peak_mb": peak_kb / 1024}


_JOBS = {"ingest": _ingest, "node": _node, "reference": _reference}

if __name__ == "__main__":
    main()
