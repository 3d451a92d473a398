import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import s3_bucket

from semiser.errors import Unusable
from semiser.shards.publish import TEMPORARY_SUFFIX, publishing
from semiser.shards.store import MANIFEST, Receipt, ShardedTable, ShardReport

SCHEMA = pa.schema([("utterance_id", pa.string()), pa.field("v", pa.list_(pa.float32(), 2), metadata={"names": "ab"})])


@pytest.fixture(scope="module")
def bucket():
    with s3_bucket("store") as url:
        yield url


@pytest.fixture(params=["disk", "memory", "s3"])
def table(request, tmp_path):
    folder = {"disk": lambda: tmp_path, "memory": lambda: f"memory://{tmp_path.name}"}
    folder["s3"] = lambda: f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    return ShardedTable(f"{folder[request.param]()}/table")


def _write(table, name="c/00000.parquet", key="k", values=((1.0, 2.0), (3.0, 4.0))):
    with table.shard(name, SCHEMA, {"key": key, "family": "f"}) as writer:
        for number, value in enumerate(values):
            writer.add({"utterance_id": f"c/{number}", "v": np.array(value, np.float64)})
        writer.refuse("c/9", "9.wav", Unusable("too short"))
    return ShardReport(name, key, writer.rows, writer.unusable)


def _commit(table, *shards):
    table.commit(Receipt(table.path, {"family": "f", "version": 1}, list(shards)))


def test_a_shard_comes_back_with_rows_names_and_what_was_unusable(table):
    report = _write(table)
    assert report == table.report("c/00000.parquet", "k")
    assert report.unusable == [{"utterance_id": "c/9", "path": "9.wav", "reason": "too short"}]
    _commit(table, report)
    found = table.dataset().to_table()
    assert found["v"].to_pylist() == [[1.0, 2.0], [3.0, 4.0]]
    assert found.schema.field("v").metadata == {b"names": b"ab"}


def test_a_shard_with_another_key_or_none_at_all_is_not_complete(table):
    _write(table)
    assert table.report("c/00000.parquet", "other") is None
    assert table.report("c/00001.parquet", "k") is None


def test_a_truncated_shard_is_not_complete(tmp_path):
    table = ShardedTable(str(tmp_path))
    _write(table)
    path = tmp_path / "c" / "00000.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert table.report("c/00000.parquet", "k") is None


def test_nothing_is_published_when_writing_fails(table):
    with pytest.raises(ValueError, match="number of values must be 2, not 3"):
        _write(table, values=[(1.0, 2.0, 3.0)])
    assert table.report("c/00000.parquet", "k") is None


def test_without_the_manifest_there_is_no_table(table):
    report = _write(table)
    with pytest.raises(FileNotFoundError, match=r"kedro run --pipelines=features"):
        table.dataset()
    _commit(table, report)
    table.open_for_work()
    assert table.manifest() is None


def test_a_switched_off_family_is_named(table):
    _commit(table)
    with pytest.raises(FileNotFoundError, match=r"switch its family on \(features.f\)"):
        table.dataset()


def test_commit_drops_shards_that_are_no_longer_part_and_leaves_other_corpora(table):
    first, second, other = (_write(table, name) for name in ("c/00000.parquet", "c/00001.parquet", "d/00000.parquet"))
    _commit(table, first, second, other)
    _commit(table, first)
    assert table.report("c/00001.parquet", "k") is None
    assert table.report("d/00000.parquet", "k") == other
    assert table.dataset().count_rows() == 2


def test_leftovers_of_a_killed_run_are_swept(tmp_path):
    table = ShardedTable(str(tmp_path))
    leftover = tmp_path / "c" / f"00000.parquet.1234{TEMPORARY_SUFFIX}"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    table.open_for_work()
    assert not leftover.exists()


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        table = ShardedTable(str(tmp_path / name))
        _commit(table, _write(table))
    for file in ("c/00000.parquet", MANIFEST):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_plain_pyarrow_reads_provenance_from_the_file_alone(tmp_path):
    _write(ShardedTable(str(tmp_path)))
    facts = json.loads(pq.read_metadata(tmp_path / "c" / "00000.parquet").metadata[b"semiser"])
    assert (facts["key"], facts["family"]) == ("k", "f")


def test_large_rows_are_written_in_several_row_groups(tmp_path):
    table = ShardedTable(str(tmp_path))
    schema = pa.schema([("utterance_id", pa.string()), ("v", pa.list_(pa.float32(), 1 << 21))])  # 8 MiB a row
    with table.shard("c/0.parquet", schema, {"key": "k"}) as writer:
        for number in range(5):
            writer.add({"utterance_id": str(number), "v": np.full(1 << 21, number, np.float32)})
    assert pq.read_metadata(tmp_path / "c" / "0.parquet").num_row_groups == 3


def test_publishing_leaves_the_old_file_when_the_block_fails(table):
    with publishing(table._filesystem, table._at("file")) as file:
        file.write(b"old")
    with pytest.raises(RuntimeError), publishing(table._filesystem, table._at("file")) as file:
        file.write(b"new")
        raise RuntimeError
    assert table._filesystem.cat_file(table._at("file")) == b"old"


@pytest.mark.parametrize(
    "shards",
    [
        None,
        {},
        "c/00000.parquet",
        [{"path": "c/00000.parquet"}],
        [{"path": "../c/00000.parquet", "key": "k", "rows": 2, "unusable": []}],
        [{"path": "/c/00000.parquet", "key": "k", "rows": 2, "unusable": []}],
        [{"path": "c/00000.parquet", "key": "k", "rows": "two", "unusable": []}],
    ],
)
def test_a_manifest_that_is_none_or_leaves_the_table_is_no_manifest(tmp_path, shards):
    table = ShardedTable(str(tmp_path / "t"))
    _commit(table, _write(table))
    (tmp_path / "t" / MANIFEST).write_text(json.dumps({"family": "f", "shards": shards}))
    assert table.manifest() is None
    with pytest.raises(FileNotFoundError, match="or a damaged one"):
        table.dataset()


@pytest.mark.parametrize(
    "text", ["[]", "null", '{"key": ["k"]}', '{"key": "k"}', '{"key": "k", "unusable": 3}', "{" * 9]
)
def test_a_footer_that_says_something_else_is_that_of_no_finished_shard(tmp_path, text):
    table = ShardedTable(str(tmp_path))
    (tmp_path / "c").mkdir()
    pq.write_table(pa.table({"x": [1]}, metadata={"semiser": text}), tmp_path / "c" / "00000.parquet")
    assert table.report("c/00000.parquet", "k") is None
