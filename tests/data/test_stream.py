import json
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semiser.data.stream import SampleStream

ROWS, GROUP = 23, 4
IDS = [f"u{number // 2}" for number in range(ROWS)]  # two samples each, the last has one


@pytest.fixture
def table(tmp_path):
    """Two shards in row groups of 4; the value of a sample is its number."""
    field = pa.field("s", pa.list_(pa.float32(), 2), metadata={"shape": json.dumps([1, 2])})
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    values = np.repeat(np.arange(ROWS, dtype=np.float32), 2)
    whole = pa.table([pa.array(IDS), pa.FixedSizeListArray.from_arrays(pa.array(values), 2)], schema=schema)
    for number, (first, count) in enumerate([(0, 11), (11, 12)]):
        pq.write_table(whole.slice(first, count), tmp_path / f"{number}.parquet", row_group_size=GROUP)
    return pa.dataset.dataset([str(tmp_path / f"{number}.parquet") for number in range(2)])


def numbers(batches):
    return [batch.x["s"][:, 0, 0].int().tolist() for batch in batches]


@pytest.mark.parametrize("block_rows", [1, 5, 10, 100])
def test_an_epoch_gives_every_sample_once_in_batches_of_one_size(table, block_rows):
    stream = SampleStream(table, ["s"], sorted(set(IDS)), block_rows=block_rows)
    found = numbers(stream.batches(5, seed=0))
    assert [len(batch) for batch in found] == [5, 5, 5, 5, 3]
    order = list(chain.from_iterable(found))
    assert sorted(order) == list(range(ROWS)) != order and len(stream) == ROWS
    assert numbers(stream.batches(5, seed=0)) == found
    assert numbers(stream.batches(5, seed=0, epoch=1)) != found != numbers(stream.batches(5, seed=1))


@pytest.mark.parametrize("block_rows", [1, 5, 10, 100])
@pytest.mark.parametrize("batch_size", [3, 5, 9])
def test_a_resumed_epoch_goes_on_with_the_same_batches(table, block_rows, batch_size):
    stream = SampleStream(table, ["s"], sorted(set(IDS)), block_rows=block_rows)
    whole = numbers(stream.batches(batch_size, seed=3))
    for first in range(len(whole) + 1):
        assert numbers(stream.batches(batch_size, seed=3, first=first)) == whole[first:]


def test_only_the_samples_of_the_utterances_asked_for_come_with_their_numbers(table):
    batches = list(SampleStream(table, ["s"], ["u9", "u1"], block_rows=2).in_order(3))
    assert numbers(batches) == [[2, 3, 18], [19]]
    assert [batch.utterance.tolist() for batch in batches] == [[1, 1, 0], [0]]


def test_no_utterance_gives_no_batch(table):
    stream = SampleStream(table, ["s"], [])
    assert len(stream) == 0 and list(stream.batches(4, seed=0)) == []


def test_a_block_is_shuffled_across_its_row_groups(table):
    first, *_ = numbers(SampleStream(table, ["s"], sorted(set(IDS)), block_rows=100).batches(8, seed=0))
    assert len({number // GROUP for number in first}) > 2
