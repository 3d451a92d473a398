"""CH-SIMS reader."""

from pathlib import Path

import pytest

from semiser.corpora.ch_sims import READER
from semiser.corpora.utterance import Rejected, Utterance

HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\n"


def _read(root: Path) -> list[Utterance | Rejected]:
    return list(READER.read("ch_sims", root, READER.options()))


def _make_copy(root: Path, lines: str, *clips: str, table: str = "label.csv", encoding: str = "utf-8") -> None:
    (root / table).write_bytes((HEADER + lines).encode(encoding))
    for clip in clips:
        (root / "Raw" / clip).parent.mkdir(parents=True, exist_ok=True)
        (root / "Raw" / clip).touch()


def test_voice_text_face_and_all_together(tmp_path: Path):
    line = "video_0001,0001,我不想嫁给李茶,-1.0,-0.6,-0.8,0.2,Negative,train\n"
    _make_copy(tmp_path, line, "video_0001/0001.mp4", "video_0001/._0001.mp4", encoding="utf-8-sig")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="ch_sims/video_0001/0001",
            corpus="ch_sims",
            audio_path="Raw/video_0001/0001.mp4",
            split="train",
            dialogue_id="ch_sims/video_0001",
            language="zh-Hans",
            transcript="我不想嫁给李茶",
            sentiment=-0.8,
            sentiment_text=-0.6,
            sentiment_vision=0.2,
            sentiment_multimodal=-1.0,
            programme="video_0001",
            video_path="Raw/video_0001/0001.mp4",
        )
    ]


@pytest.mark.parametrize(
    ("written", "file"), [("1", "0001"), ("0001", "1"), ("1.0", "0001"), ("17", "00017"), ("0001", "0001")]
)
def test_clip_numbers_that_lost_or_kept_their_zeros(tmp_path: Path, written, file):
    _make_copy(tmp_path, f"v,{written},好,0,0,0,0,Neutral,test\n", f"v/{file}.mp4")
    (row,) = _read(tmp_path)
    assert (row.audio_path, row.split, row.sentiment) == (f"Raw/v/{file}.mp4", "test", 0.0)


def test_meta_csv_saved_by_a_spreadsheet_in_gbk_with_other_order(tmp_path: Path):
    header = "mode,label_V,label_A,label_T,label,text,clip_id,video_id,age\n"
    (tmp_path / "meta.csv").write_bytes(f"{header}valid,0.2,0.4,,0.6,我爱你,2,视频,30\n".encode("gb18030"))
    (tmp_path / "Raw/视频").mkdir(parents=True)
    (tmp_path / "Raw/视频/0002.mp4").touch()
    (row,) = _read(tmp_path)
    assert (row.split, row.transcript, row.programme) == ("valid", "我爱你", "视频")
    assert (row.sentiment, row.sentiment_text, row.sentiment_vision, row.sentiment_multimodal) == (0.4, None, 0.2, 0.6)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("v,2,好,0,0,0,0,Neutral,train", "no clip Raw/v/0002.mp4"),
        ("v,1,好,0,0,1.5,0,Neutral,train", "label_A 1.5 is outside its scale"),
        ("v,1,好,0,0,x,0,Neutral,train", "label_A 'x' is no number"),
        ("v,1,好,0,0,0,0,Neutral,dev", "mode 'dev' is none of train, valid, test"),
        ("../v,1,好,0,0,0,0,Neutral,train", "name no file in Raw"),
        ("v,,好,0,0,0,0,Neutral,train", "name no file in Raw"),
        (f"v,{'1' * 300},好,0,0,0,0,Neutral,train", "no clip Raw/v/1111"),
    ],
)
def test_lines_that_cannot_be_used_are_rejected_with_their_number(tmp_path: Path, line, reason):
    _make_copy(tmp_path, line + "\n", "v/0001.mp4")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == "label.csv:2" and reason in row.reason


def test_a_root_without_a_table_has_no_rows_and_one_without_columns_is_an_error(tmp_path: Path):
    assert _read(tmp_path) == []
    (tmp_path / "label.csv").write_text("video_id,text\n")
    with pytest.raises(ValueError, match=r"label\.csv lacks the columns clip_id, label, label_A"):
        _read(tmp_path)


def test_the_list_is_read_without_a_header_line_too(tmp_path: Path):
    line = "video_0001,0001,今天天气不错,-0.6,-1.0,0.2,0.4,Negative,train\n"
    _make_copy(tmp_path, line, "video_0001/0001.mp4")
    header = (tmp_path / "label.csv").read_text(encoding="utf-8").removesuffix(line)
    (with_header,) = _read(tmp_path)
    assert header and header != line
    (tmp_path / "label.csv").write_text(line, encoding="utf-8")
    assert _read(tmp_path) == [with_header] and with_header.sentiment == 0.2
