"""Manifest reader: columns that hold lists, and the examples of docs/corpora.md."""

import json
import re
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from semiser.corpora.manifest import READER
from semiser.corpora.utterance import UTTERANCES_SCHEMA, Rejected, Utterance, Word

DOCS = Path(__file__).parents[2] / "docs" / "corpora.md"
INGESTED = {"duration_s", "sample_rate_hz", "channels", "level_db", "audio_bytes", "audio_modified_ns"}
FULL = Utterance(
    utterance_id="own/1",
    corpus="own",
    audio_path="1.wav",
    transcript="好 的",
    words=[Word("好", 0.5, 0.8), Word("的", 0.8, 0.8)],
    emotion_votes=["anger", "anger/disgust"],
    dominance_votes=[1.0, 2.5],
    video_path="1.mp4",
    video_start_s=10.0,
    video_end_s=11.5,
    visual_probabilities=[0.5, 0.5, 0, 0, 0, 0, 0, 0],
)


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    return list(READER.read("own", root, READER.options(**options)))


def test_the_schema_has_the_fields_of_the_row_in_their_order():
    assert UTTERANCES_SCHEMA.names == [field.name for field in fields(Utterance)]


def test_an_exported_table_with_lists_reads_back(tmp_path: Path):
    pq.write_table(pa.Table.from_pylist([asdict(FULL)], UTTERANCES_SCHEMA), tmp_path / "u.parquet")
    assert _read(tmp_path, file="u.parquet") == [FULL]


def test_lists_in_json_lines_and_in_csv(tmp_path: Path):
    row = {name: value for name, value in asdict(FULL).items() if value is not None and name not in INGESTED}
    (tmp_path / "u.jsonl").write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    assert _read(tmp_path, file="u.jsonl") == [FULL]
    votes = "Angry; angry/Disgusted,1;2.5,0.5;0.5;0;0;0;0;0;0"
    words = (
        '"[{""word"": ""好"", ""start_s"": 0.5, ""end_s"": 0.8}, {""word"": ""的"", ""start_s"": 0.8, ""end_s"": 0.8}]"'
    )
    header = "audio_path,transcript,emotion_votes,dominance_votes,visual_probabilities,words,"
    (tmp_path / "utterances.csv").write_text(
        f"{header}video_path,video_start_s,video_end_s\n1.wav,好 的,{votes},{words},1.mp4,10,11.5\n", encoding="utf-8"
    )
    assert _read(tmp_path) == [FULL]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("emotion_votes", "angry;glee", "unknown emotion word 'glee'; known are neutral"),
        ("visual_probabilities", "0.5;0.5", "expected a probability for each of neutral"),
        ("words", "hello", "expected a list of objects with word, start_s and end_s"),
        ("words", "[1]", "expected a list of objects"),
        ("words", '"[{""word"": ""a"", ""start_s"": 1, ""end_s"": 0}]"', "expected 0 <= start_s <= end_s"),
        ("video_start_s", "1", "video_start_s 1.0 and video_end_s None: give both"),
        ("dominance_votes", "1;x", "dominance_votes 'x' is no number"),
    ],
)
def test_lists_that_cannot_be_read_are_rejected(tmp_path: Path, column, cell, reason):
    (tmp_path / "utterances.csv").write_text(f"audio_path,{column}\n1.wav,{cell}\n", encoding="utf-8")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and reason in row.reason


def _read_example(root: Path, title: str) -> list[Utterance | Rejected]:
    """Rows of the table and the configuration that stand below a heading of the documentation."""
    section = DOCS.read_text(encoding="utf-8").split(f"#### {title}\n")[1].split("\n#")[0]
    table, configuration = re.findall(r"```\w*\n(.*?)```", section, re.DOTALL)
    ((name, corpus),) = yaml.safe_load(configuration).items()
    options = READER.options(**corpus["options"])
    (root / options.file).write_text(table, encoding="utf-8")
    return list(READER.read(name, root, options))


def test_the_documented_voice_log(tmp_path: Path):
    first, bored, unlabelled = _read_example(tmp_path, "Internet voice logs (IVD)")
    assert (first.utterance_id, first.emotion, first.language) == ("ivd/q0000001", "neutral", "zh-Hans")
    assert (bored.emotion, bored.speaker_id) == ("boredom", "ivd/u000017")
    assert (unlabelled.emotion, unlabelled.query_topic, unlabelled.accent) == (None, "Operation", "Beijing")
    assert unlabelled.transcript == "放一首歌"


def test_the_documented_acted_speech(tmp_path: Path):
    first, second = _read_example(tmp_path, "Acted speech (AVD)")
    assert (first.speaker_id, first.gender, first.emotion, first.transcript) == (
        "avd/f03",
        "female",
        "disgust",
        "真恶心",
    )
    assert (second.gender, second.emotion) == ("male", "neutral")


def test_the_documented_programmes(tmp_path: Path):
    first, second = _read_example(tmp_path, "TV programmes (DaAi)")
    assert (first.start_s, first.end_s, first.programme, first.episode) == (61.2, 64.85, "人間菩提", "2014-03-02")
    assert (first.language, first.speaker_id, first.emotion) == ("zh-Hant", None, None)
    assert second.utterance_id == "daai/talk/2014-03-02#64.85-66.1"


def test_the_documented_clips(tmp_path: Path):
    first, _ = _read_example(tmp_path, "Film clips (iQIYI-VID)")
    assert first.audio_path == first.video_path == "IQIYI_VID_TRAIN/IQIYI_VID_TRAIN_0000001.mp4"
    assert first.speaker_id == "iqiyi_vid/1783"


def test_the_index_of_a_data_frame_is_passed_over_and_case_does_not_matter(tmp_path: Path):
    for first in ("", "Unnamed: 0"):
        (tmp_path / "utterances.csv").write_text(f"{first},Audio_Path, Speaker_ID\n0,a.wav,s\n1,b.wav,s\n")
        assert [(row.audio_path, row.speaker_id) for row in _read(tmp_path)] == [("a.wav", "own/s"), ("b.wav", "own/s")]
    (tmp_path / "utterances.csv").write_text("audio_path,,x\na.wav,1,2\n")
    with pytest.raises(ValueError, match="unknown columns '', 'x'"):
        _read(tmp_path)
