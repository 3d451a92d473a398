"""audformat databases, made by the library itself."""

import os
from pathlib import Path

import audformat
import pytest

from semiser.corpora.audformat import READER, AudformatOptions
from semiser.corpora.utterance import Rejected, Utterance


def _table(database: audformat.Database, name: str, index, split: str | None = None, **columns: list) -> None:
    database[name] = audformat.Table(index, split_id=split)
    for column, values in columns.items():
        database[name][column] = audformat.Column(scheme_id=column if column in database.schemes else None)
        database[name][column].set(values)


def _database() -> audformat.Database:
    database = audformat.Database("x", languages=["deu"])
    database.schemes["emotion"] = audformat.Scheme(labels=["anger", "joy", "meh"])
    database.schemes["speaker"] = audformat.Scheme(labels={"s1": {"gender": "female"}, "s2": {"gender": "male"}})
    for name in ("train", "test"):
        database.splits[name] = audformat.Split(name)
    _table(database, "files", audformat.filewise_index(["a.wav", "b.wav"]), speaker=["s1", "s2"], note=["x", "y"])
    return database


def _read(root: Path, database: audformat.Database | None = None, kind: str = "csv", **options):
    if database is not None:
        database.save(str(root), storage_format=kind)
    return list(READER.read("aud", root, AudformatOptions(**options)))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_segments_take_what_is_said_of_their_file(tmp_path, kind):
    database = _database()
    index = audformat.segmented_index(["a.wav", "a.wav"], ["0s", "1.5s"], ["1s", "2s"])
    _table(database, "emo", index, "train", emotion=["joy", None], transcription=["Ja.", None])
    common = {"corpus": "aud", "language": "deu", "speaker_id": "aud/s1", "gender": "female", "split": "train"}
    assert _read(tmp_path, database, kind) == [
        Utterance(
            utterance_id="aud/a#0-1", audio_path="a.wav", start_s=0.0, end_s=1.0, emotion="happiness",
            emotion_original="joy", transcript="Ja.", **common,
        ),
        Utterance(utterance_id="aud/a#1.5-2", audio_path="a.wav", start_s=1.5, end_s=2.0, **common),
        Utterance(utterance_id="aud/b", corpus="aud", audio_path="b.wav", language="deu", speaker_id="aud/s2",
                  gender="male"),
    ]  # fmt: skip


def test_files_of_the_splits_tables(tmp_path):
    database = _database()
    _table(database, "train", audformat.filewise_index(["a.wav"]), "train", emotion=["anger"])
    _table(database, "test", audformat.filewise_index(["b.wav"]), "test", emotion=["meh"])
    good, bad = _read(tmp_path, database, language="de")
    assert (good.split, good.emotion, good.language) == ("train", "anger", "de")
    assert isinstance(bad, Rejected) and bad.path == "db.yaml:2" and bad.word == "meh"
    assert [row.split for row in _read(tmp_path, emotions={"meh": "neutral"})] == ["train", "test"]


def test_tables_that_contradict_each_other_are_chosen_from(tmp_path):
    database = _database()
    for name, word in (("rater", "joy"), ("gold", "anger")):
        _table(database, name, audformat.filewise_index(["a.wav"]), emotion=[word])
    with pytest.raises(ValueError, match=r"table rater says emotion 'joy' of a\.wav, another says 'anger': choose"):
        _read(tmp_path, database)
    (row,) = _read(tmp_path, tables=["gold"])
    assert row.emotion == "anger"
    with pytest.raises(ValueError, match="has no table gilt; there are files, gold, rater"):
        _read(tmp_path, tables=["gilt"])


def test_what_cannot_be_read_says_why(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no db\.yaml"):
        _read(tmp_path)
    database = _database()
    _table(database, "emo", audformat.segmented_index(["a.wav"], ["1s"], [None]), emotion=["joy"])
    (open_end, _) = _read(tmp_path, database)
    assert "has no end" in open_end.reason
    (tmp_path / "db.emo.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"db\.emo\.pkl below .*tables as pickles are not read"):
        _read(tmp_path)
    (tmp_path / "db.emo.pkl").unlink()
    (tmp_path / "db.yaml").write_text("name: [")
    with pytest.raises(ValueError, match=r"db\.yaml cannot be read as an audformat database"):
        _read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_place_of_a_table_is_refused(tmp_path):
    _read(tmp_path, _database())
    (tmp_path / "db.files.csv").unlink()
    os.mkfifo(tmp_path / "db.files.csv")
    with pytest.raises(ValueError, match=r"db\.files\.csv below .* is a pipe or a device"):
        _read(tmp_path)
