"""Face images: the three readers, the table and the pixels."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from semiser.corpora.reader import ReaderOptions
from semiser.corpora.registry import get_reader
from semiser.corpora.utterance import Rejected
from semiser.errors import TooManyUnusable, Unusable
from semiser.faces import images as faces
from semiser.faces.images import FaceImage, FaceReader, decode_face, ingest_faces
from semiser.faces.registry import FACE_READERS, get_face_reader

VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def _read(name: str, root: Path, **options) -> list[FaceImage | Rejected]:
    reader = get_face_reader(name)
    return list(reader.read(name, root, reader.options(**options)))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


# ---- RAF-DB


@pytest.mark.parametrize(("root", "base"), [("", "basic/"), ("basic", "")])
def test_rafdb_by_its_list(tmp_path: Path, root, base):
    lines = "".join(f"train_{code:05d}.jpg {code}\n" for code in range(1, 8)) + "\ntest_0001.jpg 5\n"
    _touch(tmp_path, "basic/EmoLabel/list_patition_label.txt", "basic/Image/aligned/train_99999_aligned.jpg")
    (tmp_path / "basic/EmoLabel/list_patition_label.txt").write_text(lines)
    rows = _read("rafdb", tmp_path / root)
    assert rows[0] == FaceImage(
        image_id="rafdb/train_00001",
        corpus="rafdb",
        path=f"{base}Image/aligned/train_00001_aligned.jpg",
        split="train",
        expression="surprise",
    )
    words = "surprise fear disgust happiness sadness anger neutral sadness"
    assert [row.expression for row in rows] == words.split()
    assert rows[-1].split == "test"
    assert _read("rafdb", tmp_path / root, images="original")[0].path == f"{base}Image/original/train_00001.jpg"


def test_rafdb_by_kaggles_folders(tmp_path: Path):
    _touch(tmp_path, "DATASET/test/7/test_2404_aligned.jpg", "DATASET/train/4/train_00007_aligned.jpg")
    _touch(tmp_path, "train_labels.csv", "DATASET/train/8/train_00008_aligned.jpg", "DATASET/train/1/._x.jpg")
    test, good, bad = _read("rafdb", tmp_path)
    assert (test.image_id, test.split, test.expression) == ("rafdb/test_2404", "test", "neutral")
    assert (good.path, good.expression) == ("DATASET/train/4/train_00007_aligned.jpg", "happiness")
    assert bad.reason == "label '8' is none of 1 to 7"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("train_00001.jpg 9", "label '9'"),
        ("train_00001.jpg", "a number from 1 to 7"),
        ("face.jpg 1", "expected train_<number>"),
    ],
)
def test_rafdb_lines_that_do_not_fit_are_rejected(tmp_path: Path, line, reason):
    _touch(tmp_path, "EmoLabel/list_patition_label.txt")
    (tmp_path / "EmoLabel/list_patition_label.txt").write_text(line)
    (row,) = _read("rafdb", tmp_path)
    assert row.path == "EmoLabel/list_patition_label.txt:1" and reason in row.reason


# ---- FERPlus


def test_ferplus_with_images_in_folders(tmp_path: Path):
    lines = (
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\n"
        "Training,,0,0,0,0,0,0,0,0,0,10\n"
        "PublicTest,fer0028638.png,0,5,5,0,0,0,0,0,0,0\n"
        "PrivateTest,fer0032220.png,0,0,0,0,2,1,0,3,4,0\n"
        "Other,fer0032221.png,10,0,0,0,0,0,0,0,0,0\n"
    )
    _touch(tmp_path, "data/FER2013Train/fer0000000.png")
    (tmp_path / "data/fer2013new.csv").write_text(VOTES + lines)
    first, tied, unknown, bad = _read("ferplus", tmp_path)
    assert first == FaceImage(
        image_id="ferplus/fer0000000",
        corpus="ferplus",
        path="data/FER2013Train/fer0000000.png",
        split="train",
        expression="neutral",
        expression_votes=[4, 0, 0, 1, 3, 2, 0, 0],
    )
    assert (tied.path, tied.split, tied.expression) == ("data/FER2013Valid/fer0028638.png", "validation", None)
    assert (unknown.split, unknown.expression, unknown.expression_votes[7]) == ("test", None, 3)
    assert bad.path == "fer2013new.csv:6" and "Usage 'Other' is none of Training" in bad.reason


def test_ferplus_with_pixels_in_the_other_table(tmp_path: Path):
    (tmp_path / "fer2013new.csv").write_text(
        f"{VOTES}Training,,0,0,0,0,0,0,0,0,0,10\nTraining,fer0000001.png,0,0,6,0,0,0,4,0,0,0\n"
    )
    values = [i % 256 for i in range(48 * 48)]
    pixels = [" ".join(map(str, line)) for line in ([0] * 48 * 48, values)]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "".join(f'0,"{p}",Training\n' for p in pixels))
    (row,) = _read("ferplus", tmp_path)
    assert (row.path, row.pixels, row.expression) == (None, bytes(values), "surprise")
    decoded = decode_face(row, tmp_path)
    assert decoded.shape == (48, 48, 3) and decoded.dtype == np.uint8
    assert decoded[1, 0].tolist() == [48] * 3 and decoded[5, 16].tolist() == [0] * 3  # 5 * 48 + 16 = 256


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (None, "neither beside it nor in data the folders FER2013Train"),
        ("emotion,pixels,Usage\n", r"fer2013new\.csv:2 and fer2013\.csv:0 are not of one image"),
        ("emotion,pixels,Usage\n0,1 2,PublicTest\n", r"fer2013\.csv:2 are not of one image"),
        ("emotion,Usage\n0,Training\n", "lacks the columns pixels"),
    ],
)
def test_ferplus_without_its_images_is_an_error(tmp_path: Path, other, message):
    (tmp_path / "fer2013new.csv").write_text(VOTES + "Training,a.png,9,0,0,0,0,0,0,0,0,0\n")
    if other:
        (tmp_path / "fer2013.csv").write_text(other)
    with pytest.raises(ValueError, match=message):
        _read("ferplus", tmp_path)


@pytest.mark.parametrize(("pixels", "reason"), [("1 2 3", "3 pixels, expected 48 x 48"), ("1 300", "pixels: bytes")])
def test_ferplus_pixels_that_make_no_image_are_rejected(tmp_path: Path, pixels, reason):
    (tmp_path / "fer2013new.csv").write_text(VOTES + "Training,a.png,9,0,0,0,0,0,0,0,0,0\n")
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n0,{pixels},Training\n")
    (row,) = _read("ferplus", tmp_path)
    assert isinstance(row, Rejected) and reason in row.reason


# ---- folders


def test_folders_with_and_without_a_split(tmp_path: Path):
    _touch(tmp_path, "train/Happy/1.png", "fear/脸.JPG", "train/notes.txt", "train/.DS_Store", "train/happy.png")
    _touch(tmp_path, "train/boredom/1.png", "a/b/c/1.png")
    rows = _read("face_folder", tmp_path)
    faces = [(row.image_id, row.split, row.expression) for row in rows if isinstance(row, FaceImage)]
    assert faces == [
        ("face_folder/fear/脸", None, "fear"),
        ("face_folder/train/Happy/1", "train", "happiness"),
    ]
    reasons = {row.path: row.reason for row in rows if isinstance(row, Rejected)}
    assert "expected <split>/<expression>/<image>" in reasons["a/b/c/1.png"]
    assert "'boredom' is no expression of a face" in reasons["train/boredom/1.png"]
    assert "folder 'train': unknown emotion word" in reasons["train/happy.png"]


# ---- the table


def _reader(*entries: FaceImage | Rejected) -> FaceReader:
    return FaceReader(lambda *_: iter(entries), "<p>", "<e>", ReaderOptions, {"images": 3, "images/train": 2})


def _image(number: int, **fields) -> FaceImage:
    return FaceImage(image_id=f"f/{number}", corpus="f", path=f"{number}.png", split="train", **fields)


def test_the_table_holds_what_is_there_and_the_summary_what_is_not(tmp_path: Path, caplog):
    _touch(tmp_path, "1.png", "2.png")
    (tmp_path / "3.png").touch()
    votes = [1.0, 0, 0, 0, 0, 0, 0, 0]
    reader = _reader(_image(1, expression="fear"), _image(2, expression_votes=votes), _image(1), _image(3), _image(4))
    found = ingest_faces("f", tmp_path, reader, reader.options(), max_quarantined_share=0.6)
    assert found.faces.select(["image_id", "expression", "expression_votes"]).to_pylist() == [
        {"image_id": "f/1", "expression": "fear", "expression_votes": None},
        {"image_id": "f/2", "expression": None, "expression_votes": votes},
    ]
    assert [(row.path, row.reason) for row in found.rejected] == [
        ("1.png", "duplicate image_id 'f/1'"),
        ("3.png", "the image is not there or empty"),
        ("4.png", "the image is not there or empty"),
    ]
    assert found.summary["differs"] == {"images": {"found": 2, "expected": 3}}
    assert "f: 2 images found, 3 expected" in caplog.text
    assert found.summary["expressions"] == {"fear": 1, "unlabelled": 1}
    json.dumps(found.summary)
    with pytest.raises(TooManyUnusable, match="3 of 5 entries cannot be used, more than max_quarantined_share = 5%"):
        ingest_faces("f", tmp_path, reader, reader.options())


def test_nothing_usable_shows_the_layout_and_a_missing_root_is_named(tmp_path: Path):
    reader = _reader()
    with pytest.raises(Unusable, match="looked for <p> \\(such as <e>\\)"):
        ingest_faces("f", tmp_path, reader, reader.options())
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        ingest_faces("f", tmp_path / "nowhere", reader, reader.options())


def test_colours_come_as_red_green_blue_also_from_names_in_other_scripts(tmp_path: Path):
    encoded = cv2.imencode(".png", np.full((2, 3, 3), (255, 128, 0), np.uint8))[1]  # OpenCV's order: blue first
    (tmp_path / "脸.png").write_bytes(encoded.tobytes())
    decoded = decode_face(FaceImage(image_id="f/1", corpus="f", path="脸.png"), tmp_path)
    assert decoded.shape == (2, 3, 3) and decoded[1, 2].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"path": "gone.png"}, "gone.png: not readable as an image"),
        ({"path": "x.png"}, "x.png: not readable as an image"),
        ({"pixels": b"123"}, "3 pixels are no square image"),
    ],
)
def test_what_is_no_image_is_unusable(tmp_path: Path, fields, reason):
    _touch(tmp_path, "x.png")
    with pytest.raises(Unusable, match=reason):
        decode_face(FaceImage(image_id="f/1", corpus="f", **fields), tmp_path)


def test_names_of_readers():
    assert all(isinstance(get_face_reader(name), FaceReader) for name in FACE_READERS)
    with pytest.raises(ValueError, match="unknown reader 'rafdb'"):
        get_reader("rafdb")
    with pytest.raises(ValueError, match="expected one of face_folder, ferplus, rafdb"):
        get_face_reader("affectnet")


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/hostname", "x" * 300 + ".png", "a\0.png"])
def test_names_of_images_do_not_leave_the_folder(tmp_path: Path, name):
    _touch(tmp_path, "secret.png", "set/FER2013Train/a.png")
    votes = f"Training,{name},9,0,0,0,0,0,0,0,0,0\nTraining,a.png,9,0,0,0,0,0,0,0,0,0\n"
    (tmp_path / "set/fer2013new.csv").write_text(VOTES + votes)
    reader = get_face_reader("ferplus")
    found = ingest_faces("ferplus", tmp_path / "set", reader, reader.options(), 0.5)
    assert found.faces["image_id"].to_pylist() == ["ferplus/a"]
    assert found.rejected[0].reason in ("the path leaves the folder of the images", "the image is not there or empty")


def test_negative_votes_are_rejected(tmp_path: Path):
    _touch(tmp_path, "FER2013Train/a.png")
    (tmp_path / "fer2013new.csv").write_text(VOTES + "Training,a.png,9,-1,0,0,0,0,0,0,0,0\n")
    (row,) = _read("ferplus", tmp_path)
    assert isinstance(row, Rejected) and row.reason == "negative votes"


def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(faces, "_MOST_PIXELS", 99)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((10, 10), np.uint8))
    with pytest.raises(Unusable, match=r"a\.png: 10 x 10 pixels are no picture of a face"):
        decode_face(FaceImage(image_id="a", corpus="c", path="a.png"), tmp_path)


def test_ferplus_as_its_owners_have_it_the_list_at_the_root_and_the_images_in_data(tmp_path: Path):
    names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    lines = f"Usage,Image name,{names}\nTraining,fer0000000.png,9,1,0,0,0,0,0,0,0,0\n"
    (tmp_path / "fer2013new.csv").write_text(lines)
    _touch(tmp_path, "data/FER2013Train/fer0000000.png")
    (image,) = _read("ferplus", tmp_path)
    assert (image.path, image.expression) == ("data/FER2013Train/fer0000000.png", "neutral")
