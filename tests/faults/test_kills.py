"""kill -9 of the run, of a worker, of the scheduler; memory that runs out; an utterance that kills its worker."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest
from faults.tiny import PATIENCE_S, Here, Tiny, Twin, digests, quarantined, run, shards_of, wait_until_gone

from semiser.options.engine import EngineOptions
from semiser.shards.engine import LocalEngine, make_engine
from semiser.shards.engine_protocol import EngineLost, WorkerLost
from semiser.shards.table import ShardedTable

pytestmark = pytest.mark.faults


class NoEngine:
    """There is to be nothing left to compute."""

    def map(self, function, tasks, pool):
        raise AssertionError(f"computed again: {[str(task) for task in tasks]}")


def test_a_killed_run_goes_on_where_it_was(corpus, store, kind, start_run, undisturbed, inject):
    inject("kill -9 of the run")
    corpus.trap("f", "hold")
    killed = start_run(kind)
    worker = corpus.wait_for_hold(killed)
    killed.kill()
    killed.wait()
    wait_until_gone(worker)
    corpus.untrap()
    (first,) = shards_of(store)
    assert first.name.startswith("00000-")
    kept = first.stat().st_mtime_ns
    with pytest.raises(FileNotFoundError, match="no complete table"):
        ShardedTable(str(store / "tiny.json")).dataset()
    run(corpus, store, Here())
    assert first.stat().st_mtime_ns == kept
    assert digests(store) == undisturbed


def test_a_worker_that_is_killed_once_costs_nothing(corpus, store, engine, undisturbed, inject):
    inject("kill -9 of a worker")
    corpus.trap("e", "die once")
    run(corpus, store, engine)
    assert digests(store) == undisturbed


def test_dask_gives_the_same_bytes(corpus, store, undisturbed):
    pytest.importorskip("distributed")
    run(corpus, store, make_engine(EngineOptions(kind="dask", workers=2)))
    assert digests(store) == undisturbed


def test_an_utterance_that_kills_its_worker_goes_to_quarantine_alone(corpus, store, engine, kind, inject):
    inject("a worker killed at every attempt at one utterance, as the OOM killer or a native crash does")
    corpus.trap("b", "die")
    families = {"local": (Tiny, Twin), "dask": (Tiny,)}[kind]
    tables = run(corpus, store, engine, families, utterances=2)
    ids = {name: table.dataset().to_table()["utterance_id"].to_pylist() for name, table in tables.items()}
    assert ids.pop("tiny") == [f"c/{name}" for name in "acdef"]
    assert all(found == [f"c/{name}" for name in "abcdef"] for found in ids.values())
    ((path, reason),) = quarantined(tables["tiny"])
    assert path == "b" and reason.startswith("its worker died over it again and again")
    assert not any(quarantined(table) for name, table in tables.items() if name != "tiny")
    before = digests(store)
    run(corpus, store, NoEngine(), families, utterances=2)  # the trap is still there: nobody walks into it again
    assert digests(store) == before


class Unlucky:
    """An engine that loses the first tasks whatever they are, as many as it is told."""

    def __init__(self, losses):
        self.losses = losses

    def map(self, function, tasks, pool):
        for task in tasks:
            if function.__name__ == "extract_shard" and self.losses:
                self.losses -= 1
                yield task, WorkerLost("a neighbour took the memory")
            else:
                yield task, function(task)


def test_a_shard_that_dies_by_bad_luck_is_computed_once_more(corpus, store, undisturbed, inject):
    inject("a shard whose worker dies though none of its utterances kills")
    run(corpus, store, Unlucky(1))
    assert digests(store) == undisturbed


def test_a_shard_that_only_dies_as_a_whole_stops_the_run_and_is_named(corpus, store, undisturbed, inject):
    inject("a shard whose worker dies again and again though none of its utterances kills")
    with pytest.raises(WorkerLost, match=r"tiny of shard c/0000[01] .* but over no utterance of it alone"):
        run(corpus, store, Unlucky(4))
    run(corpus, store, Here())
    assert digests(store) == undisturbed


def test_an_utterance_that_memory_does_not_suffice_for_is_tried_again_by_the_next_run(
    corpus, store, undisturbed, inject
):
    inject("memory limit of a worker reached (RLIMIT_AS)")
    corpus.trap("c", "exhaust memory")
    table = run(corpus, store, LocalEngine(1))["tiny"]
    assert "not enough memory" in quarantined(table)[0][1]
    corpus.untrap()
    run(corpus, store, Here())
    assert undisturbed.items() <= digests(store).items()


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and a worker, each a process of its own, and the scheduler's address."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    command += ["--scheduler-file", str(file), "--no-dashboard"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    environment["DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT"] = "1 s"
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)]
    end = time.monotonic() + PATIENCE_S
    while not file.exists():
        assert processes[0].poll() is None and time.monotonic() < end, "the scheduler did not start"
        threading.Event().wait(0.05)
    address = json.loads(file.read_text())["address"]
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    command += ["--local-directory", str(tmp_path / "scratch"), "--no-nanny"]
    processes.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment))
    yield *processes, address
    for process in processes:
        process.kill()
        process.wait()


def test_a_killed_scheduler_ends_the_run_with_the_reason(corpus, store, cluster, start_run, undisturbed, inject):
    inject("kill -9 of the scheduler")
    scheduler, _, address = cluster
    corpus.trap("f", "hold")
    disturbed = start_run("dask", address)
    corpus.wait_for_hold(disturbed)
    scheduler.kill()
    _, errors = disturbed.communicate(timeout=PATIENCE_S)
    assert disturbed.returncode != 0
    assert f"the Dask scheduler at {address} is gone" in errors.splitlines()[-1]
    corpus.untrap()
    assert shards_of(store, "00000")
    run(corpus, store, Here())
    assert digests(store) == undisturbed


def test_a_cluster_without_workers_ends_the_run_with_the_reason(corpus, store, cluster, start_run, undisturbed, inject):
    inject("kill -9 of the last worker of a cluster that starts no other")
    _, worker, address = cluster
    corpus.trap("f", "hold")
    disturbed = start_run("dask", address)
    corpus.wait_for_hold(disturbed)
    worker.kill()
    _, errors = disturbed.communicate(timeout=PATIENCE_S)
    assert disturbed.returncode != 0
    assert "no worker is left to take the rest; what is finished is kept" in errors
    corpus.untrap()
    run(corpus, store, Here())
    assert digests(store) == undisturbed


def test_an_address_where_nobody_answers_is_named(corpus, store, monkeypatch):
    pytest.importorskip("distributed")
    from semiser.shards import dask_engine

    monkeypatch.setattr(dask_engine, "_CONNECT_S", 1)
    with pytest.raises(EngineLost, match=r"no Dask scheduler answers at engine.address tcp://127.0.0.1:9"):
        run(corpus, store, dask_engine.DaskEngine(1, "tcp://127.0.0.1:9"))
