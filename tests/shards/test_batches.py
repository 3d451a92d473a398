"""Utterances that are computed together: cut by length, in order again, each with its own fate."""

import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import utterances_of, voice, write_wav

from semiser.errors import Unsteady, Unusable
from semiser.features.family import BatchedFamily
from semiser.options.family import FamilyOptions
from semiser.shards.attempt import Prepared
from semiser.shards.batches import Gathered, compute_batches, cut_batches
from semiser.shards.task import Part, ShardTask, extract_shard

MEMORY = 6  # of a pretended device


class Loudness(BatchedFamily[FamilyOptions, np.ndarray]):
    """The peak of an utterance, and with how many others it was computed; what is longer than memory is too long."""

    name = "loudness"
    version = 1
    budget = 4.0

    def __init__(self, options: FamilyOptions):
        super().__init__(options)
        self.batches: list[int] = []  # its own: a family that was left goes on computing in its thread

    def fields(self):
        return [pa.field("loudness", pa.float32())]

    def prepare(self, source):
        signal = source.audio(16_000)
        if signal.size < 1600:
            raise Unusable("too short")
        return signal

    def size(self, prepared):
        return prepared.size / 16_000

    def compute(self, batch):
        self.batches.append(len(batch))
        if len(batch) * max(map(self.size, batch)) > MEMORY:
            raise MemoryError("too long")
        for signal in batch:
            if not signal.any():
                raise Unusable("silence")
            yield {"loudness": float(np.abs(signal).max())}


@pytest.fixture
def family():
    return Loudness(FamilyOptions())


def test_batches_hold_likes_and_keep_to_the_budget():
    assert cut_batches([1, 3, 1, 2, 9, 1, 1], budget=4) == [[4], [1], [3, 0], [2, 5, 6]]
    assert cut_batches([], budget=4) == []


def test_what_cannot_be_computed_together_is_computed_alone(family):
    signals = [np.full(round(seconds * 16_000), level, np.float32) for seconds, level in
               ((1, 0.5), (1, 0), (1, 0.25), (7, 0.1), (0.5, 0.125))]  # fmt: skip
    found = compute_batches(family, signals)
    assert [rows[0]["loudness"] for rows in (found[0], found[2], found[4])] == [0.5, 0.25, 0.125]
    assert str(found[1]) == "silence" and not isinstance(found[1], Unsteady)
    assert isinstance(found[3], Unsteady) and "not enough memory: too long" in str(found[3])
    assert family.batches == [1, 4, 1, 1, 1, 1]  # 7 s alone; the others together, then one by one


def test_outcomes_come_in_the_order_of_the_utterances(family):
    gathered = Gathered(family, timeout_s=60)
    signals = [np.full(16_000 * (1 + number % 2), number + 1, np.float32) for number in range(30)]
    found = [pair for number, signal in enumerate(signals) for pair in gathered.add({"n": number}, Prepared(signal))]
    assert 0 < len(found) < 30, "some are finished while others come"
    found += gathered.rest()
    assert [row["n"] for row, _ in found] == list(range(30))
    assert [rows[0]["loudness"] for _, rows in found] == [number + 1 for number in range(30)]
    assert max(family.batches) == 4


def test_who_takes_too_long_is_left_and_the_next_ones_are_computed(family, monkeypatch):
    gathered = Gathered(family, timeout_s=0.2)
    monkeypatch.setattr(Loudness, "compute", lambda self, batch: time.sleep(1.5) or [{"loudness": 0.0}])
    list(gathered.add({"n": 0}, Prepared(np.ones(16_000, np.float32))))
    ((_, outcome),) = gathered.rest()
    assert isinstance(outcome, Unsteady) and "no result in 0.2 s" in str(outcome)
    monkeypatch.undo()
    list(gathered.add({"n": 1}, Prepared(np.ones(16_000, np.float32))))
    ((row, rows),) = gathered.rest()
    assert row == {"n": 1} and rows == [{"loudness": 1.0}]


def test_each_of_those_computed_together_has_the_time_of_one(family, monkeypatch):
    asked = []

    class Helper:
        def begin(self, work):
            pass

        def result(self, left_s):
            asked.append(left_s)
            return [[{"loudness": 0.0}]] * 4

    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(Gathered, "_helper", lambda self: Helper())
    gathered = Gathered(family, timeout_s=60)
    for number in range(4):
        list(gathered.add({"n": number}, Prepared(np.ones(16_000, np.float32))))
    assert len(list(gathered.rest())) == 4 and asked == [240]


def test_what_was_begun_and_left_is_not_taken_for_what_comes_next(family):
    left = Gathered(family, timeout_s=60)
    for number in range(17):
        list(left.add({"n": number}, Prepared(np.full(16_000, 9, np.float32))))
    left.close()
    gathered = Gathered(family, timeout_s=60)
    list(gathered.add({"n": 0}, Prepared(np.ones(16_000, np.float32))))
    ((_, rows),) = gathered.rest()
    assert rows == [{"loudness": 1.0}]


def test_a_shard_has_its_rows_in_order_and_says_who_is_missing(family, tmp_path):
    for number, seconds in enumerate((0.5, 0.05, 1.5, 0.2, 1.0, 0.7)):
        write_wav(tmp_path / "corpus/a" / f"{number}.wav", voice(seconds, seed=number))
    utterances = utterances_of(tmp_path / "corpus")
    (report,) = extract_shard(ShardTask(utterances, tmp_path / "corpus", (Part(family, str(tmp_path), "tiny/0", "k"),)))
    table = pq.read_table(tmp_path / report.path)
    ids = utterances["utterance_id"].to_pylist()
    assert table["utterance_id"].to_pylist() == [ids[number] for number in (0, 2, 3, 4, 5)]
    assert [entry["utterance_id"] for entry in report.unusable] == [ids[1]]
    assert sum(family.batches) == 5 and len(family.batches) < 5
