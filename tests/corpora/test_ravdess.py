"""RAVDESS reader."""

from pathlib import Path

import pytest

from semiser.corpora.ravdess import READER
from semiser.corpora.utterance import Rejected, Utterance


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    return list(READER.read("ravdess", root, READER.options(**options)))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_the_published_example_name(tmp_path: Path):
    name = "Audio_Speech_Actors_01-24/Actor_12/03-01-06-01-02-01-12.wav"
    _touch(tmp_path, name, "Video_Speech_Actor_12/Actor_12/01-01-06-01-02-01-12.mp4")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="ravdess/03-01-06-01-02-01-12",
            corpus="ravdess",
            audio_path=name,
            speaker_id="ravdess/12",
            gender="female",
            language="en",
            transcript="Dogs are sitting by the door",
            emotion="fear",
            emotion_original="fearful",
        )
    ]


def test_emotion_numbers(tmp_path: Path):
    _touch(tmp_path, *(f"Actor_01/03-01-0{number}-01-01-01-01.wav" for number in range(1, 9)))
    emotions = [row.emotion for row in _read(tmp_path)]
    assert emotions == ["neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"]
    assert {row.gender for row in _read(tmp_path)} == {"male"}


def test_song_only_by_option(tmp_path: Path):
    _touch(tmp_path, "Actor_01/03-01-01-01-01-01-01.wav", "Audio_Song_Actors_01-24/Actor_01/03-02-03-01-01-01-01.wav")
    assert [row.utterance_id for row in _read(tmp_path)] == ["ravdess/03-01-01-01-01-01-01"]
    assert [row.emotion for row in _read(tmp_path, include_song=True)] == ["neutral", "happiness"]


def test_the_second_copy_of_the_kaggle_form_is_passed_over(tmp_path: Path):
    name = "Actor_01/03-01-01-01-01-01-01.wav"
    _touch(
        tmp_path,
        name,
        f"audio_speech_actors_01-24/{name}",
        "audio_speech_actors_01-24/Actor_01/03-01-05-01-01-01-01.wav",
    )
    paths = [row.audio_path for row in _read(tmp_path)]
    assert paths == [name, "audio_speech_actors_01-24/Actor_01/03-01-05-01-01-01-01.wav"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("03-01-09-01-01-01-01.wav", "emotion 09 is not within 01 to 08"),
        ("03-01-01-01-01-01-25.wav", "actor 25 is not within 01 to 24"),
        ("03-03-01-01-01-01-01.wav", "vocal channel 03"),
        ("03-01-01-03-01-01-01.wav", "intensity 03"),
        ("03-01-01-01-03-01-01.wav", "statement 03"),
        ("01-01-01-01-01-01-01.wav", "modality 01 is not 03"),
        ("03-01-01.wav", "seven two-digit numbers"),
    ],
)
def test_names_that_do_not_fit_are_rejected_with_a_reason(tmp_path: Path, name, reason):
    _touch(tmp_path, f"Actor_01/{name}")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == f"Actor_01/{name}" and reason in row.reason
