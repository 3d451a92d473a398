import itertools
import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch

from semiser.data.frames import FrameBatch, joined, pool_frames, read_frames
from semiser.folds.rows import FoldRows

FRAMES = [3, 5, 1, 4, 2, 5, 3]
IDS = [f"u{number}" for number in range(len(FRAMES))]
TABLE_FRAMES = 6


@pytest.fixture
def table(tmp_path):
    """Seven utterances of 6 frames x 2 in row groups of 2; frame t of utterance u holds 10 u + t and its negative."""
    field = pa.field("stft", pa.list_(pa.float32(), 12), metadata={"shape": json.dumps([TABLE_FRAMES, 2])})
    schema = pa.schema([pa.field("utterance_id", pa.string()), pa.field("frames", pa.int32()), field])
    schema = schema.with_metadata({"semiser": json.dumps({"key": "k"})})
    values = np.zeros((len(IDS), TABLE_FRAMES, 2), np.float32)
    for number, count in enumerate(FRAMES):
        values[number, -count:, 0] = 10 * number + np.arange(TABLE_FRAMES)[-count:]
    values[..., 1] = -values[..., 0]
    arrays = [pa.array(IDS), pa.array(FRAMES, pa.int32()), pa.FixedSizeListArray.from_arrays(values.ravel(), 12)]
    writer = pq.ParquetWriter(tmp_path / "0.parquet", schema)
    writer.write_table(pa.table(arrays, schema=schema), row_group_size=2)
    writer.add_key_value_metadata({"semiser": json.dumps({"key": "k"})})
    writer.close()
    return pa.dataset.dataset(str(tmp_path / "0.parquet"))


def _features(table, memory_mib=1, pool=1, visual=None, ids=IDS):
    visual = np.full((len(ids), 2), np.nan, np.float32) if visual is None else visual
    kept = np.array([name in ("u0", "u1") for name in ids])
    return read_frames(table, "stft", ids, kept, visual, pool=pool, memory_mib=memory_mib, block_rows=3)


def _fold(features, tmp_path):
    roles = np.array(["train", "test", *["unlabelled"] * 5])
    rows = FoldRows(np.arange(7), roles, ["a", "b", *[None] * 5], roles, roles, ("a", "b"))
    return features.of_fold(rows, torch.device("cpu"))[0]


def test_frames_are_averaged_from_the_end_without_padding():
    x = torch.tensor([[[0.0], [0.0], [4.0], [6.0], [8.0]], [[1.0], [3.0], [5.0], [7.0], [9.0]]])
    frames = torch.tensor([3, 5])
    assert pool_frames(x, frames, 2)[..., 0].tolist() == [[0, 4, 7], [1, 4, 8]]
    assert torch.equal(pool_frames(x, frames, 1), x)


def test_batches_of_different_length_are_padded_at_the_head():
    short = FrameBatch(torch.ones(1, 1, 2), torch.tensor([1]), torch.tensor([5]))
    long = FrameBatch(torch.full((2, 3, 2), 2.0), torch.tensor([3, 2]), torch.tensor([1, 0]))
    both = joined([short, long])
    assert both.x[..., 0].tolist() == [[0, 0, 1], [2, 2, 2], [2, 2, 2]]
    assert (both.frames.tolist(), both.rows.tolist()) == ([1, 3, 2], [5, 1, 0])


@pytest.mark.parametrize("pool", [1, 2])
def test_what_does_not_fit_into_memory_is_streamed_with_the_same_values(table, tmp_path, pool):
    whole, small = (_features(table, memory_mib, pool) for memory_mib in (1, 0))
    assert whole.x.shape == (7, 5 if pool == 1 else 3, 2) and len(small.x) == 2
    assert small.place.tolist() == [0, 1, -1, -1, -1, -1, -1]
    assert whole.shape == small.shape == (6 // pool, 2)
    found = []
    for features in (whole, small):
        data = _fold(features, tmp_path)
        samples = {}
        for batch in data.in_order(data.rows["unlabelled"], 2):
            assert batch.x.shape[1] == batch.frames.max()
            for x, frames, row in zip(batch.x, batch.frames, batch.rows.tolist(), strict=True):
                samples[row] = x[-frames:].tolist()
        found.append(samples)
    assert found[0] == found[1] and sorted(found[0]) == [2, 3, 4, 5, 6]
    if pool == 1:
        assert found[0][3] == [[32, -32], [33, -33], [34, -34], [35, -35]]
    else:
        assert found[0][3] == [[32.5, -32.5], [34.5, -34.5]] and found[0][2] == [[25, -25]]


@pytest.mark.parametrize("memory_mib", [0, 1])
def test_batches_never_end_and_go_on_where_a_training_stopped(table, tmp_path, memory_mib):
    data = _fold(_features(table, memory_mib), tmp_path)
    rows = data.rows["unlabelled"]
    whole = [batch.rows.tolist() for batch in itertools.islice(data.batches(rows, 2, 0), 9)]
    assert [len(batch) for batch in whole] == [2, 2, 1] * 3
    passes = [list(itertools.chain(*whole[first : first + 3])) for first in (0, 3, 6)]
    assert all(sorted(drawn) == [2, 3, 4, 5, 6] for drawn in passes)
    assert len(set(map(tuple, passes))) > 1
    for first in (1, 3, 5):
        again = itertools.islice(data.batches(rows, 2, 0, first), 9 - first)
        assert [batch.rows.tolist() for batch in again] == whole[first:]


def test_visual_knowledge_of_labelled_utterances_is_not_handed_out(table, tmp_path):
    visual = np.tile(np.array([0.25, 0.75], np.float32), (7, 1))
    visual[4] = np.nan
    found = _fold(_features(table, visual=visual), tmp_path).visual
    assert found.isnan().all(1).tolist() == [True, True, False, False, True, False, False]
    assert found[2].tolist() == [0.25, 0.75]


def test_the_hash_follows_samples_knowledge_and_of_what_is_streamed_the_shards(table):
    visual = np.zeros((7, 2), np.float32)
    numbers = np.arange(7)
    digests = {
        _features(table).digest(numbers),
        _features(table, pool=2).digest(numbers),
        _features(table, visual=visual).digest(numbers),
        _features(table, memory_mib=0).digest(numbers),
    }
    assert len(digests) == 4 and _features(table).digest(numbers) in digests


def test_the_order_of_a_stream_is_a_fact_and_of_frames_in_memory_there_is_none(table):
    assert _features(table, memory_mib=0).facts() == _features(table).facts() | {"block_rows": 3}


def test_an_utterance_without_frames_is_named(table):
    with pytest.raises(KeyError, match="1 utterances have no stft, the first is z"):
        _features(table, ids=["u0", "z"])
