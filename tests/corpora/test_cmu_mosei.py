"""CMU-MOSEI's raw layout, made."""

from pathlib import Path

import pytest

from semiser.corpora.cmu_mosei import READER, CmuMoseiOptions
from semiser.corpora.utterance import Rejected, Utterance

_ANSWERS = ("sentiment", "happiness", "sadness", "anger", "surprise", "disgust", "fear")


def _write(root: Path, transcript: str, *ratings: tuple) -> None:
    for folder in ("Labels", "Transcript/Segmented/Combined", "Audio/Full/WAV_16000", "Videos/Full/Combined"):
        (root / "Raw" / folder).mkdir(parents=True)
    (root / "Raw/Transcript/Segmented/Combined/-a_b.txt").write_text(transcript)
    header = ["Input.VIDEO_ID", "Input.CLIP", *(f"Answer.{name}" for name in _ANSWERS)]
    lines = [",".join(header), *(",".join(map(str, line)) for line in ratings)]
    (root / "Raw/Labels/batch.csv").write_text("\n".join(lines) + "\n")


def _read(root: Path, **options):
    return list(READER.read("mosei", root, CmuMoseiOptions(**options)))


def test_ratings_of_a_clip_are_averaged_and_their_strongest_emotion_taken(tmp_path):
    text = "-a_b___0___0.5___2.0___I know.\n-a_b___1___2.0___3.0___Well.\n-a_b___2___3.0___4.0___So.\n"
    text += "-a_b___3___4___5___Nobody rated this.\n"
    _write(
        tmp_path, text,
        ("-a_b", 0, 1, 2, 0, 0, "", 0, 0), ("-a_b", 0, 2, 1, 1, 0, 0, 0, 0),
        ("-a_b", 1, 0, 0, 0, 0, 0, 0, 0), ("-a_b", 2, -1, 0, 1, 1, 0, 0, 0), (),
    )  # fmt: skip
    (tmp_path / "std.py").write_text("import os\nstandard_train_fold = ['x']\nstandard_test_fold = ['-a_b']\n")
    first, plain, tie = _read(tmp_path, folds="std.py")
    assert first == Utterance(
        utterance_id="mosei/-a_b/0", corpus="mosei", audio_path="Raw/Audio/Full/WAV_16000/-a_b.wav", split="test",
        dialogue_id="mosei/-a_b", language="en", start_s=0.5, end_s=2.0, transcript="I know.", emotion="happiness",
        emotion_votes=["happiness", "happiness/sadness"], sentiment_multimodal=1.5,
    )  # fmt: skip
    assert (plain.emotion, plain.emotion_votes, plain.sentiment_multimodal) == ("neutral", ["neutral"], 0)
    assert (tie.emotion, tie.emotion_votes) == (None, ["sadness/anger"])
    assert [row.emotion for row in _read(tmp_path, unlabelled=True)] == ["happiness", "neutral", None, None]


def test_sound_comes_from_the_video_where_there_is_no_wav(tmp_path):
    _write(tmp_path, "-a_b___0___0___1___x\n", ("-a_b", 0, 1, 2, 0, 0, 0, 0, 0))
    film = "Raw/Videos/Full/Combined/-a_b.mp4"
    (tmp_path / film).touch()
    (row,) = _read(tmp_path)
    assert (row.audio_path, row.video_path, row.video_end_s) == (film, film, 1.0)


@pytest.mark.parametrize(
    ("line", "rating", "reason"),
    [
        ("-a_b___0___0___1", ("-a_b", 0, 1, 2, 0, 0, 0, 0, 0), "expected <video>___<clip>"),
        ("c___0___0___1___x", ("-a_b", 0, 1, 2, 0, 0, 0, 0, 0), "with the file's name as video"),
        ("-a_b___0___2___1___x", ("-a_b", 0, 1, 2, 0, 0, 0, 0, 0), "expected 0 <= start < end"),
        ("", ("-a_b", 0, 5, 2, 0, 0, 0, 0, 0), "Answer.sentiment 5 is outside its scale, -3 to 3"),
        ("", ("-a_b", 0, 1, 2, 0, 0, 0, 0, "x"), "Answer.fear 'x' is no number"),
    ],
)
def test_lines_that_cannot_be_used_say_why(tmp_path, line, rating, reason):
    _write(tmp_path, line + "\n", rating)
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and reason in row.reason


def test_a_file_of_folds_is_read_and_not_run(tmp_path):
    _write(tmp_path, "")
    with pytest.raises(FileNotFoundError, match=r"no std\.py below the root"):
        _read(tmp_path, folds="std.py")
    for text in ("raise SystemExit\n", "standard_train_fold = open('x')\n"):
        (tmp_path / "std.py").write_text(text)
        with pytest.raises(ValueError, match=r"std\.py (has none of|cannot be read)"):
            _read(tmp_path, folds="std.py")
