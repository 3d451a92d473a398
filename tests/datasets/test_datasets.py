import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from semiser.datasets.arrow import ArrowDataset, UtteranceFileDataset, table_preview
from semiser.datasets.document import DocumentDataset
from semiser.datasets.sharded import ShardedTableDataset
from semiser.shards.store import ShardFolder
from semiser.shards.table import Receipt

SCHEMA = pa.schema([("utterance_id", pa.string()), ("v", pa.list_(pa.float32(), 100))])


def test_metadata_of_the_schema_survives(tmp_path):
    dataset = ArrowDataset(filepath=str(tmp_path / "new" / "a.parquet"))
    table = pa.table({"a": [1, None], "b": [[1.5], None]}, metadata={"scale": "1 to 5"})
    dataset.save(table)
    loaded = dataset.load()
    assert loaded.equals(table) and loaded.schema.metadata == {b"scale": b"1 to 5"}


def test_a_missing_file_names_the_command_that_makes_it(tmp_path):
    dataset = ArrowDataset(filepath=str(tmp_path / "a.parquet"), made_by="kedro run --pipelines=ingest")
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"`kedro run --pipelines=ingest` makes it"):
        dataset.load()


def test_batches_are_saved_as_they_come_a_row_group_each(tmp_path):
    path = str(tmp_path / "a.parquet")
    table = pa.table({"corpus": ["a", "a", "b"], "utterance_id": ["a/1", "a/2", "b/1"]}, metadata={"scale": "1 to 5"})
    batches = [table.to_batches()[0].slice(0, 2), table.to_batches()[0].slice(2)]
    ArrowDataset(filepath=path).save(pa.RecordBatchReader.from_batches(table.schema, batches))
    assert ArrowDataset(filepath=path).load().equals(table, check_metadata=True)
    file = UtteranceFileDataset(filepath=path).load()
    assert [(corpus, file.count(corpus)) for corpus in file.corpora] == [("a", 2), ("b", 1)]


def test_batches_that_end_in_an_error_leave_no_file(tmp_path):
    def batches():
        yield pa.record_batch({"a": [1]})
        raise ValueError("a reader failed")

    dataset = ArrowDataset(filepath=str(tmp_path / "a.parquet"))
    with pytest.raises(DatasetError, match="a reader failed"):
        dataset.save(pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches()))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_of_utterances_names_the_command_that_makes_it(tmp_path):
    dataset = UtteranceFileDataset(filepath=str(tmp_path / "u.parquet"), made_by="kedro run --pipelines=ingest")
    with pytest.raises(DatasetError, match=r"`kedro run --pipelines=ingest` makes it"):
        dataset.load()


def test_a_flipped_byte_is_noticed(tmp_path):
    path = tmp_path / "u.parquet"
    rows = {"corpus": ["a"] * 200, "utterance_id": [f"a/{number:03d}" for number in range(200)]}
    ArrowDataset(filepath=str(path)).save(pa.table(rows))
    content = path.read_bytes()
    place = pq.read_metadata(path).row_group(0).column(1).dictionary_page_offset + 60
    path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
    with pytest.raises(DatasetError, match=r"u.parquet is damaged .*: `kedro run --pipelines=ingest` makes it anew"):
        ArrowDataset(filepath=str(path), made_by="kedro run --pipelines=ingest").load()
    with pytest.raises(ValueError, match=r"utterances: the table is damaged .*: ingest again"):
        UtteranceFileDataset(filepath=str(path)).load().read()


def test_previews_are_small_and_json_safe():
    batch = pa.record_batch({"v": [list(range(100)), None], "x": [float("nan"), 1 / 3]})
    preview = table_preview(batch)
    json.dumps(preview, allow_nan=False)
    assert preview["columns"] == ["v", "x"]
    assert preview["data"][0] == ("[0, 1, 2, 3, 4, 5, 6, 7, ... 100 values]", "nan")
    assert preview["data"][1] == (None, 0.33333)


def _receipt(folder):
    with ShardFolder(str(folder)).shard("c/00000", SCHEMA, {"key": "k"}) as writer:
        for number in range(9):
            writer.add({"utterance_id": f"c/{number}", "v": np.full(100, number)})
    return Receipt(str(folder), {"family": "f"}, [writer.report])


def test_saving_the_receipt_makes_the_table_until_it_is_withdrawn(tmp_path):
    dataset = ShardedTableDataset(filepath=str(tmp_path / "f.json"))
    receipt = _receipt(tmp_path / "f")
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="kedro run --pipelines=features"):
        dataset.load()
    dataset.save(receipt)
    assert dataset.exists() and dataset.load().count_rows() == 9
    preview = dataset.preview(nrows=2)
    assert [row[0] for row in preview["data"]] == ["c/0", "c/1"]
    dataset.withdraw()
    assert not dataset.exists()


def test_a_table_whose_family_is_off_loads_as_none_and_has_an_empty_preview(tmp_path):
    dataset = ShardedTableDataset(filepath=str(tmp_path / "f.json"))
    with pytest.raises(DatasetError, match="kedro run --pipelines=features"):
        dataset.load()  # never made is not the same as switched off
    dataset.save(Receipt(None, {"family": "f"}, []))
    assert dataset.load() is None
    assert dataset.preview() == {"index": [], "columns": [], "data": []}


def test_a_document_may_be_optional_and_is_published_whole(tmp_path):
    path = tmp_path / "below" / "facts.json"
    optional = DocumentDataset(filepath=str(path), optional=True)
    assert optional.load() is None and not optional.exists()
    with pytest.raises(DatasetError, match=r"facts\.json; `kedro run --pipelines=x` makes it"):
        DocumentDataset(filepath=str(path), made_by="kedro run --pipelines=x").load()
    optional.save({"名": [1, None]})
    assert optional.load() == {"名": [1, None]} and json.loads(optional.preview()) == {"名": [1, None]}
    assert [file.name for file in path.parent.iterdir()] == ["facts.json"]
