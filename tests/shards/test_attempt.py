"""An interruption (Ctrl-C) while an utterance is computed: the next one must not get its rows."""

import signal
import threading
import time
from contextlib import contextmanager

import pyarrow as pa
import pytest

from semiser.features.family import BatchedFamily, Family, Source
from semiser.options.family import FamilyOptions
from semiser.shards.attempt import Prepared, attempt
from semiser.shards.batches import Gathered

TAKES_S = 0.6


class Slow(Family):
    """An utterance's own id, after a while."""

    name = "slow"
    version = 1

    def fields(self):
        return [pa.field("own", pa.string())]

    def rows(self, source):
        time.sleep(TAKES_S)
        yield {"own": source.row["utterance_id"]}


class SlowBatches(BatchedFamily[FamilyOptions, str]):
    """The same of several at once."""

    name = "slow_batches"
    version = 1
    budget = 1.0

    def fields(self):
        return [pa.field("own", pa.string())]

    def prepare(self, source):
        return source.row["utterance_id"]

    def size(self, prepared):
        return 1.0

    def compute(self, batch):
        time.sleep(TAKES_S)
        yield from ({"own": name} for name in batch)


@contextmanager
def interrupted():
    """The block is to be ended by Ctrl-C in the midst of what is slow."""
    main = threading.main_thread().ident
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Timer(TAKES_S / 3, signal.pthread_kill, [main, signal.SIGINT]).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("timeout_s", [None, 60])
def test_after_an_interruption_an_utterance_has_its_own_rows(tmp_path, timeout_s):
    def computed(name):
        return list(attempt([Slow(FamilyOptions())], Source({"utterance_id": name}, tmp_path), timeout_s))

    with interrupted():
        computed("first")
    assert computed("second") == [[{"own": "second"}]]


@pytest.mark.parametrize("timeout_s", [None, 60])
def test_after_an_interruption_a_batch_has_its_own_rows(timeout_s):
    def computed(*names):
        gathered = Gathered(SlowBatches(FamilyOptions()), timeout_s)
        for name in names:
            list(gathered.add({"utterance_id": name}, Prepared(name)))
        return [(row["utterance_id"], found[0]["own"]) for row, found in gathered.rest()]

    with interrupted():
        computed("first", "second")
    assert computed("third", "fourth") == [("third", "third"), ("fourth", "fourth")]
