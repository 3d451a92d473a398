import pytest

from semiser.corpora.spool import Spool
from semiser.corpora.utterance import Rejected, Utterance, Word


def _utterance(name, corpus="c", **values):
    return Utterance(utterance_id=f"{corpus}/{name}", corpus=corpus, audio_path=f"{name}.wav", **values)


def test_rows_come_back_as_they_were_in_the_order_of_ids():
    spool = Spool()
    full = {"words": [Word("嗯", 0.1, 0.2)], "arousal_votes": [1.0, 0.1], "emotion_votes": ["a/b"], "start_s": 1 / 3}
    assert spool.add(_utterance("é", transcript='"\0\n', audio_modified_ns=2**62, **full))
    assert spool.add(_utterance("z")) and spool.add(_utterance("a", "d"))
    (batch,) = spool.utterances("c")
    first, second = batch.to_pylist()
    assert (first["utterance_id"], second["utterance_id"]) == ("c/z", "c/é")
    assert set(first.values()) == {"c/z", "c", "z.wav", None}
    expected = full | {"words": [{"word": "嗯", "start_s": 0.1, "end_s": 0.2}], "transcript": '"\0\n'}
    assert second | expected | {"audio_modified_ns": 2**62} == second


def test_many_rows_come_in_batches():
    spool = Spool()
    for number in reversed(range(5_001)):
        spool.add(_utterance(f"{number:05d}"))
    first, second = spool.utterances("c")
    assert (first.num_rows, second.num_rows) == (5_000, 1)
    assert first["utterance_id"].to_pylist() == [f"c/{number:05d}" for number in range(5_000)]


def test_an_id_that_is_taken_is_rejected_in_its_corpus_alone():
    spool = Spool()
    kept = [spool.add(_utterance("x")), spool.add(_utterance("x")), spool.add(_utterance("x", "d"))]
    assert kept == [True, False, True]
    (bad,) = spool.rejected("c")
    assert bad == Rejected("c", "x.wav", "duplicate utterance_id 'c/x', already taken by x.wav")


def test_reasons_are_counted_and_the_first_of_equals_comes_first():
    spool = Spool()
    for path, reason in ("1z", "2b", "3a", "4a", "5b", "6y"):
        assert not spool.add(Rejected("c", path, reason))
    assert [bad.path for bad in spool.rejected("c")] == list("123456")
    assert list(spool.reasons("c", 3).items()) == [("b", 2), ("a", 2), ("z", 1)]


def test_a_full_disk_says_where_the_rows_wait():
    spool = Spool()
    spool._database.execute("PRAGMA max_page_count = 10")
    with pytest.raises(OSError, match=r"disk is full: rows wait .* set TMPDIR"):
        for number in range(1_000):
            spool.add(_utterance(f"{number}"))
