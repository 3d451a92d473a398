import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.shards.utterances import UtteranceFile


def _rows(corpus, names, **columns):
    return pa.Table.from_pylist(
        [{"utterance_id": f"{corpus}/{name}", "corpus": corpus, "audio_path": name, **columns} for name in names],
        UTTERANCES_SCHEMA,
    )


def _file(*groups):
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, UTTERANCES_SCHEMA) as writer:
        for group in groups:
            writer.write_table(group)
    return UtteranceFile(pa.BufferReader(sink.getvalue()))


def _ids(shards):
    return ["".join(name.rsplit("/", 1)[1] for name in shard["utterance_id"].to_pylist()) for shard in shards]


def test_shards_are_cut_across_row_groups_and_the_last_is_shorter():
    file = _file(_rows("b", "abc"), _rows("b", "d"), _rows("a", "x"), _rows("b", "efgh"))
    assert file.corpora == ["a", "b"]
    assert (file.count("a"), file.count("b")) == (1, 8)
    assert _ids(file.shards("b", 3)) == ["abc", "def", "gh"]
    assert _ids(file.shards("b", 2)) == ["ab", "cd", "ef", "gh"]
    assert _ids(file.shards("a", 100)) == ["x"]


def test_a_table_in_memory_is_put_in_order():
    table = pa.concat_tables([_rows("b", "ca"), _rows("a", "zé~"), _rows("b", "b")])
    file = UtteranceFile.in_memory(table)
    assert _ids(file.shards("b", 2)) == ["ab", "c"]
    assert _ids(file.shards("a", 9)) == ["z~é"]  # UTF-8 bytes decide
    assert file.read(["audio_path"])["audio_path"].to_pylist() == ["z", "~", "é", "a", "b", "c"]


def test_a_column_lacks_where_all_its_rows_are_null():
    file = _file(_rows("a", "xy"), _rows("a", "z", video_path="z.mp4"), _rows("b", "x"))
    assert not file.lacks("a", "video_path")
    assert file.lacks("b", "video_path")
    assert not file.lacks("b", "audio_path")


def test_what_is_read_whole_is_the_table_and_a_column_of_nothing_is_the_same_nulls_in_every_group():
    groups = [_rows("a", "xy"), _rows("a", "z", video_path="z.mp4", emotion_votes=[None, "joy"]), _rows("b", "uv")]
    whole = _file(*groups).read()
    assert whole.equals(pa.concat_tables(groups)) and whole.schema == UTTERANCES_SCHEMA
    first, _, last = whole["transcript"].chunks
    assert first.buffers()[1].address == last.buffers()[1].address
    two = _file(*groups).read(["video_path", "corpus"])
    assert two.to_pydict() == {"video_path": [None, None, "z.mp4", None, None], "corpus": list("aaabb")}


def test_no_utterances_have_no_corpora():
    assert _file().corpora == [] and UtteranceFile.in_memory(_rows("a", "")).corpora == []


def test_what_is_not_in_order_is_refused():
    with pytest.raises(ValueError, match="rows of a and b in one row group: ingest again"):
        _file(pa.concat_tables([_rows("a", "x"), _rows("b", "x")]))
    with pytest.raises(ValueError, match="not in order: ingest again"):
        list(_file(_rows("a", "xz"), _rows("a", "y")).shards("a", 2))
