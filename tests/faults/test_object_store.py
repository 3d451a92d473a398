"""The same faults where the store is an object store (a real S3 server on this machine)."""

import hashlib

import pytest
from faults.tiny import Here, run
from fsspec import url_to_fs
from s3_server import s3_bucket

from semiser.shards.engine import LocalEngine
from semiser.shards.table import ShardedTable

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def bucket():
    with s3_bucket("faults") as url:
        yield url


@pytest.fixture
def store(bucket, tmp_path) -> str:
    return f"{bucket}/{tmp_path.name}"


def _digests(store):
    filesystem, root = url_to_fs(store, use_listings_cache=False)
    return {path.removeprefix(f"{root}/"): hashlib.sha256(filesystem.cat_file(path)).hexdigest()
            for path in filesystem.find(root)}  # fmt: skip


def test_an_object_store_gets_the_bytes_of_a_disk(corpus, store, undisturbed):
    run(corpus, store, LocalEngine(1))
    assert _digests(store) == undisturbed


def test_a_killed_run_goes_on_where_it_was(corpus, store, start_run, undisturbed, inject):
    inject("kill -9 of the run, store on S3")
    corpus.trap("f", "hold")
    killed = start_run("local")
    corpus.wait_for_hold(killed)
    killed.kill()
    killed.wait()
    corpus.untrap()
    assert list(_digests(store)) == [name for name in undisturbed if "00000-" in name]
    with pytest.raises(FileNotFoundError, match="no complete table"):
        ShardedTable(f"{store}/tiny.json").dataset()
    run(corpus, store, Here())
    assert _digests(store) == undisturbed


def test_a_write_that_fails_half_way_leaves_no_object(corpus, store, undisturbed, inject):
    inject("quota reached while a shard is written, store on S3 (RLIMIT_FSIZE)")
    corpus.trap("e", "fill disk")
    with pytest.raises(OSError):
        run(corpus, store, LocalEngine(1))
    assert list(_digests(store)) == [name for name in undisturbed if "00000-" in name]
    corpus.untrap()
    run(corpus, store, Here())
    assert _digests(store) == undisturbed


@pytest.mark.parametrize("name", ["00001-", "tiny.json"])
def test_a_damaged_object_is_written_again(corpus, store, undisturbed, inject, name):
    inject(f"object on S3 truncated: {name}")
    table = run(corpus, store, Here())["tiny"]
    (damaged,) = (path for path in undisturbed if name in path)
    filesystem, root = url_to_fs(f"{store}/{damaged}")
    filesystem.pipe_file(root, filesystem.cat_file(root)[:-30])
    run(corpus, store, Here())
    assert _digests(store) == undisturbed
    assert table.dataset().count_rows() == 6
