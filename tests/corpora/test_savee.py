"""SAVEE reader, both layouts."""

from pathlib import Path

import pytest

from semiser.corpora.savee import READER
from semiser.corpora.utterance import Rejected, Utterance


def _read(root: Path) -> list[Utterance | Rejected]:
    return list(READER.read("savee", root, READER.options()))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    "name", ["AudioData/DC/sa07.wav", "DC_sa07.wav", "ALL/DC_sa07.wav", "AudioData/DC/DC_sa07.wav"]
)
def test_both_layouts_give_the_same_row(tmp_path: Path, name):
    _touch(tmp_path, name, "AudioData/Info.txt", "AudioData/DC/Thumbs.db")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="savee/DC_sa07",
            corpus="savee",
            audio_path=name,
            speaker_id="savee/DC",
            gender="male",
            language="en",
            emotion="sadness",
            emotion_original="sadness",
        )
    ]


def test_letters_of_one_and_two_are_told_apart(tmp_path: Path):
    _touch(tmp_path, *(f"KL/{code}01.wav" for code in ("a", "d", "f", "h", "n", "sa", "su")))
    emotions = [row.emotion for row in _read(tmp_path)]
    assert emotions == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("AudioData/DC/x01.wav", "emotion code 'x' is none of a, d, f, h, n, sa, su"),
        ("AudioData/a01.wav", "speaker 'AUDIODATA' is none of DC, JE, JK, KL"),
        ("XX_a01.wav", "speaker 'XX'"),
        ("AudioData/DC/take one.wav", "DC/a01"),
    ],
)
def test_names_that_do_not_fit_are_rejected_with_a_reason(tmp_path: Path, name, reason):
    _touch(tmp_path, name)
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == name and reason in row.reason
