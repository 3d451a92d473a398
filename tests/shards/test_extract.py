import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from helpers import committed, utterances_of, voice, write_wav

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.errors import TooManyUnusable, Unusable
from semiser.features.family import Family, Source
from semiser.options.family import FamilyOptions
from semiser.options.features import ShardOptions
from semiser.shards.engine import LocalEngine
from semiser.shards.extract import extract, extract_group, shard_key, summarise
from semiser.shards.table import ShardedTable
from semiser.shards.utterances import UtteranceFile


class GainOptions(FamilyOptions):
    gain: float = 1.0


class Level(Family):
    """Peak of the signal times a gain: a family small enough to check by hand."""

    name = "level"
    version = 1
    pool = "threads"
    calls: list[str] = []

    def fields(self):
        return [pa.field("level", pa.list_(pa.float32(), 1))]

    def rows(self, source: Source) -> Iterator[dict]:
        Level.calls.append(source.row["utterance_id"])
        signal = source.audio(16_000)
        if signal.size < 1_600:
            raise Unusable("too short")
        yield {"level": np.array([np.abs(signal).max() * self.options.gain])}


class Length(Level):
    """Number of samples, one row per second: a family with several rows per utterance."""

    name = "length"

    def fields(self):
        return [pa.field("second", pa.int32())]

    def rows(self, source: Source) -> Iterator[dict]:
        for second in range(source.audio(16_000).size // 16_000):
            yield {"second": second}


@pytest.fixture
def corpus(tmp_path):
    root = tmp_path / "corpus"
    for number in range(5):
        write_wav(root / "s" / f"{number}.wav", np.full(16_000 * (1 + number % 2), 0.1 * (number + 1), np.float32))
    Level.calls.clear()
    return root


def _extract(corpus, store, families, size=2, utterances=None, **shards):
    rows = utterances_of(corpus) if utterances is None else utterances
    options = ShardOptions(utterances=size, **shards)
    receipts = extract(families, str(store), rows, {"tiny": str(corpus)}, LocalEngine(2), options)
    for receipt in receipts.values():
        committed(receipt, store)
    return receipts


def _level(gain=1.0, corpora=None):
    return Level(GainOptions(gain=gain, corpora=corpora))


def test_every_utterance_has_its_value_in_the_order_of_ids(corpus, tmp_path):
    receipts = _extract(corpus, tmp_path / "out", [_level()])
    assert [shard.path for shard in receipts["level"].shards] == [
        f"tiny/0000{n}-{shard.key[:12]}.parquet" for n, shard in enumerate(receipts["level"].shards)
    ]
    table = ShardedTable(str(tmp_path / "out/level.json")).dataset().to_table()
    assert table["utterance_id"].to_pylist() == [f"tiny/s/{n}" for n in range(5)]
    np.testing.assert_allclose(table["level"].combine_chunks().flatten(), [0.1, 0.2, 0.3, 0.4, 0.5], atol=1e-4)


def test_nothing_is_computed_twice_and_a_changed_option_computes_its_family_alone(corpus, tmp_path):
    families = [_level(), Length(GainOptions())]
    receipts = _extract(corpus, tmp_path / "out", families)
    assert {name: (receipt.rows, len(receipt.shards)) for name, receipt in receipts.items()} == {
        "level": (5, 3),
        "length": (7, 3),
    }
    Level.calls.clear()
    _extract(corpus, tmp_path / "out", families)
    assert Level.calls == []
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "length").rglob("*.parquet")}
    _extract(corpus, tmp_path / "out", [_level(gain=2.0), families[1]])
    assert len(Level.calls) == 5
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_changed_file_computes_its_shard_alone(corpus, tmp_path):
    _extract(corpus, tmp_path / "out", [_level()])
    Level.calls.clear()
    write_wav(corpus / "s" / "3.wav", voice(0.5))
    _extract(corpus, tmp_path / "out", [_level()])
    assert sorted(Level.calls) == ["tiny/s/2", "tiny/s/3"]


def test_which_corpora_take_part_is_no_part_of_the_fingerprint(corpus, tmp_path):
    _extract(corpus, tmp_path / "out", [_level()])
    Level.calls.clear()
    _extract(corpus, tmp_path / "out", [_level(corpora=("tiny",))])
    assert Level.calls == []
    assert _extract(corpus, tmp_path / "out", [_level(corpora=("other",))])["level"].shards == []


def test_a_shard_s_key_is_the_same_however_a_family_orders_its_inputs(corpus, monkeypatch):
    family, shard = _level(), utterances_of(corpus)
    assert len(family.inputs) > 1
    key = shard_key(family, shard)
    monkeypatch.setattr(family, "inputs", tuple(reversed(family.inputs)))
    assert shard_key(family, shard) == key


def test_unusable_utterances_are_listed_with_their_reason_and_have_no_row(corpus, tmp_path):
    write_wav(corpus / "s" / "9.wav", voice(0.05))
    receipts = _extract(corpus, tmp_path / "out", [_level()], max_quarantined_share=0.2)
    summary = summarise(receipts.values(), UtteranceFile.in_memory(utterances_of(corpus)))["level"]
    assert (summary["rows"], summary["shards"]) == (5, 3)
    assert summary["corpora"] == {"tiny": {"utterances": 6, "with_transcript": 0, "lost": 1, "without": {}}}
    assert summary["unusable"] == [
        {"corpus": "tiny", "path": "s/9.wav", "stage": "level", "reason": "tiny/s/9: too short"}
    ]


class Cut(Level):
    """Cuts what is longer than a second, and says what is shorter than two."""

    name = "cut"

    def fields(self):
        return [
            pa.field("cut_samples", pa.int32()), pa.field("no_second", pa.bool_()), pa.field("whole", pa.bool_()),
            pa.field("no_number", pa.int32()), pa.field("no_face", pa.bool_()),
        ]  # fmt: skip

    def rows(self, source: Source) -> Iterator[dict]:
        samples = source.audio(16_000).size
        flags = {"no_second": samples < 32_000, "no_face": False, "whole": True, "no_number": 1}
        yield {"cut_samples": max(samples - 16_000, 0), **flags}


def test_flags_and_cuts_are_summed_over_the_shards_of_a_corpus(corpus, tmp_path):
    receipts = _extract(corpus, tmp_path / "out", [Cut(GainOptions())])  # 1 s, 2 s | 1 s, 2 s | 1 s
    summary = summarise(receipts.values(), UtteranceFile.in_memory(utterances_of(corpus)))["cut"]
    assert summary["shards"] == 3 and summary["without"] == {"second": 3, "face": 0}
    wanted = {"utterances": 5, "with_transcript": 0, "lost": 0, "without": {"second": 3, "face": 0}, "cut": 2}
    assert summary["corpora"] == {"tiny": wanted}


def test_too_many_unusable_utterances_stop_the_run_with_the_reason(corpus, tmp_path):
    write_wav(corpus / "s" / "9.wav", voice(0.05))
    said = r"level: 1 of 6 utterances of corpus 'tiny' are unusable, more than features.{}.* s/9.wav: too short"
    with pytest.raises(TooManyUnusable, match=said.format(r"shards.max_quarantined_share = 5%")):
        _extract(corpus, tmp_path / "out", [_level()])
    strict = Level(GainOptions(max_quarantined_share=0.1))
    with pytest.raises(TooManyUnusable, match=said.format(r"level.max_quarantined_share = 10%")):
        _extract(corpus, tmp_path / "out", [strict], max_quarantined_share=1.0)


def test_a_file_that_vanished_since_ingest_is_quarantined(corpus, tmp_path):
    rows = utterances_of(corpus)
    (corpus / "s" / "1.wav").unlink()
    receipts = _extract(corpus, tmp_path / "out", [_level()], utterances=rows, max_quarantined_share=0.5)
    assert [entry["path"] for shard in receipts["level"].shards for entry in shard.unusable] == ["s/1.wav"]


def test_a_family_may_give_several_rows_per_utterance(corpus, tmp_path):
    receipts = _extract(corpus, tmp_path / "out", [Length(GainOptions())])
    assert receipts["length"].rows == 7  # three files of one second, two of two


def test_a_switched_off_family_gives_an_empty_receipt(corpus, tmp_path):
    utterances, roots = utterances_of(corpus), {"tiny": str(corpus)}
    families = {"level": _level(), "length": None}
    receipts = extract_group(families, str(tmp_path), utterances, roots, LocalEngine(1), ShardOptions())
    assert [(receipt.facts["family"], receipt.rows) for receipt in receipts] == [("level", 5), ("length", 0)]


class Weighing:
    """An engine that notes how large the tasks are that it is given, and answers them itself."""

    def map(self, function, tasks, pool):
        self.sizes = []
        for task in tasks:
            self.sizes.append(len(pickle.dumps(task)))
            yield task, function(task)


def test_what_travels_to_a_worker_does_not_grow_with_the_corpus(corpus, tmp_path):
    rows = [{"utterance_id": f"tiny/{n:05d}", "corpus": "tiny", "audio_path": "s/0.wav"} for n in range(2_000)]
    weighing = Weighing()
    for count in (20, 2_000):
        table = pa.Table.from_pylist(rows[:count], UTTERANCES_SCHEMA)
        family = Length(GainOptions(corpora=("tiny",)))
        extract(
            [family], str(tmp_path / str(count)), table, {"tiny": str(corpus)}, weighing, ShardOptions(utterances=10)
        )
        assert max(weighing.sizes) < 20_000


_RUN = """
import sys
from helpers import committed, utterances_of
from semiser.features.functionals import Is10
from semiser.options.audio_features import OpenSmileOptions
from semiser.options.features import ShardOptions
from semiser.shards.engine import LocalEngine
from semiser.shards.extract import extract
from semiser.shards.table import ShardedTable
from pathlib import Path

root, store = sys.argv[1:]
receipt = extract([Is10(OpenSmileOptions())], store, utterances_of(Path(root)), {"tiny": root}, LocalEngine(2),
                  ShardOptions(utterances=4))["is10"]
ShardedTable(f"{store}/is10.json").commit(receipt)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_run_killed_in_the_middle_goes_on_and_ends_with_the_undisturbed_bytes(tmp_path):
    root = tmp_path / "corpus"
    for number in range(48):
        write_wav(root / "s" / f"{number:02d}.wav", voice(2.0, seed=number))
    _run(root, tmp_path / "undisturbed").wait()
    disturbed = _run(root, tmp_path / "disturbed")
    while len(list((tmp_path / "disturbed").rglob("*.parquet"))) < 3:
        assert disturbed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    disturbed.kill()
    disturbed.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "disturbed").rglob("*.parquet")}
    assert 3 <= len(kept) < 12
    assert not list((tmp_path / "disturbed").rglob("*.json"))
    assert _run(root, tmp_path / "disturbed").wait() == 0
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert _bytes(tmp_path / "disturbed") == _bytes(tmp_path / "undisturbed")


def _run(root, store):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", _RUN, str(root), str(store)], env=environment)


def _bytes(store):
    files = [path for path in store.rglob("*") if path.is_file()]
    return {path.relative_to(store): path.read_bytes() for path in files}
