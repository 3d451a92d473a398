"""MELD's layout, made."""

from pathlib import Path

import pytest

from semiser.corpora.meld import READER
from semiser.corpora.reader import ReaderOptions
from semiser.corpora.utterance import Rejected, Utterance

_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"


def _write(root: Path, split: str, lines: str, *clips: str) -> None:
    (root / f"{split}_sent_emo.csv").write_text(_HEADER + lines, encoding="utf-8")
    for clip in clips:
        (root / clip).parent.mkdir(parents=True, exist_ok=True)
        (root / clip).touch()


def _read(root: Path):
    return list(READER.read("meld", root, ReaderOptions()))


def test_the_splits_have_their_own_clips_of_one_name(tmp_path):
    _write(tmp_path, "train", '1,"Oh, God.",Phoebe,sadness,negative,0,1,4,7,"0:00:01,0","0:00:02,0"\n',
           "train/train_splits/dia0_utt1.mp4", "dev_splits_complete/dia0_utt1.mp4")  # fmt: skip
    _write(tmp_path, "test", "1,Hey!,All,joy,positive,0,1,4,8,,\n", "output_repeated_splits_test/dia0_utt1.mp4")
    common = {"corpus": "meld", "language": "en", "programme": "Friends"}
    clip = "train/train_splits/dia0_utt1.mp4"
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="meld/train/dia0_utt1", audio_path=clip, video_path=clip, split="train",
            speaker_id="meld/Phoebe", dialogue_id="meld/train/0", transcript="Oh, God.", episode="4x7",
            emotion="sadness", emotion_original="sadness", **common,
        ),
        Utterance(
            utterance_id="meld/test/dia0_utt1", audio_path="output_repeated_splits_test/dia0_utt1.mp4",
            video_path="output_repeated_splits_test/dia0_utt1.mp4", split="test", dialogue_id="meld/test/0",
            transcript="Hey!", episode="4x8", emotion="happiness", emotion_original="joy", **common,
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,Hey,Joey,joy,positive,0,2,4,7,,", "no clip dev_splits_complete/dia0_utt2.mp4"),
        ("1,Hey,Joey,meh,positive,0,1,4,7,,", "unknown emotion word 'meh'"),
        ("1,Hey,Joey,joy,positive,x,1,4,7,,", "Dialogue_ID 'x'"),
    ],
)
def test_lines_that_cannot_be_used_say_why(tmp_path, line, reason):
    _write(tmp_path, "dev", line + "\n", "dev_splits_complete/dia0_utt1.wav")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == "dev_sent_emo.csv:2" and reason in row.reason


def test_a_list_without_its_columns_is_an_error(tmp_path):
    (tmp_path / "train_sent_emo.csv").write_text("Utterance,Speaker\nHey,Joey\n")
    with pytest.raises(ValueError, match="lacks the columns Dialogue_ID, Emotion, Utterance_ID"):
        _read(tmp_path)
