"""Hugging Face datasets, as the library writes them: the schema's metadata, shards, `state.json`."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from helpers import voice, write_wav
from pydantic import ValidationError

from semiser.corpora.huggingface import READER, HuggingFaceOptions
from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import Rejected

_FEATURES = {
    "audio": {"sampling_rate": 16000, "_type": "Audio"},
    "label": {"names": ["anger", "joy"], "_type": "ClassLabel"},
    "speaker": {"dtype": "string", "_type": "Value"},
}
_ALIASES = {"label": "emotion", "speaker": "speaker_id"}


def _wav(seed: int = 0, kind: str = "WAV") -> bytes:
    with io.BytesIO() as file:
        soundfile.write(file, voice(0.1, seed=seed), 16000, format=kind)
        return file.getvalue()


def _table(*rows: dict, features: dict = _FEATURES) -> pa.Table:
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    sound = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({name: pa.array(cells, sound if name == "audio" else None) for name, cells in columns.items()})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _row(content: bytes | None = None, path: str | None = "a.wav", label: int = 0, **more) -> dict:
    return {"audio": {"bytes": content, "path": path}, "label": label, "speaker": "s1", **more}


def _write(path: Path, *rows: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(_table(*rows), path)
        return
    table = _table(*rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


def _read(root: Path, **options):
    return list(READER.read("hf", root, HuggingFaceOptions(aliases=_ALIASES, **options)))


def test_embedded_sound_is_written_once_where_the_user_says(tmp_path):
    wav, other = _wav(), _wav(1)
    rows = (_row(wav), _row(wav, "b.wav", 1), _row(other, None, -1))
    _write(tmp_path / "data/train-00000-of-00001.parquet", *rows)
    found = _read(tmp_path, cache="sound")
    assert [(row.utterance_id, row.emotion, row.emotion_original, row.split) for row in found] == [
        ("hf/train/a", "anger", "anger", "train"),
        ("hf/train/b", "happiness", "joy", "train"),
        ("hf/train/train-00000-of-00001.parquet:3", None, None, "train"),
    ]
    first, again, last = ((tmp_path / row.audio_path) for row in found)
    assert first == again and first.read_bytes() == wav and last.read_bytes() == other
    assert {row.speaker_id for row in found} == {"hf/s1"}
    before = first.stat().st_mtime_ns
    assert _read(tmp_path, cache="sound") == found and first.stat().st_mtime_ns == before
    options = {"aliases": _ALIASES, "cache": "sound"}
    corpus = {"reader": "huggingface", "root": str(tmp_path), "options": options}
    assert ingest(IngestOptions(corpora={"hf": corpus})).utterances["duration_s"].to_pylist() == [0.1] * 3


def test_nothing_is_written_that_was_not_asked_for(tmp_path):
    _write(tmp_path / "train.parquet", _row(_wav()))
    with pytest.raises(ValueError, match=r"train\.parquet embeds its sound: .* option `cache`"):
        _read(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train.parquet"]
    for cache in ("../sound", "/sound"):
        with pytest.raises(ValidationError, match="leaves the root"):
            HuggingFaceOptions(cache=cache)


def test_a_saved_folder_reads_what_its_state_names(tmp_path):
    write_wav(tmp_path / "wav/a.wav", voice(0.1))
    _write(tmp_path / "ds/dev/data-00000-of-00001.arrow", _row(None, "wav/a.wav"), _row(None, "/export/wav/b.wav"))
    _write(tmp_path / "ds/dev/cache-1234.arrow", _row(None, "wav/c.wav"))
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": "validation"}
    (tmp_path / "ds/dev/state.json").write_text(json.dumps(state))
    found = _read(tmp_path, strip="/export")
    assert [(row.audio_path, row.split) for row in found] == [
        ("wav/a.wav", "validation"),
        ("wav/b.wav", "validation"),
    ]


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("data/clean-00001-of-00002.parquet", "clean"),
        ("default/test/0000.parquet", "test"),
        ("emodb-train.arrow", "train"),
        ("dev/data-00000-of-00001.arrow", "dev"),
        ("data-00000-of-00001.arrow", None),
        ("all_of_it.parquet", None),
    ],
)
def test_the_split_is_that_of_the_file_or_the_folder(tmp_path, file, split):
    _write(tmp_path / file, _row(None, "a.wav"))
    (row,) = _read(tmp_path)
    assert row.split == split


def test_flac_without_a_name_is_known_by_its_beginning(tmp_path):
    _write(tmp_path / "test/0000.parquet", _row(_wav(kind="FLAC"), None))
    (row,) = _read(tmp_path, cache="sound")
    assert row.audio_path.endswith(".flac") and row.split == "test"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (_row(None, None), "no sound"),
        (_row(b"what is this", None), "begins like no known kind"),
        (_row(None, "../a.wav"), "no path below the root"),
        (_row(None, "a.wav", 7), "label 7 is none of the 2 classes"),
    ],
)
def test_rows_that_cannot_be_used_say_why(tmp_path, row, reason):
    _write(tmp_path / "x.parquet", row)
    (found,) = _read(tmp_path, cache="sound")
    assert isinstance(found, Rejected) and found.path == "x.parquet:1" and reason in found.reason


def test_columns_that_are_not_understood_are_an_error(tmp_path):
    pq.write_table(pa.table({"label": [1]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="no column of sound among 'label'"):
        _read(tmp_path)
    with pytest.raises(ValueError, match="no column 'wave'"):
        _read(tmp_path, audio="wave")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match=r"x\.parquet cannot be read"):
        _read(tmp_path)


def test_a_folder_of_sounds_with_its_table(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/metadata.jsonl").write_text('{"file_name": "a/1.wav", "label": "joy", "note": 3}\n[]\n')
    (tmp_path / "test").mkdir()
    (tmp_path / "test/metadata.csv").write_text("file_name,speaker\n1.wav,7\n")
    test, train, bad = _read(tmp_path)
    assert (test.utterance_id, test.speaker_id, test.split) == ("hf/test/1", "hf/7", "test")
    assert (train.audio_path, train.emotion, train.split) == ("train/a/1.wav", "happiness", "train")
    assert bad.path == "train/metadata.jsonl:2" and "found list" in bad.reason


def test_the_table_of_a_folder_of_sounds_as_parquet(tmp_path):
    write_wav(tmp_path / "train/a/1.wav", voice(0.1))
    pq.write_table(pa.table({"file_name": ["a/1.wav"], "label": ["joy"]}), tmp_path / "train/metadata.parquet")
    (row,) = _read(tmp_path)
    assert (row.audio_path, row.emotion, row.split) == ("train/a/1.wav", "happiness", "train")
