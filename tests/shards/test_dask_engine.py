import os
import sys
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
from helpers import committed, utterances_of, voice, write_wav
from threadpoolctl import threadpool_info

from semiser.features.fbank import Fbank
from semiser.features.functionals import Is10
from semiser.options.audio_features import FbankOptions, OpenSmileOptions
from semiser.options.engine import EngineOptions
from semiser.options.features import ShardOptions
from semiser.shards.engine import LocalEngine, make_engine
from semiser.shards.extract import extract


def _about_the_worker(task):
    import numpy as np

    np.ones((2, 2)) @ np.ones((2, 2))
    return os.getpid(), [library["num_threads"] for library in threadpool_info()]


def _fail(task):
    raise ValueError(f"task {task}")


def test_every_task_is_answered_by_processes_of_one_thread_each():
    pytest.importorskip("distributed")
    outcomes = dict(make_engine(EngineOptions(kind="dask", workers=2)).map(_about_the_worker, range(5), "threads"))
    assert sorted(outcomes) == [0, 1, 2, 3, 4]
    assert os.getpid() not in {pid for pid, _ in outcomes.values()}
    assert {count for _, counts in outcomes.values() for count in counts} == {1}


def test_an_error_of_the_function_ends_the_map():
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="task 0"):
        list(make_engine(EngineOptions(kind="dask", workers=1)).map(_fail, [0], "processes"))


def test_real_families_give_the_bytes_of_the_local_engine(tmp_path):
    pytest.importorskip("distributed")
    for number in range(5):
        write_wav(tmp_path / "corpus/s" / f"{number}.wav", voice(0.8, seed=number))
    files = {}
    for engine in (LocalEngine(2), make_engine(EngineOptions(kind="dask", workers=2))):
        store = tmp_path / type(engine).__name__
        families, rows = [Is10(OpenSmileOptions()), Fbank(FbankOptions())], utterances_of(tmp_path / "corpus")
        roots, options = {"tiny": str(tmp_path / "corpus")}, ShardOptions(utterances=2)
        for receipt in extract(families, str(store), rows, roots, engine, options).values():
            committed(receipt, store)
        files[store.name] = {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}
    assert len(files["LocalEngine"]) == 2 * (3 + 2)  # three shards, manifest and lock of each family
    assert files["LocalEngine"] == files["DaskEngine"]


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "semiser.shards.dask_engine", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'semiser\[cluster\]'"):
        make_engine(EngineOptions(kind="dask"))


def test_a_cluster_at_an_address_with_tls_is_used(tmp_path):
    pytest.importorskip("cryptography")
    distributed = pytest.importorskip("distributed")
    security = distributed.Security.temporary()  # a certificate that signs itself
    files = {"ca": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, security=security, protocol="tls", dashboard_address="127.0.0.1:0"
    )
    with cluster:
        tls = {name: str(tmp_path / name) for name in files}
        options = EngineOptions(kind="dask", address=cluster.scheduler_address, tls=tls)
        assert sorted(make_engine(options).map(abs, [-1, -2, -3], "processes")) == [(-3, 3), (-2, 2), (-1, 1)]


def test_with_certificates_nothing_is_said_in_the_open(monkeypatch):
    from semiser.shards import dask_engine

    class Asked(Exception):
        pass

    def client(address, security, **_):
        raise Asked(address, security.require_encryption, security.tls_ca_file)

    monkeypatch.setattr(dask_engine, "Client", client)
    tls = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
    engine = make_engine(EngineOptions(kind="dask", address="tls://127.0.0.1:8786", tls=tls))
    with pytest.raises(Asked) as asked:
        list(engine.map(abs, [-1], "processes"))
    assert asked.value.args == ("tls://127.0.0.1:8786", True, "ca.pem")


def test_an_embedded_cluster_listens_on_this_machine_alone_and_has_no_page_unless_asked():
    from semiser.shards.dask_engine import DaskEngine

    with DaskEngine(1)._client() as client:
        addresses = [client.scheduler.address, *client.nthreads()]
        assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)
        assert _pages(client) == set()
    with DaskEngine(1, dashboard=0)._client() as client:
        assert client.cluster.dashboard_link.startswith("http://127.0.0.1:") and "/status" in _pages(client)


def _pages(client):
    """Which of Dask's pages the scheduler answers, on the one address that it listens on."""
    sockets = client.cluster.scheduler.http_server._sockets.values()
    (address,) = {one.getsockname() for one in sockets}
    assert address[0] == "127.0.0.1"
    found = set()
    for page in ("/status", "/info/main/workers.html", "/json/identity.json", "/metrics", "/health"):
        with (
            suppress(urllib.error.HTTPError),
            urllib.request.urlopen(f"http://127.0.0.1:{address[1]}{page}"),
        ):
            found.add(page)
    return found
