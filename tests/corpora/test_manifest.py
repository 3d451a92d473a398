"""Manifest reader."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from semiser.corpora import manifest
from semiser.corpora.manifest import READER
from semiser.corpora.utterance import Rejected, Utterance


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    return list(READER.read("own", root, READER.options(**options)))


def _read_csv(root: Path, text: str, **options) -> list[Utterance | Rejected]:
    (root / "utterances.csv").write_bytes(text.encode())
    return _read(root, **options)


def _reject(root: Path, header: str, line: str, **options) -> Rejected:
    (row,) = _read_csv(root, f"{header}\n{line}\n", **options)
    assert isinstance(row, Rejected)
    return row


def test_a_voice_log_with_every_kind_of_column(tmp_path: Path):
    header = (
        "utterance_id,audio_path,speaker_id,gender,session_id,dialogue_id,language,start_s,end_s,transcript,emotion,"
        "arousal,arousal_votes,valence_votes,query_topic,accent,programme,episode,video_path,video_side,split"
    )
    line = (
        'q7,clips\\七.wav,u1,F,s1,d1,zh-Hans,1.5,3,"今天, ""天气""",Happy,'
        '4,"[3, 5]",1; 2.5;,weather,Sichuan,晚间,12,clips/七.mp4,LEFT,train'
    )
    assert _read_csv(tmp_path, f"{header}\n{line}\n") == [
        Utterance(
            utterance_id="own/q7",
            corpus="own",
            audio_path="clips/七.wav",
            split="train",
            speaker_id="own/u1",
            gender="female",
            session_id="own/s1",
            dialogue_id="own/d1",
            language="zh-Hans",
            start_s=1.5,
            end_s=3.0,
            transcript='今天, "天气"',
            emotion="happiness",
            emotion_original="Happy",
            arousal=4.0,
            arousal_votes=[3.0, 5.0],
            valence_votes=[1.0, 2.5],
            query_topic="weather",
            accent="Sichuan",
            programme="晚间",
            episode="12",
            video_path="clips/七.mp4",
            video_side="left",
        )
    ]


def test_aliases_ignored_columns_own_words_and_a_default_language(tmp_path: Path):
    rows = _read_csv(
        tmp_path,
        "file,spk,label,lang,note\na/1.wav,7,wütend,,x\na/2.wav,7,,en,\n",
        aliases={"file": "audio_path", "spk": "speaker_id", "label": "emotion", "lang": "language"},
        ignore=["note"],
        emotions={"Wütend": "anger"},
        language="de",
    )
    common = {"corpus": "own", "speaker_id": "own/7"}
    labelled = {"language": "de", "emotion": "anger", "emotion_original": "wütend"}
    assert rows == [
        Utterance(utterance_id="own/a/1", audio_path="a/1.wav", **labelled, **common),
        Utterance(utterance_id="own/a/2", audio_path="a/2.wav", language="en", **common),
    ]


def test_identifiers_of_segments_without_one(tmp_path: Path):
    rows = _read_csv(tmp_path, "audio_path,start_s,end_s\nshow.v1.wav,0,1.25\nshow.v1.wav,12345.678,12346\n")
    assert [row.utterance_id for row in rows] == ["own/show.v1#0-1.25", "own/show.v1#12345.678-12346"]


def test_an_exported_utterances_table_reads_back(tmp_path: Path):
    header = (
        "utterance_id,corpus,audio_path,speaker_id,duration_s,sample_rate_hz,channels,audio_bytes,audio_modified_ns,"
        "video_bytes,video_modified_ns"
    )
    (row,) = _read_csv(tmp_path, f"{header}\nown/1,own,1.wav,own/anna,2.5,16000,1,80044,99,5,7\n")
    assert row == Utterance(utterance_id="own/1", corpus="own", audio_path="1.wav", speaker_id="own/anna")


@pytest.mark.parametrize(
    ("header", "line", "reason"),
    [
        ("audio_path", "/data/1.wav", "is absolute"),
        ("audio_path", "C:\\data\\1.wav", "is absolute"),
        ("audio_path", "../1.wav", "leaves the corpus root"),
        ("audio_path", "a/../../1.wav", "leaves the corpus root"),
        ("audio_path,video_path", "1.wav,../1.mp4", "video_path '../1.mp4' leaves"),
        ("audio_path,speaker_id", " ,x", "audio_path is empty"),
        ("audio_path,emotion", "1.wav,meh", "unknown emotion word 'meh'"),
        ("audio_path,start_s,end_s", "1.wav,soon,2", "start_s 'soon' is no number"),
        ("audio_path,arousal", "1.wav,nan", "arousal 'nan' is no number"),
        ("audio_path,start_s,end_s", "1.wav,1,", "give both"),
        ("audio_path,start_s,end_s", "1.wav,,1", "give both"),
        ("audio_path,start_s,end_s", "1.wav,2,2", "0 <= start_s < end_s"),
        ("audio_path,start_s,end_s", "1.wav,-1,2", "0 <= start_s < end_s"),
        ("audio_path,arousal_votes", "1.wav,1;x", "arousal_votes 'x' is no number"),
        ("audio_path,arousal_votes", '1.wav,"[1, 2"', "neither a JSON list nor"),
        ("audio_path,gender", "1.wav,x", "gender 'x'"),
        ("audio_path,video_side", "1.wav,top", "video_side 'top'"),
        ("audio_path,language", "1.wav,Chinese", "no BCP 47 tag"),
        ("audio_path,emotion", "1.wav", "1 cells, the header has 2"),
        ("audio_path,transcript", "1.wav,well, yes", "3 cells, the header has 2"),
    ],
)
def test_lines_that_cannot_be_used_are_rejected_with_their_number(tmp_path: Path, header, line, reason):
    rejected = _reject(tmp_path, header, line)
    assert rejected.path == "utterances.csv:2" and reason in rejected.reason


def test_values_outside_their_scale_are_rejected(tmp_path: Path):
    scales = {"arousal": [1, 5]}
    assert (
        "arousal 6 is outside its scale, 1 to 5"
        in _reject(tmp_path, "audio_path,arousal", "1.wav,6", scales=scales).reason
    )
    votes = _reject(tmp_path, "audio_path,arousal_votes", "1.wav,1;0", scales=scales)
    assert "arousal 0 is outside" in votes.reason
    (row,) = _read_csv(tmp_path, "audio_path,arousal\n1.wav,5\n", scales=scales)
    assert row.arousal == 5.0


def test_line_numbers_count_blank_lines_and_quoted_breaks(tmp_path: Path):
    text = 'audio_path,transcript\r\n\r\n1.wav,"two\r\nlines"\r\n../2.wav,x\r\n'
    good, bad = _read_csv(tmp_path, text)
    assert (good.transcript, bad.path) == ("two\r\nlines", "utterances.csv:5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,speaker_id\n1.wav,2\n", "unknown columns 'file'; name each in the option `aliases`"),
        ("audio_path,mood,colour\n1.wav,x,y\n", "unknown columns 'colour', 'mood'"),
        ("audio_path\tspeaker_id\n1.wav\t1\n", r"cells are separated by '\\t': set the option `delimiter` to it"),
        ("audio_path;speaker_id\n1.wav;1\n", "cells are separated by ';'"),
        ("speaker_id,emotion\nx,y\n", "no column audio_path; found 'speaker_id', 'emotion'"),
        ("", "no column audio_path; found an empty file"),
        ("audio_path,audio_path\n1.wav,2.wav\n", "two columns mean the same"),
        ('audio_path,transcript\n1.wav,"never closed\n', "from line 2: .*check the quotes"),
    ],
)
def test_a_table_whose_columns_are_not_understood_is_an_error(tmp_path: Path, text, message):
    with pytest.raises(ValueError, match=message):
        _read_csv(tmp_path, text)


def test_a_column_and_an_alias_for_it_are_an_error(tmp_path: Path):
    with pytest.raises(ValueError, match="two columns mean the same among 'audio_path', 'text', 'transcript'"):
        _read_csv(tmp_path, "audio_path,text,transcript\n1.wav,a,b\n", aliases={"text": "transcript"})


def test_a_gbk_table_needs_the_option_and_names_it(tmp_path: Path):
    (tmp_path / "utterances.csv").write_bytes("audio_path,transcript\n语音.wav,你好\n".encode("gbk"))
    with pytest.raises(ValueError, match=r"utterances\.csv is not text in any encoding tried \(utf-8\).*`encoding`"):
        _read(tmp_path)
    (row,) = _read(tmp_path, encoding="gbk")
    assert (row.audio_path, row.transcript) == ("语音.wav", "你好")


def test_other_delimiters(tmp_path: Path):
    (row,) = _read_csv(tmp_path, "audio_path;transcript\n1.wav;a, b\n", delimiter=";")
    assert row.transcript == "a, b"
    (tmp_path / "list.tsv").write_text("audio_path\ttranscript\n1.wav\ta, b\n", encoding="utf-8")
    assert _read(tmp_path, file="list.tsv") == [row]


def test_json_lines(tmp_path: Path):
    records = [
        {"audio_path": "1.wav", "speaker_id": 3, "arousal_votes": [1, 2.5], "emotion": None},
        {"audio_path": "2.wav", "valence": "2", "speaker_id": None},
        {"speaker_id": "x"},
        ["audio_path"],
        {"audio_path": "3.wav", "transcript": ["a"]},
        {"audio_path": "4.wav", "transcript": "\ud800"},
        {"audio_path": "5.wav", "start_s": True, "end_s": 2},
    ]
    lines = [json.dumps(record) for record in records] + ["", "{broken"]
    (tmp_path / "u.jsonl").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    first, second, *rejected = _read(tmp_path, file="u.jsonl")
    assert first == Utterance(
        utterance_id="own/1", corpus="own", audio_path="1.wav", speaker_id="own/3", arousal_votes=[1.0, 2.5]
    )
    assert second == Utterance(utterance_id="own/2", corpus="own", audio_path="2.wav", valence=2.0)
    reasons = (
        "audio_path is empty",
        "found list",
        "transcript ['a'] is no text",
        "lone surrogate",
        "no number",
        "not JSON",
    )
    assert [row.path for row in rejected] == [f"u.jsonl:{line}" for line in (3, 4, 5, 6, 7, 9)]
    assert all(reason in row.reason for reason, row in zip(reasons, rejected, strict=True))


def test_an_unknown_key_of_a_later_json_line_is_an_error(tmp_path: Path):
    (tmp_path / "u.jsonl").write_text('{"audio_path": "1.wav"}\n{"audio_path": "2.wav", "mood": 1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="unknown columns 'mood'"):
        _read(tmp_path, file="u.jsonl")


def test_parquet_in_batches(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(manifest, "BATCH_ROWS", 2)
    table = pa.table(
        {
            "wav": ["1.wav", "../2.wav", "3.wav"],
            "speaker_id": [1.0, 2.0, None],
            "valence": [0.5, None, float("nan")],
            "arousal_votes": [[1.0, 3.0], None, []],
            "embedding": [[0.0], [1.0], [2.0]],
        }
    )
    pq.write_table(table, tmp_path / "u.parquet")
    first, rejected, third = _read(tmp_path, file="u.parquet", aliases={"wav": "audio_path"}, ignore=["embedding"])
    assert first == Utterance(
        utterance_id="own/1",
        corpus="own",
        audio_path="1.wav",
        speaker_id="own/1",
        valence=0.5,
        arousal_votes=[1.0, 3.0],
    )
    assert rejected.path == "u.parquet:2"
    assert third == Utterance(utterance_id="own/3", corpus="own", audio_path="3.wav")


def test_files_that_are_no_table(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no manifest utterances\.csv in .*option `file`"):
        _read(tmp_path)
    (tmp_path / "u.xlsx").touch()
    with pytest.raises(ValueError, match=r"a \.xlsx file is none of \.csv, \.tsv, \.jsonl, \.ndjson, \.parquet"):
        _read(tmp_path, file="u.xlsx")
    (tmp_path / "u.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match=r"u\.parquet cannot be read as Parquet"):
        _read(tmp_path, file="u.parquet")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aliases": {"wav": "path"}}, "aliases: path is no column"),
        ({"emotions": {"x": "joyful"}}, "joyful is no canonical name"),
        ({"scales": {"arousal": [5, 1]}}, "scales: arousal must be"),
        ({"scales": {"mood": [1, 5]}}, "mood"),
        ({"encoding": "gbq"}, "'gbq' is no encoding"),
        ({"encoding": "rot13"}, "'rot13' is no encoding"),
        ({"language": "Chinese"}, "no BCP 47 tag"),
        ({"alias": {}}, "alias"),
    ],
)
def test_options_that_cannot_be_meant(options, message):
    with pytest.raises(ValidationError, match=message):
        READER.options(**options)


def test_the_table_is_read_as_rows_are_asked_for(tmp_path: Path):
    (tmp_path / "utterances.csv").write_text('audio_path\n1.wav\n"broken', encoding="utf-8")
    rows = READER.read("own", tmp_path, READER.options())
    assert next(rows).utterance_id == "own/1"  # the error further down has not been met
    with pytest.raises(ValueError, match="from line 3"):
        next(rows)


def test_nested_lists_and_endless_numbers_are_rejected(tmp_path: Path):
    word = f'[{{""word"": ""a"", ""start_s"": 0, ""end_s"": 1{"0" * 400}}}]'
    for column, cell, reason in (
        ("arousal_votes", "[" * 5000, "neither a JSON list"),
        ("words", "[" * 5000, "expected a list of objects"),
        ("words", f'"{word}"', "int too large to convert to float"),
    ):
        assert reason in _reject(tmp_path, f"audio_path,{column}", f"1.wav,{cell}").reason


@pytest.mark.parametrize("at", [-9, 4])
def test_a_damaged_parquet_file_is_named(tmp_path: Path, at):
    pq.write_table(pa.table({"audio_path": ["1.wav", "2.wav"]}), tmp_path / "u.parquet")
    data = bytearray((tmp_path / "u.parquet").read_bytes())
    data[at : at + 4] = b"\xff" * 4
    (tmp_path / "u.parquet").write_bytes(data)
    with pytest.raises(ValueError, match=r"manifest u\.parquet cannot be read as Parquet"):
        _read(tmp_path, file="u.parquet")
