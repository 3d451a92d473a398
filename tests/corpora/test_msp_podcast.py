"""MSP-Podcast's layout, made."""

import json
from pathlib import Path

import pytest

from semiser.corpora.msp_podcast import READER, MspPodcastOptions
from semiser.corpora.utterance import Rejected, Utterance

_HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
_NAME = "MSP-PODCAST_0001_0008.wav"


def _write(root: Path, lines: str = "", header: str = _HEADER) -> None:
    for folder in ("Labels", "Audios", "Transcripts"):
        (root / folder).mkdir()
    (root / "Audios" / _NAME).touch()
    (root / "Transcripts" / _NAME.replace("wav", "txt")).write_text("So it goes.\n")
    if lines:
        (root / "Labels/labels_consensus.csv").write_text(header + lines)


def _read(root: Path, **options):
    return list(READER.read("msp", root, MspPodcastOptions(**options)))


def _row(**more) -> Utterance:
    facts = {
        "utterance_id": "msp/MSP-PODCAST_0001_0008", "corpus": "msp", "audio_path": f"Audios/{_NAME}", "split": "Train",
        "speaker_id": "msp/127", "gender": "female", "language": "en", "transcript": "So it goes.", "emotion": "anger",
        "emotion_original": "A", "arousal": 4.2, "valence": 2.0, "dominance": 5.0,
    }  # fmt: skip
    return Utterance(**facts | more)


def test_the_csv_and_the_json_say_the_same(tmp_path):
    _write(tmp_path, f"{_NAME},A,4.2,2,5,127,Female,Train\n")
    assert _read(tmp_path) == [_row()]
    (tmp_path / "Labels/labels_consensus.csv").unlink()
    cells = {"EmoClass": "A", "EmoAct": 4.2, "EmoVal": 2.0, "EmoDom": 5.0, "SpkrID": 127, "Gender": "Female"}
    text = json.dumps({_NAME: cells | {"Split_Set": "Train"}})
    (tmp_path / "Labels/labels_consensus.json").write_text(text)
    assert _read(tmp_path) == [_row()]


def test_no_agreement_unknown_speakers_and_partitions_of_their_own_file(tmp_path):
    _write(tmp_path, f"{_NAME},X,4.2,2,5,Unknown,Unknown\n", _HEADER.replace(",Split_Set", ""))
    (tmp_path / "Partitions.txt").write_text(f"Development; {_NAME}\n")
    expected = _row(split="Development", speaker_id=None, gender=None, emotion=None, emotion_original="X")
    assert _read(tmp_path) == [expected]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{_NAME},Q,4,2,5,127,Female,Train", "EmoClass 'Q' is none of A, S"),
        (f"{_NAME},A,8,2,5,127,Female,Train", "arousal 8 is outside its scale, 1 to 7"),
        (f"{_NAME},A,x,2,5,127,Female,Train", "EmoAct 'x' is no number"),
        ("gone.wav,A,4,2,5,127,Female,Train", "no file Audios/gone.wav"),
        ("../gone.wav,A,4,2,5,127,Female,Train", "is no file in Audios"),
    ],
)
def test_lines_that_cannot_be_used_say_why(tmp_path, line, reason):
    _write(tmp_path, line + "\n")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == "Labels/labels_consensus.csv:2" and reason in row.reason


def test_missing_files_may_be_passed_over(tmp_path):
    _write(tmp_path, f"gone.wav,A,4,2,5,127,Female,Train\n{_NAME},A,4.2,2,5,127,Female,Train\n")
    assert _read(tmp_path, skip_missing=True) == [_row()]


def test_labels_that_are_no_object_are_an_error(tmp_path):
    _write(tmp_path)
    (tmp_path / "Labels/labels_consensus.json").write_text("[1]")
    with pytest.raises(ValueError, match=r"labels_consensus\.json is no JSON object"):
        _read(tmp_path)
