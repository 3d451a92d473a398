"""The layouts of the MER challenges, made."""

from pathlib import Path

from semiser.corpora.mer import READER, MerOptions


def _write(root: Path, tables: dict[str, str], *clips: str) -> None:
    for name, text in tables.items():
        (root / name).write_text(text, encoding="utf-8")
    for clip in clips:
        (root / clip).parent.mkdir(parents=True, exist_ok=True)
        (root / clip).touch()


def _read(root: Path, **options):
    return list(READER.read("mer", root, MerOptions(**options)))


def test_the_tables_of_2023_with_a_clip_in_their_folders(tmp_path):
    _write(
        tmp_path,
        {
            "train-label.csv": "name,discrete,valence\nn1,worried,-2.5\nn2,angry,-1\nn9,happy,1\n",
            "test3-label.csv": "name,discrete\nn3,neutral\n",
            "transcription-engchi-polish.csv": "name,english,chinese\nn1,Oh,哦\n",
        },
        "train/n1.avi", "train/n2.avi", "test3/n3.avi", "test3/n4.avi",
    )  # fmt: skip
    test, worried, angry, gone = _read(tmp_path)
    assert (test.utterance_id, test.split, test.emotion, test.valence) == ("mer/n3", "test3", "neutral", None)
    assert (worried.emotion, worried.valence, worried.transcript) == ("fear", -2.5, "哦")
    assert (angry.audio_path, angry.video_path) == ("train/n2.avi", "train/n2.avi")
    assert gone.path == "train-label.csv:4" and "no clip 'n9'" in gone.reason
    assert _read(tmp_path, emotions={"worried": "other"})[1].emotion == "other"


def test_the_tables_of_2025_with_sound_beside_video_and_unlabelled_clips(tmp_path):
    tables = {"track1_train_disdim.csv": "name,discrete,valence\nn1,sad,-1\n", "track_all_candidates.csv": "name\nn2\n"}
    _write(tmp_path, tables, "audio/n1.wav", "video/n1.mp4", "audio/n2.wav")
    rows = _read(tmp_path, unlabelled=True)
    assert [(row.utterance_id, row.audio_path, row.video_path, row.split, row.emotion) for row in rows] == [
        ("mer/n1", "audio/n1.wav", "video/n1.mp4", "train", "sadness"),
        ("mer/n2", "audio/n2.wav", None, None, None),
    ]
    assert len(_read(tmp_path)) == 1
