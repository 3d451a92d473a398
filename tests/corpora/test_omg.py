"""OMG-Emotion reader."""

from pathlib import Path

import pytest

from semiser.corpora.omg import READER
from semiser.corpora.utterance import Rejected, Utterance

HEADER = "link,start,end,video,utterance,arousal,valence,EmotionMaxVote\n"
LINK = "https://www.youtube.com/watch?v=x,0,1.5,"


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    return list(READER.read("omg", root, READER.options(**options)))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_labels_transcript_and_clip_make_the_row(tmp_path: Path):
    (tmp_path / "omg_TrainVideos.csv").write_text(HEADER + LINK + "05f6_1,utterance_1.mp4,0.25,-0.5,5\n")
    (tmp_path / "omg_TrainTranscripts.csv").write_text(
        'link,video,utterance,transcript\n"l",05f6_1,utterance_1.mp4,"well, er "\n'
    )
    _touch(tmp_path, "Train/05f6_1/utterance_1.wav", "Train/05f6_1/utterance_1.mp4", "Train/05f6_1/._utterance_1.mp4")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="omg/05f6_1/utterance_1",
            corpus="omg",
            audio_path="Train/05f6_1/utterance_1.mp4",
            split="train",
            dialogue_id="omg/05f6_1",
            language="en",
            transcript="well, er",
            emotion="sadness",
            emotion_original="5",
            arousal=0.25,
            valence=-0.5,
            video_path="Train/05f6_1/utterance_1.mp4",
        )
    ]


def test_every_code_of_the_vote(tmp_path: Path):
    lines = (f"{LINK}v,utterance_{code}.mp4,0.1,0.1,{code}\n" for code in range(7))
    (tmp_path / "omg_ValidationVideos.csv").write_text(HEADER + "".join(lines))
    _touch(tmp_path, *(f"v/utterance_{code}.mp4" for code in range(7)))
    words = "anger disgust fear happiness neutral sadness surprise"
    assert [row.emotion for row in _read(tmp_path)] == words.split()


def test_a_test_list_without_labels_in_a_folder_and_sound_in_place_of_video(tmp_path: Path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/omg_TestVideos_WithoutLabels.csv").write_text(
        "link,start,end,video,utterance\n" + LINK + "v,utterance_2.mp4\n"
    )
    _touch(tmp_path, "audio/v/utterance_2.wav")
    (row,) = _read(tmp_path)
    assert (row.split, row.emotion, row.arousal, row.emotion_original) == ("test", None, None, None)
    assert (row.audio_path, row.video_path) == ("audio/v/utterance_2.wav", None)


def test_the_test_list_with_labels_comes_first(tmp_path: Path):
    (tmp_path / "omg_TestVideos_WithoutLabels.csv").write_text("video,utterance\nv,utterance_2.mp4\n")
    (tmp_path / "omg_TestVideos_WithLabels.csv").write_text(HEADER + LINK + "v,utterance_2.mp4,0.5,0.5,3\n")
    _touch(tmp_path, "v/utterance_2.mp4")
    assert [row.emotion for row in _read(tmp_path)] == ["happiness"]


def test_vanished_videos_are_passed_over_or_rejected(tmp_path: Path):
    lines = (LINK + f"{video},utterance_1.mp4,0.1,0.2,4\n" for video in ("gone", "here"))
    (tmp_path / "omg_TrainVideos.csv").write_text(HEADER + "".join(lines))
    _touch(tmp_path, "here/utterance_1.mp4")
    assert [row.dialogue_id for row in _read(tmp_path)] == ["omg/here"]
    rejected, _ = _read(tmp_path, skip_missing=False)
    assert rejected.path == "omg_TrainVideos.csv:2" and "no clip gone/utterance_1.mp4" in rejected.reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("v,utterance_1.mp4,0.1,0.2,7", "EmotionMaxVote '7' is none of 0 to 6"),
        ("v,utterance_1.mp4,high,0.2,1", "arousal 'high' is no number"),
        (",utterance_1.mp4,0.1,0.2,1", "video or utterance is empty"),
    ],
)
def test_lines_that_cannot_be_read_are_rejected(tmp_path: Path, line, reason):
    (tmp_path / "omg_TrainVideos.csv").write_text(HEADER + LINK + line + "\n")
    _touch(tmp_path, "v/utterance_1.mp4")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and reason in row.reason


def test_a_list_without_its_columns_is_an_error(tmp_path: Path):
    (tmp_path / "omg_TrainVideos.csv").write_text("link,video\nx,v\n")
    with pytest.raises(ValueError, match=r"omg_TrainVideos\.csv lacks the columns utterance; found link, video"):
        _read(tmp_path)
