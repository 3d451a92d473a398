"""ESD reader."""

from pathlib import Path

import pytest

from semiser.corpora.esd import READER
from semiser.corpora.utterance import Rejected, Utterance


def _read(root: Path) -> list[Utterance | Rejected]:
    return list(READER.read("esd", root, READER.options()))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def _transcript(root: Path, speaker: str, text: str, encoding: str) -> str | None:
    _touch(root, f"{speaker}/Angry/{speaker}_000351.wav")
    (root / speaker / f"{speaker}.txt").write_bytes(text.encode(encoding))
    row, *unmatched = _read(root)
    assert bool(unmatched) == (row.transcript is None)
    return row.transcript


@pytest.mark.parametrize(("below", "split"), [("", None), ("evaluation/", "evaluation"), ("Test/", "test")])
def test_flat_and_split_layouts(tmp_path: Path, below, split):
    path = f"Emotion Speech Dataset/0011/Angry/{below}0011_000351.wav"
    _touch(tmp_path, path, "Emotion Speech Dataset/ReadMe.txt", "Emotion Speech Dataset/.DS_Store")
    text = tmp_path / "Emotion Speech Dataset" / "0011" / "0011.txt"
    text.write_text("0011_000351\tThe nine the eggs, I keep.\tAngry\n", encoding="utf-8")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="esd/0011_000351",
            corpus="esd",
            audio_path=path,
            split=split,
            speaker_id="esd/0011",
            gender="male",
            language="en",
            transcript="The nine the eggs, I keep.",
            emotion="anger",
            emotion_original="Angry",
        )
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_mandarin_transcripts_in_their_encodings(tmp_path: Path, encoding):
    assert (
        _transcript(tmp_path, "0003", "0003_000351\t打远一看，它们很美。\t生气\r\n", encoding) == "打远一看，它们很美。"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "gbk"])
def test_english_transcripts_keep_their_curly_quotes(tmp_path: Path, encoding):
    assert _transcript(tmp_path, "0016", "0016_000351\tIt’s Tom’s\tAngry\n", encoding) == "It’s Tom’s"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("0015_000351 Let the glass globe be. Angry", "Let the glass globe be."),
        ("0015_000351\tLet the glass globe be.", "Let the glass globe be."),
        ("0015_000351\tHe was angry\tAngry ", "He was angry"),
        ("0015_000351\tHe was angry", "He was angry"),
        ("0015_000352\tAnother\tAngry", None),
        ("0015_000351\ta" + " " * 200_000 + "b\tAngry", "a" + " " * 200_000 + "b"),  # with backtracking: an hour
    ],
)
def test_lines_that_lost_a_tab_or_the_emotion(tmp_path: Path, line, text):
    assert _transcript(tmp_path, "0015", line, "utf-8") == text


def test_emotions_languages_and_genders(tmp_path: Path):
    folders = {"Angry": "anger", "Happy": "happiness", "neutral": "neutral", "Sad": "sadness", "惊喜": "surprise"}
    _touch(tmp_path, *(f"0001/{folder}/0001_00000{number}.wav" for number, folder in enumerate(folders)))
    rows = _read(tmp_path)
    assert {row.emotion_original: row.emotion for row in rows} == folders
    assert {(row.language, row.gender, row.transcript) for row in rows} == {("zh-Hans", "female", None)}


def test_an_undecodable_transcript_file_costs_the_text_only(tmp_path: Path):
    _touch(tmp_path, "0001/Sad/train/0001_001101.wav")
    (tmp_path / "0001" / "0001.txt").write_bytes(b"\xff\xff\xff")
    rejected, row = _read(tmp_path)
    assert rejected.path == "0001/0001.txt" and "gb18030" in rejected.reason
    assert (row.utterance_id, row.transcript, row.split) == ("esd/0001_001101", None, "train")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("0001_000001.wav", "expected <speaker>/<emotion>/"),
        ("test/0001_000001.wav", "expected <speaker>/<emotion>/"),
        ("0001/Angry/0002_000351.wav", "expected <speaker>/<emotion>/"),
        ("0001/Angry/take1.wav", "expected <speaker>/<emotion>/"),
        ("0021/Angry/0021_000351.wav", "speaker 0021 is not within 0001 to 0020"),
        ("0001/Fear/train/0001_000351.wav", "emotion folder 'Fear'"),
    ],
)
def test_paths_that_do_not_fit_are_rejected_with_a_reason(tmp_path: Path, name, reason):
    _touch(tmp_path, name)
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == name and reason in row.reason
