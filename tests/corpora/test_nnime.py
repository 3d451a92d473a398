"""NNIME reader."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from semiser.corpora.nnime import READER
from semiser.corpora.utterance import Rejected, Utterance

HEADER = "utterance,audio,dialogue,speaker,start,end,gender,transcript,emotion\n"


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    return list(READER.read("nnime", root, READER.options(**options)))


def _write(root: Path, name: str, text: str, encoding: str = "utf-8") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode(encoding))


def test_votes_are_means_over_the_utterance_and_the_value_is_their_mean(tmp_path: Path):
    _write(tmp_path, "utterances.csv", HEADER + "01_A_001,wav/01_A_001.wav,01,A,1.0,2.0,F,你好嗎,angry\n", "big5")
    _write(tmp_path, "traces/01/rater1.csv", "time,arousal,valence\n0.5,1,1\n1.0,0.2,-1\n1.5,0.4,0\n2.0,1,1\n")
    _write(tmp_path, "traces/01/rater2.csv", "time,arousal,valence\n1.2,-0.5,\n1.4,-0.5,nan\n")
    _write(tmp_path, "traces/01/rater3.csv", "time,arousal,valence\n9,1,1\n")
    _write(tmp_path, "traces/01/._rater1.csv", "Mac OS X")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="nnime/01_A_001",
            corpus="nnime",
            audio_path="wav/01_A_001.wav",
            speaker_id="nnime/A",
            gender="female",
            session_id="nnime/01",
            dialogue_id="nnime/01",
            language="zh-Hant",
            transcript="你好嗎",
            emotion="anger",
            emotion_original="angry",
            arousal=pytest.approx(-0.1),  # (0.3 - 0.5) / 2
            valence=-0.5,
            arousal_votes=pytest.approx([0.3, -0.5]),
            valence_votes=[-0.5],
            video_start_s=1.0,
            video_end_s=2.0,
        )
    ]


def test_every_name_and_the_scale_are_options(tmp_path: Path):
    _write(tmp_path, "list.csv", "id,file,group,who,begin,stop\nu1,u1.wav,7,S1,0,10\n")
    _write(tmp_path, "activation/7/S1_a.txt", "t,v\n0,100\n5,50\n")
    _write(tmp_path, "pleasure/7.csv", "sec,score\n1,0\n")
    names = {"utterance": "id", "audio": "file", "dialogue": "group", "speaker": "who", "start": "begin", "end": "stop"}
    (row,) = _read(
        tmp_path,
        table="list.csv",
        columns=names,
        arousal={
            "files": "activation/{dialogue}/{speaker}_*.txt",
            "time": "t",
            "value": "v",
            "lowest": 0,
            "highest": 100,
        },
        valence={"files": "pleasure/{dialogue}.csv", "time": "sec", "value": "score", "lowest": -100, "highest": 100},
    )
    assert (row.arousal, row.valence, row.emotion, row.gender) == (0.5, 0.0, None, None)


def test_without_traces_an_utterance_is_unlabelled(tmp_path: Path):
    _write(tmp_path, "utterances.csv", HEADER + "u,u.wav,01,A,0,1,,,\n")
    (row,) = _read(tmp_path)
    assert (row.arousal, row.valence, row.arousal_votes, row.transcript) == (None, None, None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("u,u.wav,01,A,2,1,,,", "expected 0 <= start < end"),
        ("u,u.wav,01,A,x,1,,,", "start 'x' is no number"),
        ("u,,01,A,0,1,,,", "audio is empty"),
        ("u,u.wav,../01,A,0,1,,,", "dialogue '../01' cannot stand in the name of a file"),
        ("u,u.wav,01,A,0,1,,,wistful", "unknown emotion word 'wistful'"),
        ("u,u.wav,02,A,0,1,,,", "r.csv:2: arousal 3 is outside -1 to 1"),
    ],
)
def test_lines_that_cannot_be_used_are_rejected(tmp_path: Path, line, reason):
    _write(tmp_path, "utterances.csv", HEADER + line + "\n")
    _write(tmp_path, "traces/02/r.csv", "time,arousal,valence\n0,3,0\n")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == "utterances.csv:2" and reason in row.reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"wav": "file"}}, "wav is none of utterance, audio"),
        ({"arousal": {"value": "a", "lowest": 1, "highest": 1}}, "lowest 1 is not below highest 1"),
        ({"valence": {"value": "v", "files": "../{dialogue}.csv"}}, "relative to the root"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValidationError, match=message):
        READER.options(**options)


def test_an_encoding_that_does_not_exist_is_no_option():
    with pytest.raises(ValidationError, match="'big6' is no encoding"):
        READER.options(encoding="big6")


def test_a_dialogue_too_long_for_the_name_of_a_file_is_rejected(tmp_path: Path):
    _write(tmp_path, "utterances.csv", f"{HEADER}1,1.wav,{'x' * 300},A,1.0,2.0,F,,\n2,2.wav,\0,A,1.0,2.0,F,,\n")
    (tmp_path / "traces").mkdir()
    long, nul = _read(tmp_path)
    assert "cannot be looked for: File name too long" in long.reason and "cannot stand in the name" in nul.reason
