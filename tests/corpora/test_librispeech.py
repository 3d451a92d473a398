"""LibriSpeech reader."""

from itertools import pairwise
from pathlib import Path

import pytest
from helpers import voice, write_wav

from semiser.corpora.librispeech import READER
from semiser.corpora.utterance import Rejected, Utterance

SPEAKERS = """; reader_id: the ID of the reader
;ID  |SEX| SUBSET           |MINUTES| NAME
84   | F | dev-clean        | 8.02  | Christie Nowak
174  | M | dev-clean        | 8.04  | Peter Eastman
"""


def _read(root: Path) -> list[Utterance | Rejected]:
    return list(READER.read("librispeech", root, READER.options()))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize("above", ["", "LibriSpeech/"])
def test_the_root_or_its_parent(tmp_path: Path, above):
    chapter = f"{above}dev-clean/84/121123"
    _touch(tmp_path, f"{chapter}/84-121123-0000.flac", f"{chapter}/84-121123-0001.flac", f"{above}README.TXT")
    (tmp_path / chapter / "84-121123.trans.txt").write_text("84-121123-0000 GO DO YOU HEAR\n", encoding="utf-8")
    (tmp_path / above / "SPEAKERS.TXT").write_text(SPEAKERS, encoding="utf-8")
    first, second = _read(tmp_path)
    assert first == Utterance(
        utterance_id="librispeech/84-121123-0000",
        corpus="librispeech",
        audio_path=f"{chapter}/84-121123-0000.flac",
        split="dev-clean",
        speaker_id="librispeech/84",
        gender="female",
        language="en",
        transcript="GO DO YOU HEAR",
    )
    assert (second.utterance_id, second.transcript) == ("librispeech/84-121123-0001", None)


def test_every_chapter_has_its_own_transcripts(tmp_path: Path):
    for speaker, chapter in ((84, 121123), (84, 121550), (174, 50561)):
        folder = f"train-clean-100/{speaker}/{chapter}"
        _touch(tmp_path, f"{folder}/{speaker}-{chapter}-0000.flac")
        lines = tmp_path / folder / f"{speaker}-{chapter}.trans.txt"
        lines.write_text(f"{speaker}-{chapter}-0000 CHAPTER {chapter}\n", encoding="utf-8")
    rows = _read(tmp_path)
    assert [row.transcript for row in rows] == ["CHAPTER 50561", "CHAPTER 121123", "CHAPTER 121550"]
    assert {row.gender for row in rows} == {None}


def _speech(root: Path, *chapters: str, seconds: float = 1.8) -> None:
    for chapter in chapters:
        _, speaker, number = chapter.split("/")
        write_wav(root / chapter / f"{speaker}-{number}-0000.wav", voice(seconds))
        write_wav(root / chapter / f"{speaker}-{number}-0001.wav", voice(seconds))


def _chapters(root: Path, **options) -> list[str]:
    rows = READER.read("librispeech", root, READER.options(**options))
    return sorted({str(Path(row.audio_path).parent) for row in rows})


def test_a_part_is_taken_by_splits_and_by_hours(tmp_path: Path):
    """Chapters of 3.6 s: a thousandth of an hour each."""
    clean = [f"train-clean-100/{n}/{10 + n}" for n in range(1, 7)]
    _speech(tmp_path, *clean, "test-other/9/90")
    assert _chapters(tmp_path, splits=["train-clean-100"]) == clean
    draws = [_chapters(tmp_path, splits=["train-clean-100"], hours=n / 1000, seed=3) for n in range(1, 7)]
    assert [len(draw) for draw in draws] == [1, 2, 3, 4, 5, 6]
    assert all(set(less) < set(more) for less, more in pairwise(draws))
    assert _chapters(tmp_path, hours=0.001, seed=3) != _chapters(tmp_path, hours=0.001, seed=4)
    assert len(_chapters(tmp_path, hours=1000)) == 7
    with pytest.raises(ValueError, match=r"no train-clean-360 below .*; there are test-other, train-clean-100"):
        _chapters(tmp_path, splits=["train-clean-360", "test-other"])


def test_an_undecodable_transcript_file_costs_the_text_only(tmp_path: Path):
    _touch(tmp_path, "test-other/1/2/1-2-0000.flac")
    (tmp_path / "test-other/1/2/1-2.trans.txt").write_bytes(b"1-2-0000 \xff\n")
    rejected, row = _read(tmp_path)
    assert rejected.path == "test-other/1/2/1-2.trans.txt"
    assert (row.split, row.transcript) == ("test-other", None)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dev-clean/84/121123/85-121123-0000.flac", "expected <split>/<speaker>/<chapter>/"),
        ("84-121123-0000.flac", "expected <split>/<speaker>/<chapter>/"),
        ("84/121123/84-121123-0000.flac", "is the root a folder too low?"),
        ("backup/84/121123/84-121123-0000.flac", "found 'backup' above the speaker"),
    ],
)
def test_paths_that_do_not_fit_are_rejected_with_a_reason(tmp_path: Path, name, reason):
    _touch(tmp_path, name)
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == name and reason in row.reason
