"""EmoVoxCeleb reader."""

from math import log
from pathlib import Path

import pytest
from pydantic import ValidationError

from semiser.corpora.emovoxceleb import READER
from semiser.corpora.utterance import Rejected, Utterance

HEADER = "wav,frame,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt\n"
META = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA.J._Buckley\tm\tIreland\tdev\n"
EVEN = "id10001/1zcIwhmdeo4/00001.wav,0,0,0,0,0,0,0,0,0\n"


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    return list(READER.read("emovoxceleb", root, READER.options(**options)))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_frames_are_averaged_after_the_softmax(tmp_path: Path):
    # softmax of (log 9, 0, ...) is (9, 1, ...) / 16; of zeros it is 1/8: mean of anger (9/16 + 2/16) / 2 = 11/32
    (tmp_path / "predictions.csv").write_text(
        f"{HEADER}{EVEN}id10001/1zcIwhmdeo4/00001.wav,1,0,0,0,0,{log(9)},0,0,0\n", encoding="utf-8"
    )
    (tmp_path / "vox1_meta.csv").write_text(META)
    _touch(tmp_path, "dev/wav/id10001/1zcIwhmdeo4/00001.wav", "mp4/id10001/1zcIwhmdeo4/00001.mp4")
    third = 3 / 32
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="emovoxceleb/id10001/1zcIwhmdeo4/00001",
            corpus="emovoxceleb",
            audio_path="dev/wav/id10001/1zcIwhmdeo4/00001.wav",
            split="dev",
            speaker_id="emovoxceleb/id10001",
            gender="male",
            dialogue_id="emovoxceleb/1zcIwhmdeo4",
            language="en",
            video_path="mp4/id10001/1zcIwhmdeo4/00001.mp4",
            visual_probabilities=pytest.approx([third, third, third, third, 11 / 32, third, third, third]),
        )
    ]


def test_old_names_by_way_of_the_list_of_people(tmp_path: Path):
    line = "A.J._Buckley/test/Y8hIVOBuels_0000012.wav,0,0,0,0,0,0,0,0,0\n"
    (tmp_path / "predictions.csv").write_text(HEADER + line)
    (tmp_path / "vox1_meta.csv").write_text(META)
    _touch(tmp_path, "wav/id10001/Y8hIVOBuels/00012.wav")
    (row,) = _read(tmp_path)
    assert row.utterance_id == "emovoxceleb/id10001/Y8hIVOBuels/00012"
    (tmp_path / "vox1_meta.csv").unlink()
    (rejected,) = _read(tmp_path)
    assert "has no VGGFace1 ID 'A.J._Buckley'" in rejected.reason


def test_probabilities_over_fewer_expressions_under_other_names(tmp_path: Path):
    (tmp_path / "teacher.csv").write_text("file,sad,neu\nid10002/0_laIeN-Q44/00001.wav,1.5,0.5\n")
    _touch(tmp_path, "wav/id10002/0_laIeN-Q44/00001.wav")
    (row,) = _read(
        tmp_path,
        predictions="teacher.csv",
        wav="file",
        columns={"sadness": "sad", "neutral": "neu"},
        values="probabilities",
    )
    assert row.visual_probabilities == [0.25, 0, 0, 0.75, 0, 0, 0, 0]
    assert (row.gender, row.split, row.video_path) == (None, None, None)


def test_missing_wavs_are_rejected_or_passed_over(tmp_path: Path):
    (tmp_path / "predictions.csv").write_text(HEADER + EVEN)
    (rejected,) = _read(tmp_path)
    assert rejected.path == "predictions.csv:2" and "no file id10001/1zcIwhmdeo4/00001.wav in wav" in rejected.reason
    assert _read(tmp_path, skip_missing=True) == []


@pytest.mark.parametrize(
    ("line", "options", "reason"),
    [
        (EVEN.replace(",0,0", ",0,", 1), {}, "an empty cell among neutral, happiness"),
        (EVEN.replace(",0,0", ",0,x", 1), {}, "neutral 'x' is no number"),
        (EVEN, {"values": "probabilities"}, "only zeros"),
        (EVEN.replace(",0,0", ",0,-1", 1), {"values": "probabilities"}, "negative probabilities"),
        (EVEN.replace("id10001/1zcIwhmdeo4/", "../"), {}, "is neither <id>/<video>/<number>.wav nor"),
        (EVEN.replace("1zcIwhmdeo4", "1" * 300), {}, "no file id10001/1111"),
        (EVEN.replace("00001.wav", "1" * 5000 + ".wav"), {}, "is neither <id>/<video>/<number>.wav nor"),
        (EVEN.replace(",0", ",1e308"), {"values": "probabilities"}, "too large"),
    ],
)
def test_lines_that_cannot_be_used_are_rejected(tmp_path: Path, line, options, reason):
    (tmp_path / "predictions.csv").write_text(HEADER + line)
    _touch(tmp_path, "wav/id10001/1zcIwhmdeo4/00001.wav")
    (row,) = _read(tmp_path, **options)
    assert isinstance(row, Rejected) and reason in row.reason


def test_columns_are_named_by_expressions():
    with pytest.raises(ValidationError, match="joy is none of neutral, happiness"):
        READER.options(columns={"joy": "a", "fear": "b"})
