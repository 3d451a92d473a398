import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_server import s3_bucket

from semiser.claim import claimed
from semiser.errors import Unsteady, Unusable
from semiser.publish import TEMPORARY_SUFFIX, publishing
from semiser.shards.store import ShardFolder, digest_of, shard_path
from semiser.shards.table import Receipt, ShardedTable, named_from_elsewhere

SCHEMA = pa.schema([("utterance_id", pa.string()), pa.field("v", pa.list_(pa.float32(), 2), metadata={"names": "ab"})])


@pytest.fixture(scope="module")
def bucket():
    with s3_bucket("store") as url:
        yield url


@pytest.fixture(params=["disk", "memory", "s3"])
def place(request, tmp_path):
    folder = {"disk": lambda: str(tmp_path), "memory": lambda: f"memory://{tmp_path.name}"}
    folder["s3"] = lambda: f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    return folder[request.param]()


@pytest.fixture
def shards(place):
    return ShardFolder(f"{place}/features/f")


@pytest.fixture
def table(place):
    return ShardedTable(f"{place}/primary/mine/f.json")


def _write(shards, place="c/00000", key="k", values=((1.0, 2.0), (3.0, 4.0)), reason=None):
    with shards.shard(place, SCHEMA, {"key": key, "family": "f"}) as writer:
        for number, value in enumerate(values):
            writer.add({"utterance_id": f"c/{number}", "v": np.array(value, np.float64)})
        writer.refuse("c/9", "9.wav", reason or Unusable("too short"))
    return writer.report


def _commit(table, shards, *reports):
    table.commit(Receipt(shards.path, {"family": "f", "version": 1}, list(reports)))


def test_a_shard_comes_back_with_rows_names_and_what_was_unusable(shards, table):
    report = _write(shards)
    assert report == shards.report("c/00000", "k")
    assert (report.path, report.place) == ("c/00000-k.parquet", "c/00000")
    assert report.unusable == [{"utterance_id": "c/9", "path": "9.wav", "reason": "too short"}]
    _commit(table, shards, report)
    found = table.dataset().to_table()
    assert found["v"].to_pylist() == [[1.0, 2.0], [3.0, 4.0]]
    assert found.schema.field("v").metadata == {b"names": b"ab"}


def test_shards_with_other_keys_lie_beside_each_other(shards, table):
    first, second = _write(shards), _write(shards, key="other", values=[(5.0, 6.0)])
    _commit(table, shards, first)
    assert shards.report("c/00000", "k") == first and shards.report("c/00000", "other") == second
    assert shards.report("c/00000", "third") is None and shards.report("c/00001", "k") is None
    assert table.dataset().count_rows() == 2


def test_a_shard_that_is_to_be_tried_again_is_read_by_its_table_and_found_by_no_run(shards, table):
    partial = _write(shards, values=[(1.0, 2.0)], reason=Unsteady("its file stalls"))
    assert shards.report("c/00000", "k") is None
    _commit(table, shards, partial)
    whole = _write(shards)
    assert partial.path != whole.path and shards.report("c/00000", "k") == whole
    assert table.dataset().count_rows() == 1


def test_names_follow_what_they_are_of():
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1}) != digest_of({"a": 2, "b": 2})
    again = {"utterance_id": "c/9", "retry": True}
    names = {shard_path("c/00000", "k", unusable) for unusable in ([], [{"utterance_id": "c/9"}], [again])}
    assert len(names) == 2 and "c/00000-k.parquet" in names


def test_a_truncated_shard_is_not_complete(tmp_path):
    shards = ShardFolder(str(tmp_path))
    path = tmp_path / _write(shards).path
    path.write_bytes(path.read_bytes()[:-20])
    assert shards.report("c/00000", "k") is None


def test_a_shard_of_another_key_under_this_name_is_not_complete(tmp_path):
    shards = ShardFolder(str(tmp_path))
    (tmp_path / _write(shards).path).rename(tmp_path / "c/00000-other.parquet")
    assert shards.report("c/00000", "other") is None


def test_nothing_is_published_when_writing_fails(shards):
    with pytest.raises(ValueError, match="number of values must be 2, not 3"):
        _write(shards, values=[(1.0, 2.0, 3.0)])
    assert shards.report("c/00000", "k") is None


def test_without_the_manifest_there_is_no_table(shards, table):
    report = _write(shards)
    with pytest.raises(FileNotFoundError, match=r"kedro run --pipelines=features"):
        table.dataset()
    _commit(table, shards, report)
    table.withdraw()
    assert table.manifest() is None
    table.withdraw()  # of what is not there


def test_a_table_whose_shards_are_gone_says_so_and_what_to_do(place, shards, table):
    first, second = _write(shards), _write(shards, "c/00001")
    _commit(table, shards, first, second)
    shards._filesystem.rm_file(shards._at(second.path))
    with pytest.raises(FileNotFoundError, match=r"stale: 1 of its 2 shards are gone.*00001-k.*features` makes it anew"):
        table.dataset()


def test_a_table_whose_shard_is_no_parquet_any_more_says_what_to_do(tmp_path):
    shards, table = ShardFolder(str(tmp_path / "f")), ShardedTable(str(tmp_path / "f.json"))
    report = _write(shards)
    _commit(table, shards, report)
    shard = tmp_path / "f" / report.path
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"f.json is damaged: .*00000-k.parquet.*pipelines=features` makes it anew"):
        table.dataset()


def test_a_switched_off_family_is_named(table):
    table.commit(Receipt(None, {"family": "f"}, []))
    with pytest.raises(FileNotFoundError, match=r"switch its family on \(features.f\)"):
        table.dataset()


def test_manifest_and_shards_move_together(tmp_path):
    shards, table = ShardFolder(str(tmp_path / "a/features/f")), ShardedTable(str(tmp_path / "a/primary/f.json"))
    _commit(table, shards, _write(shards))
    assert table.manifest()["folder"] == "../features/f"
    (tmp_path / "a").rename(tmp_path / "b")
    assert ShardedTable(str(tmp_path / "b/primary/f.json")).dataset().count_rows() == 2


def test_leftovers_of_a_killed_run_are_swept(tmp_path):
    leftover = tmp_path / f"00000.parquet.1234{TEMPORARY_SUFFIX}"
    leftover.write_bytes(b"half")
    with claimed([str(tmp_path)]):
        assert not leftover.exists()


def test_the_same_rows_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        shards = ShardFolder(str(tmp_path / name / "f"))
        _commit(ShardedTable(str(tmp_path / name / "f.json")), shards, _write(shards))
    for file in ("f/c/00000-k.parquet", "f.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_plain_pyarrow_reads_provenance_from_the_file_alone(tmp_path):
    report = _write(ShardFolder(str(tmp_path)))
    facts = json.loads(pq.read_metadata(tmp_path / report.path).metadata[b"semiser"])
    assert (facts["key"], facts["family"]) == ("k", "f")


def test_large_rows_are_written_in_several_row_groups(tmp_path):
    schema = pa.schema([("utterance_id", pa.string()), ("v", pa.list_(pa.float32(), 1 << 21))])  # 8 MiB a row
    with ShardFolder(str(tmp_path)).shard("c/0", schema, {"key": "k"}) as writer:
        for number in range(5):
            writer.add({"utterance_id": str(number), "v": np.full(1 << 21, number, np.float32)})
    assert pq.read_metadata(tmp_path / writer.report.path).num_row_groups == 3


def test_publishing_leaves_the_old_file_when_the_block_fails(shards):
    with publishing(shards._filesystem, shards._at("file")) as file:
        file.write(b"old")
    with pytest.raises(RuntimeError), publishing(shards._filesystem, shards._at("file")) as file:
        file.write(b"new")
        raise RuntimeError
    assert shards._filesystem.cat_file(shards._at("file")) == b"old"


def test_shards_on_a_disk_are_named_by_the_tables_on_other_stores_that_are_there(tmp_path):
    shards = ShardFolder(str(tmp_path / "f"))
    reports = [_write(shards, f"c/0000{number}") for number in range(3)]
    for number, report in enumerate(reports):
        _commit(ShardedTable(f"memory://{tmp_path.name}/{number}.json"), shards, report)
    first, *others = sorted((tmp_path / "f").glob("elsewhere-*.json"))
    withdrawn = json.loads(first.read_text())["manifest"]
    ShardedTable(withdrawn).withdraw()
    kept = [report for number, report in enumerate(reports) if not withdrawn.endswith(f"/{number}.json")]
    assert len(others) == 2
    assert set(named_from_elsewhere(tmp_path / "f")) == {tmp_path / "f" / report.path for report in kept}
    address = json.loads(others[0].read_text())["manifest"]
    shards_elsewhere = ShardedTable(address)
    shards_elsewhere._filesystem.pipe_file(shards_elsewhere._manifest, b"[]")
    with pytest.raises(ValueError, match=f"the table {address}, made of shards there, cannot be read"):
        list(named_from_elsewhere(tmp_path / "f"))


@pytest.mark.parametrize(
    "named",
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
def test_a_manifest_that_is_none_or_leaves_the_table_is_no_manifest(tmp_path, named):
    (tmp_path / "t.json").write_text(json.dumps({"family": "f", "folder": "f", "shards": named}))
    table = ShardedTable(str(tmp_path / "t.json"))
    assert table.manifest() is None
    with pytest.raises(FileNotFoundError, match="or a damaged one"):
        table.dataset()


@pytest.mark.parametrize(
    "text", ["[]", "null", '{"key": ["k"]}', '{"key": "k"}', '{"key": "k", "unusable": 3}', "{" * 9]
)
def test_a_footer_that_says_something_else_is_that_of_no_finished_shard(tmp_path, text):
    (tmp_path / "c").mkdir()
    pq.write_table(pa.table({"x": [1]}, metadata={"semiser": text}), tmp_path / "c/00000-k.parquet")
    assert ShardFolder(str(tmp_path)).report("c/00000", "k") is None
