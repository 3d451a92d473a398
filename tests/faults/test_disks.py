"""A full disk; files that vanish, change or stall; shards and manifests that are damaged; two runs at once."""

import os
import re
import subprocess

import pytest
from faults.tiny import NAMES, PATIENCE_S, Here, digests, quarantined, run, shards_of

from semiser.publish import TEMPORARY_SUFFIX
from semiser.shards.engine import LocalEngine
from semiser.shards.table import ShardedTable

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for one shard."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_run_and_loses_nothing(corpus, small_disk, undisturbed, inject):
    inject("disk full (tmpfs)")
    store = small_disk / "store"
    with pytest.raises(OSError, match=r"No space left on device: it takes more than .* free; make room and run again"):
        run(corpus, store, Here())
    assert list(store.rglob("*.parquet")) == shards_of(store, "00000")
    assert not list(store.rglob(f"*{TEMPORARY_SUFFIX}"))
    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    run(corpus, store, Here())
    assert digests(store) == undisturbed


def test_a_file_that_may_grow_no_further_ends_the_run_and_loses_nothing(corpus, store, undisturbed, inject):
    inject("quota reached while a shard is written (RLIMIT_FSIZE)")
    corpus.trap("e", "fill disk")
    with pytest.raises(OSError, match=r"File too large: it takes more .*; make room and run again.*00001-.*parquet"):
        run(corpus, store, LocalEngine(1))
    assert not list(store.rglob("00001-*"))
    corpus.untrap()
    run(corpus, store, Here())
    assert digests(store) == undisturbed


@pytest.mark.parametrize("action, reason", [("vanish", "gone since"), ("change", "changed since")])
def test_a_file_that_does_not_hold_still_is_tried_again(corpus, store, undisturbed, inject, action, reason):
    inject(f"a file that does this while it is read: {action}")
    corpus.trap("b", action)
    table = run(corpus, store, Here())["tiny"]
    ((path, found),) = quarantined(table)
    assert path == "b" and reason in found
    corpus.untrap()
    corpus.write("b")
    run(corpus, store, Here())
    assert undisturbed.items() <= digests(store).items()  # beside them the shard of the run before
    assert len(shards_of(store)) == 3


def test_a_file_that_stalls_does_not_hang_the_run(corpus, store, undisturbed, inject):
    inject("a file that never delivers (FIFO)")
    (corpus.root / "e").unlink()
    os.mkfifo(corpus.root / "e")
    table = run(corpus, store, LocalEngine(1), timeout_s=1)["tiny"]
    reason = "no result in 1 s (features.shards.timeout_s): its file stalls, or it is long"
    assert quarantined(table) == [("e", reason)]
    corpus.write("e")
    run(corpus, store, Here())
    assert undisturbed.items() <= digests(store).items()


_DAMAGES = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "without its end": lambda data: data[:-1],
    "broken footer": lambda data: data[:-200] + bytes(100) + data[-100:],
    "broken provenance": lambda data: data.replace(b'"unusable": []', b'"unusable": {,'),
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_shard_is_computed_again(corpus, store, undisturbed, inject, damage):
    inject(f"shard damaged: {damage}")
    run(corpus, store, Here())
    (shard,) = shards_of(store, "00001")
    data = shard.read_bytes()
    shard.write_bytes(_DAMAGES[damage](data))
    assert shard.read_bytes() != data
    run(corpus, store, Here())
    assert digests(store) == undisturbed


def test_a_flipped_bit_is_noticed_when_read_and_mended_when_asked_for(corpus, store, undisturbed, inject):
    inject("shard damaged: a bit flipped among the values")
    table = run(corpus, store, Here())["tiny"]
    (shard,) = shards_of(store, "00000")
    data = bytearray(shard.read_bytes())
    data[len(data) // 8] ^= 1
    shard.write_bytes(data)
    with pytest.raises(OSError, match=r"CRC|checksum"):
        table.dataset().to_table()
    run(corpus, store, Here(), verify=True)
    assert digests(store) == undisturbed


@pytest.mark.parametrize("content", [b"", b'{"family": "tiny", "sha', b"[]", b"{}", b"\xff\xfe", bytes(100)])
def test_a_damaged_manifest_counts_as_none_and_is_written_again(corpus, store, undisturbed, inject, content):
    inject(f"manifest damaged: {content[:10]}")
    table = run(corpus, store, Here())["tiny"]
    (store / "tiny.json").write_bytes(content)
    with pytest.raises(FileNotFoundError, match="no complete table"):
        ShardedTable(table.path).dataset()
    run(corpus, store, Here())
    assert digests(store) == undisturbed


@pytest.mark.parametrize("first_one", ["ends", "is killed"])
def test_the_second_of_two_runs_waits_for_the_first(corpus, store, start_run, undisturbed, inject, first_one):
    inject(f"two runs at once; the first {first_one}")
    corpus.trap("f", "hold")
    first = start_run("local")
    corpus.wait_for_hold(first)
    second = start_run("local")
    assert second.stderr.readline().startswith(f"another run is at work on {store}/tiny/")
    corpus.untrap()
    if first_one == "ends":
        corpus.go()
        assert first.wait(PATIENCE_S) == 0
    else:
        first.kill()
    _, log = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0
    assert f"tiny: {2 if first_one == 'ends' else 1} of 2 shards are complete" in log
    assert digests(store) == undisturbed


def test_the_undisturbed_store_holds_two_shards_and_a_manifest(undisturbed):
    names = ["tiny.json", "tiny/c/00000", "tiny/c/00001"]
    assert (
        sorted(re.sub(r"/[0-9a-f]{12}/|-[0-9a-f]{12}\.parquet", "/", name).strip("/") for name in undisturbed) == names
    )
    assert len(set(undisturbed.values())) == len(undisturbed) and len(NAMES) == 6
