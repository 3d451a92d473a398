"""CH-SIMS v2's layout, made."""

from pathlib import Path

from semiser.corpora.ch_sims_v2 import READER
from semiser.corpora.reader import ReaderOptions

_TABLE = (
    "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\nv1,0001,好,0.2,0,0.4,0.6,Positive,train\n"
)


def _write(root: Path, *clips: str, table: str = _TABLE) -> None:
    for clip in clips:
        (root / clip).parent.mkdir(parents=True, exist_ok=True)
        (root / clip).touch()
    (root / "meta.csv").write_text(table, encoding="utf-8")


def _read(root: Path):
    return list(READER.read("sims", root, ReaderOptions()))


def test_the_supervised_part_is_read_at_the_root_or_below_it_and_the_other_follows(tmp_path):
    part = tmp_path / "ch-simsv2s"
    _write(part, "Raw/v1/0001.mp4", "../ch-simsv2u/Raw/v2/0003.mp4")
    (alone,) = _read(part)
    assert (alone.utterance_id, alone.audio_path, alone.sentiment) == ("sims/v1/0001", "Raw/v1/0001.mp4", 0.4)
    below, other = _read(tmp_path)
    assert (below.utterance_id, below.audio_path) == ("sims/v1/0001", "ch-simsv2s/Raw/v1/0001.mp4")
    assert (other.audio_path, other.split, other.sentiment) == ("ch-simsv2u/Raw/v2/0003.mp4", "unlabelled", None)


def test_a_clip_that_is_missing_is_rejected_under_the_tables_path(tmp_path):
    _write(tmp_path / "ch-simsv2s", "Raw/v1/0002.mp4")
    (row,) = _read(tmp_path)
    assert row.path == "ch-simsv2s/meta.csv:2" and "no clip" in row.reason
