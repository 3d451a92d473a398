"""CREMA-D reader."""

from pathlib import Path

import pytest

from semiser.corpora.crema_d import READER
from semiser.corpora.utterance import Rejected, Utterance

DEMOGRAPHICS = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'


def _read(root: Path) -> list[Utterance | Rejected]:
    return list(READER.read("crema_d", root, READER.options()))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_name_and_demographics_give_the_whole_row(tmp_path: Path):
    _touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioMP3/1001_DFA_ANG_XX.mp3", "VideoFlash/1001_DFA_ANG_XX.flv")
    (tmp_path / "VideoDemographics.csv").write_text(DEMOGRAPHICS, encoding="utf-8")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="crema_d/1001_DFA_ANG_XX",
            corpus="crema_d",
            audio_path="AudioWAV/1001_DFA_ANG_XX.wav",
            speaker_id="crema_d/1001",
            gender="male",
            language="en",
            transcript="Don't forget a jacket.",
            emotion="anger",
            emotion_original="ANG",
        )
    ]


def test_codes_levels_and_an_actor_without_demographics(tmp_path: Path):
    names = ("1002_IEO_DIS_LO", "1002_IEO_FEA_MD", "1002_IEO_HAP_HI", "1002_IEO_NEU_XX", "1040_ITH_SAD_X")
    _touch(tmp_path, *(f"{name}.wav" for name in names))
    rows = _read(tmp_path)
    assert [row.emotion for row in rows] == ["disgust", "fear", "happiness", "neutral", "sadness"]
    assert {row.gender for row in rows} == {None}


def test_demographics_without_the_columns_are_an_error(tmp_path: Path):
    (tmp_path / "VideoDemographics.csv").write_text("id,Sex\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"VideoDemographics\.csv lacks the columns ActorID"):
        _read(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1001_DFA_SUR_XX.wav", "emotion code 'SUR' is none of ANG"),
        ("1001_ABC_ANG_XX.wav", "sentence code 'ABC' is none of IEO"),
        ("1001_DFA_ANG.wav", "such as 1001_DFA_ANG_XX"),
        ("noise.wav", "such as 1001_DFA_ANG_XX"),
    ],
)
def test_names_that_do_not_fit_are_rejected_with_a_reason(tmp_path: Path, name, reason):
    _touch(tmp_path, f"AudioWAV/{name}")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == f"AudioWAV/{name}" and reason in row.reason


def test_a_demographics_file_that_is_no_table_is_named(tmp_path: Path):
    (tmp_path / "VideoDemographics.csv").write_text("ActorID,Sex\n" + "x" * 200_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"VideoDemographics\.csv, near line 1: field larger than field limit"):
        _read(tmp_path)
