"""What can go is told and sized; what is named goes, and nothing else."""

import json
import os

import fsspec
import pytest
from experiments.holders import holding

from semiser.experiments.clean import removable, remove
from semiser.experiments.run import ExperimentTaken
from semiser.experiments.tree import Tree
from semiser.shards.store import ShardReport
from semiser.shards.table import Receipt, ShardedTable


@pytest.fixture
def tree(tmp_path):
    """An experiment with a present and a former model, one of two shards in use, and a leftover of yesterday."""
    data = tmp_path / "data"
    for key, size in (("present00000", 10), ("former000000", 30)):
        _write(data / f"06_models/demo/train_x/net/seed-0/fold-01/{key}/model.safetensors", size)
    model = {"variant": "net", "seed": 0, "fold": 1, "folder": "net/seed-0/fold-01/present00000", "key": "k"}
    (data / "06_models/demo/train_x/net.json").write_text(json.dumps([model]))
    for key, size in (("present00000", 1), ("former000000", 3)):
        _write(data / f"06_models/demo/x_sweeps/net/width=4/seed-0/fold-01/{key}/model.safetensors", size)
    swept = {**model, "folder": "net/width=4/seed-0/fold-01/present00000", "variant": "net/width=4"}
    (data / "06_models/demo/x_sweeps/width.json").write_text(json.dumps([swept]))
    _write(data / "06_models/demo/train_y/net/seed-0/fold-01/former000000/model.safetensors", 1)  # did not end yet
    for name in ("00000-a.parquet", "00000-b.parquet"):
        _write(data / "04_feature/is10/0123456789ab/emodb" / name, 50)
    _write(data / "04_feature/fbank/ba9876543210/emodb/00000-c.parquet", 70)
    shards = [{"path": "emodb/00000-a.parquet", "key": "a", "rows": 1}]
    manifest = {"family": "is10", "folder": "../../04_feature/is10/0123456789ab", "shards": shards}
    (data / "03_primary/demo").mkdir(parents=True)
    (data / "03_primary/demo/is10.json").write_text(json.dumps(manifest))
    (data / "03_primary/demo/summary.json").write_text("{}")
    _write(data / "05_model_input/demo/folds.parquet.ab.partial", 5)
    os.utime(data / "05_model_input/demo/folds.parquet.ab.partial", (0, 0))
    _write(data / "05_model_input/demo/now.parquet.ab.partial", 5)
    _write(data / "08_reporting/other/train_x/metrics.json", 7)
    return Tree(data / "08_reporting", data / "06_models", data / "04_feature")


def _write(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def _files(tree):
    return {
        path.relative_to(tree.data).as_posix()
        for path in tree.data.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_everything_that_can_go_is_told_with_its_size(tree):
    found = {part.name: part for part in removable(tree)}
    own = sum(path.stat().st_size for stage in ("03_primary", "05_model_input", "06_models")
              for path in (tree.data / stage).rglob("*") if path.is_file())  # fmt: skip
    assert {name: part.size for name, part in found.items()} == {
        "models:demo/train_x": 30,
        "models:demo/x_sweeps": 3,
        "shards:fbank/ba9876543210": 70,
        "shards:is10/0123456789ab": 50,
        "leftovers": 5,
        "experiment:demo": own,
        "experiment:other": 7,
    }
    assert found["shards:is10/0123456789ab"].what.startswith("1 of 2 shards")
    assert tree.experiments() == ["demo", "other"]


@pytest.mark.parametrize(
    "name, gone",
    [
        ("models:demo/train_x", {"06_models/demo/train_x/net/seed-0/fold-01/former000000/model.safetensors"}),
        ("models:demo/x_sweeps", {"06_models/demo/x_sweeps/net/width=4/seed-0/fold-01/former000000/model.safetensors"}),
        ("shards:fbank/ba9876543210", {"04_feature/fbank/ba9876543210/emodb/00000-c.parquet"}),
        ("shards:is10/0123456789ab", {"04_feature/is10/0123456789ab/emodb/00000-b.parquet"}),
        ("leftovers", {"05_model_input/demo/folds.parquet.ab.partial"}),
        ("experiment:other", {"08_reporting/other/train_x/metrics.json"}),
    ],
)
def test_what_is_named_goes_and_nothing_else(tree, name, gone):
    before = _files(tree)
    assert [part.name for part in remove(tree, [name])] == [name]
    assert before - _files(tree) == gone and not _files(tree) - before
    assert name not in {part.name for part in removable(tree)}


def test_an_experiment_goes_as_a_whole_and_leaves_no_folder(tree):
    remove(tree, ["experiment:demo"])
    assert {path.split("/")[0] for path in _files(tree)} == {"04_feature", "08_reporting"}
    assert tree.experiments() == ["other"]


def test_a_name_that_is_not_shown_removes_nothing(tree):
    before = _files(tree)
    with pytest.raises(ValueError, match="nothing is called experiment:demoo"):
        remove(tree, ["experiment:other", "experiment:demoo"])
    assert _files(tree) == before


@pytest.mark.parametrize("name", ["models:demo/train_x", "experiment:demo", "shards:fbank/ba9876543210", "leftovers"])
def test_nothing_goes_that_a_run_may_be_at_work_on(tree, name):
    before = _files(tree)
    with holding(tree.reporting / "demo"):
        with pytest.raises(ExperimentTaken, match=r"at work on the experiment demo: .* Nothing was removed"):
            remove(tree, ["experiment:other", name])
        assert _files(tree) == before
        remove(tree, ["experiment:other"])
    assert _files(tree) == before - {"08_reporting/other/train_x/metrics.json"}


def _table_in_memory(tree, *shards):
    """A table on a store without a disk, of shards of this disk."""
    table = ShardedTable("memory://clean/03_primary/far/fbank.json")
    reports = [ShardReport(f"emodb/{name}.parquet", "k", 1) for name in shards]
    table.commit(Receipt(f"{tree.features}/fbank/ba9876543210", {"family": "fbank"}, reports))
    return table


def test_shards_that_a_table_on_an_object_store_is_made_of_are_not_offered(tree):
    _write(tree.features / "fbank/ba9876543210/emodb/00001-d.parquet", 30)
    table = _table_in_memory(tree, "00000-c")
    found = {part.name: part for part in removable(tree)}["shards:fbank/ba9876543210"]
    assert [path.name for path in found.paths] == ["00001-d.parquet"] and found.what.startswith("1 of 2 shards")
    table.withdraw()
    assert {part.name: part.size for part in removable(tree)}["shards:fbank/ba9876543210"] == 70 + 30


def test_where_such_a_table_cannot_be_read_nothing_of_its_folder_is_offered(tree, caplog):
    _table_in_memory(tree, "00000-c")
    with fsspec.open("memory://clean/03_primary/far/fbank.json", "wb") as file:
        file.write(b"{")
    assert "shards:fbank/ba9876543210" not in {part.name for part in removable(tree)}
    assert "memory:///clean/03_primary/far/fbank.json, made of shards there, cannot be read" in caplog.text
