"""CASIA reader."""

from collections import Counter
from pathlib import Path

import pytest

from semiser.corpora.casia import READER
from semiser.corpora.utterance import Rejected, Unmatched, Utterance


def _read(root: Path) -> list[Utterance | Rejected]:
    return list(READER.read("casia", root, READER.options()))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def _row(path: str, **fields) -> Utterance:
    speaker = path.split("/")[-3]
    common = {"corpus": "casia", "audio_path": path, "speaker_id": f"casia/{speaker}", "language": "zh-Hans"}
    return Utterance(**common | fields)


def test_a_copy_with_its_mess(tmp_path: Path):
    _touch(tmp_path, "201.wav", "_desktop.ini", "liuchanhg/_desktop.ini", "wangzhe/Sadness/250.WAV")
    _touch(tmp_path, *(f"liuchanhg/angry/201.{suffix}" for suffix in ("wav", "lab", "peak", "tag")))
    lines = "201. 就是下雨也去。 \n\n247．职员完成 任务\u3000\n250 阳光使得你们温暖\nno number\n"
    (tmp_path / "相同的文本201--250.txt").write_bytes(lines.encode("gbk"))
    stray, first, second, unmatched = _read(tmp_path)
    assert unmatched == Unmatched("casia", "相同的文本201--250.txt", lines=1, of=3)
    assert (stray.path, "expected <speaker>/<emotion>/<number>.wav" in stray.reason) == ("201.wav", True)
    assert first == _row(
        "liuchanhg/angry/201.wav",
        utterance_id="casia/liuchanhg/angry/201",
        transcript="就是下雨也去。",
        emotion="anger",
        emotion_original="angry",
    )
    assert second == _row(
        "wangzhe/Sadness/250.WAV",
        utterance_id="casia/wangzhe/Sadness/250",
        transcript="阳光使得你们温暖",
        emotion="sadness",
        emotion_original="Sadness",
    )


def test_without_a_transcript_file_rows_have_no_text(tmp_path: Path):
    _touch(tmp_path, "wangzhe/fear/201.wav")
    (row,) = _read(tmp_path)
    assert (row.transcript, row.gender) == (None, None)


def test_transcripts_lie_beside_the_speakers_also_below_another_folder(tmp_path: Path):
    _touch(tmp_path, "CASIA 语料/王哲/生气/201.wav")
    (tmp_path / "CASIA 语料" / "文本.txt").write_text("201. 我马上拿来。", encoding="utf-8-sig")
    (row,) = _read(tmp_path)
    assert row == _row(
        "CASIA 语料/王哲/生气/201.wav",
        utterance_id="casia/王哲/生气/201",
        transcript="我马上拿来。",
        emotion="anger",
        emotion_original="生气",
    )


@pytest.mark.parametrize(
    ("folder", "emotion"),
    [
        ("Happy", "happiness"),
        ("surprised", "surprise"),
        ("suprise", "surprise"),
        ("Afraid", "fear"),
        ("中性", "neutral"),
    ],
)
def test_spellings_of_emotion_folders(tmp_path: Path, folder, emotion):
    _touch(tmp_path, f"s/{folder}/201.wav")
    assert [row.emotion for row in _read(tmp_path)] == [emotion]


def test_an_unknown_emotion_folder_is_rejected(tmp_path: Path):
    _touch(tmp_path, "s/backup/201.wav")
    (row,) = _read(tmp_path)
    assert row.path == "s/backup/201.wav" and "unknown emotion word 'backup'" in row.reason


def test_a_text_file_in_no_known_encoding_is_rejected_and_the_wavs_stay(tmp_path: Path):
    _touch(tmp_path, "s/sad/201.wav")
    (tmp_path / "text.txt").write_bytes(b"201. \xff\xff\xff")
    rejected, row = _read(tmp_path)
    assert (rejected.path, "utf-8, gb18030" in rejected.reason) == ("text.txt", True)
    assert (row.utterance_id, row.transcript) == ("casia/s/sad/201", None)


@pytest.mark.corpora
def test_real_corpus(shared_corpora: Path):
    rows = _read(shared_corpora / "casia")
    strays = [row.path for row in rows if isinstance(row, Rejected)]
    speech = [row for row in rows if isinstance(row, Utterance)]
    assert strays == ["201.wav", "202.wav"]
    assert len(speech) == len({row.utterance_id for row in speech}) == READER.expected["utterances"] == 1200
    assert set(Counter((row.speaker_id, row.emotion) for row in speech).values()) == {50}
    assert {row.transcript for row in speech if row.audio_path.endswith("/247.wav")} == {"职员完成 任务"}
    assert {row.transcript for row in speech if row.audio_path.endswith("/204.wav")} == {"国华来完成。"}
    assert all(row.transcript for row in speech)


def test_odd_lines_and_files_beside_the_transcripts(tmp_path: Path):
    _touch(tmp_path, "liuchanhg/angry/201.wav")
    (tmp_path / "a folder.txt").mkdir()
    (tmp_path / "gone.txt").symlink_to(tmp_path / "never-fetched")
    blanks = "\n1" + " " * 200_000 + "."  # with backtracking: an hour
    (tmp_path / "t.txt").write_text("9" * 5000 + ". x" + blanks + "\n 201 .  今天 好 \n", encoding="utf-8")
    row, unmatched = _read(tmp_path)
    assert (unmatched.lines, unmatched.of) == (1, 2)
    assert row.transcript == "今天 好"
