"""A corpus of six small files, a family that hashes them, and traps: what goes wrong when a file is read.

A trap is a file `traps/<name>` below the corpus that says what is to happen at the utterance of that name. Traps are no
part of a key, so the run after a fault has the keys of an undisturbed one.
"""

import hashlib
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from semiser.claim import LOCK
from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.features.family import Family, Source
from semiser.options.engine import EngineOptions
from semiser.options.family import FamilyOptions
from semiser.options.features import ShardOptions
from semiser.shards.engine import make_engine
from semiser.shards.engine_protocol import Engine
from semiser.shards.extract import extract
from semiser.shards.table import ShardedTable

NAMES = "abcdef"
PATIENCE_S = 120  # for events that come at once on an idle machine
_MODIFIED_NS = 1_700_000_000 * 10**9


class Tiny(Family):
    """SHA-256 of a file, as numbers."""

    name = "tiny"
    version = 1

    def fields(self):
        return [pa.field("digest", pa.list_(pa.float32(), 32))]

    def rows(self, source: Source) -> Iterator[Mapping]:
        path = source.root / source.row["audio_path"]
        spring(path)
        yield {"digest": np.frombuffer(hashlib.sha256(path.read_bytes()).digest(), np.uint8)}


class Twin(Tiny):
    """The same, beyond the reach of traps."""

    name = "twin"

    def rows(self, source: Source) -> Iterator[Mapping]:
        yield {"digest": np.full(32, len((source.root / source.row["audio_path"]).read_bytes()))}


def spring(path: Path) -> None:
    """Do what the trap of this file says; nothing where there is none."""
    trap = path.parent / "traps" / path.name
    if not trap.exists():
        return
    match trap.read_text():
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once":
            trap.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        case "hold":  # say so, and go on when told to
            (path.parent / "events").write_text(f"{os.getpid()}\n")
            (path.parent / "go").read_text()
        case "vanish":
            path.unlink()
        case "change":
            path.write_bytes(b"changed")
        case "exhaust memory":
            soft, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, hard))
            try:
                bytearray(2 << 30)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        case "fill disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        case other:
            raise AssertionError(other)


class Corpus:
    """The six files in a folder, with time stamps that never differ."""

    def __init__(self, root: Path):
        self.root = root
        (root / "traps").mkdir(parents=True)
        os.mkfifo(root / "events")
        os.mkfifo(root / "go")
        self._events = os.open(root / "events", os.O_RDWR | os.O_NONBLOCK)
        for name in NAMES:
            self.write(name)

    def write(self, name: str) -> None:
        """Put a file there as it belongs."""
        path = self.root / name
        path.unlink(missing_ok=True)
        path.write_bytes(name.encode() * 100)
        os.utime(path, ns=(_MODIFIED_NS, _MODIFIED_NS))

    def trap(self, name: str, action: str) -> None:
        """Set a trap."""
        (self.root / "traps" / name).write_text(action)

    def untrap(self) -> None:
        """Remove all traps."""
        for trap in (self.root / "traps").iterdir():
            trap.unlink()

    def wait_for_hold(self, process: subprocess.Popen) -> int:
        """Wait until a worker of a run stands at a `hold`; its process id."""
        end = time.monotonic() + PATIENCE_S
        while not select.select([self._events], [], [], 1)[0]:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < end, "no worker came to the trap"
        return int(os.read(self._events, 100).split()[0])

    def go(self) -> None:
        """Let the worker that holds go on."""
        (self.root / "go").write_text("")

    def utterances(self) -> pa.Table:
        """The table `utterances` of an undisturbed ingest."""
        rows = [{"utterance_id": f"c/{name}", "corpus": "c", "audio_path": name, "audio_bytes": 100,
                 "audio_modified_ns": _MODIFIED_NS} for name in NAMES]  # fmt: skip
        return pa.Table.from_pylist(rows, UTTERANCES_SCHEMA)


class Here:
    """An engine without workers, for runs that meet no fault."""

    def map(self, function, tasks, pool):
        """Each task in turn, in this process."""
        return ((task, function(task)) for task in tasks)


def run(corpus: Corpus | Path, store: str | Path, engine: Engine, families=(Tiny,), **options):
    """Extract in shards of three and commit, as the node and its datasets do; tables by name."""
    root = corpus.root if isinstance(corpus, Corpus) else corpus
    options = ShardOptions(**{"utterances": 3, "max_quarantined_share": 0.5, **options})
    made = [family(FamilyOptions()) for family in families]
    tables = {}
    for name, receipt in extract(made, str(store), Corpus.utterances(None), {"c": str(root)}, engine, options).items():
        tables[name] = ShardedTable(f"{store}/{name}.json")
        tables[name].commit(receipt)
    return tables


def main() -> None:
    """`python -c "from faults.tiny import main; main()" <corpus> <store> <engine> [<address>]`: a run to be killed."""
    import logging

    logging.basicConfig(format="%(message)s", level=logging.INFO)
    root, store, kind, *address = sys.argv[1:]
    options = EngineOptions(kind=kind, address=address[0]) if address else EngineOptions(kind=kind, workers=1)
    run(Path(root), store, make_engine(options))


def digests(store: Path) -> dict[str, str]:
    """SHA-256 of every shard and manifest below a store, and of anything else that lies there."""
    files = (path for path in sorted(store.rglob("*")) if path.is_file() and path.name != LOCK)
    return {path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def shards_of(store: Path, place: str = "*") -> list[Path]:
    """Files of the shards at a place, of the family tiny."""
    return sorted(store.glob(f"tiny/*/c/{place}-*.parquet"))


def quarantined(table: ShardedTable) -> list[tuple[str, str]]:
    """Paths that a table could not use, and why."""
    shards = table.manifest()["shards"]
    return [(entry["path"], entry["reason"]) for shard in shards for entry in shard["unusable"]]


def wait_until_gone(pid: int) -> None:
    """Wait until there is no such process, or only its remains that nobody collected."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0] == "Z":
                return
        except OSError:
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"process {pid} is still there")
