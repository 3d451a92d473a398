"""Decoding of corpus text files."""

import os
from pathlib import Path, PurePath

import pytest
from fuzz.corpora import COPIES
from helpers import voice, write_wav

from semiser.corpora import text
from semiser.corpora.nxt import UnreadableXml, read_elements
from semiser.corpora.registry import get_reader
from semiser.corpora.text import UndecodableText, find_encoding, iter_lines, read_text
from semiser.corpora.utterance import Rejected


@pytest.mark.parametrize(
    ("data", "encodings", "expected"),
    [
        ("Tüten".encode(), (), "Tüten"),
        (b"\xef\xbb\xbf" + "Tüten".encode(), (), "Tüten"),
        (bytes.fromhex("d6d0cec4"), ("gb18030",), "中文"),
        (bytes.fromhex("a4a4a4e5"), ("big5",), "中文"),
        (bytes.fromhex("fffe2d4e"), ("gb18030",), "中"),
        (bytes.fromhex("feff4e2d"), ("gb18030",), "中"),
        (b"caf\xe9", ("ascii", "cp1252"), "café"),
        (b"", ("gb18030",), ""),
    ],
)
def test_text_is_decoded_as_utf8_utf16_or_the_known_encoding(tmp_path: Path, data, encodings, expected):
    path = tmp_path / "lines.txt"
    path.write_bytes(data)
    assert read_text(path, *encodings) == expected


def test_a_character_cut_by_the_chunk_border_is_whole(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(text, "CHUNK_BYTES", 4)
    path = tmp_path / "lines.txt"
    path.write_bytes("abc中文".encode())  # the first chunk ends within 中
    assert find_encoding(path, "gb18030") == "utf-8-sig"


def test_undecodable_text_names_the_file_and_the_encodings(tmp_path: Path):
    path = tmp_path / "lines.txt"
    path.write_bytes(b"\xff\x00\xff")
    with pytest.raises(UndecodableText, match=r"lines\.txt .* \(utf-8, gb18030\): save it as UTF-8"):
        read_text(path, "gb18030")


def test_text_that_ends_within_a_character_is_not_decodable(tmp_path: Path):
    path = tmp_path / "lines.txt"
    path.write_bytes("中".encode()[:2])
    with pytest.raises(UndecodableText):
        read_text(path)


def test_what_is_too_long_to_be_held_is_refused_by_name(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(text, "LONGEST_TEXT_BYTES", 10)
    monkeypatch.setattr(text, "LONGEST_LINE", 4)
    path = tmp_path / "lines.txt"
    path.write_bytes(b"abc\nabcdef\n")
    with pytest.raises(UndecodableText, match=r"lines\.txt has 11 bytes, a list or transcript at most 10"):
        read_text(path)
    with path.open(encoding="utf-8") as file:
        lines = iter_lines(file, path)
        assert next(lines) == "abc\n"
        with pytest.raises(UndecodableText, match=r"lines\.txt, line 2 is longer than 4 characters"):
            next(lines)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    for name in ("pipe.txt", "zero.txt"):
        for read in (read_text, find_encoding):
            with pytest.raises(UndecodableText, match=f"{name} is no file but a folder, a pipe or a device"):
                read(tmp_path / name)
        with pytest.raises(UnreadableXml, match=f"{name} is no file but a folder, a pipe or a device"):
            read_elements(tmp_path / name)


def test_a_pointer_and_a_workbook_in_place_of_a_list_are_named(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(UndecodableText, match=r"a\.csv is a Git LFS pointer .* `git lfs pull`"):
        read_text(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(b"PK\x03\x04" + bytes(40))
    with pytest.raises(UndecodableText, match=r"b\.csv is a zip archive or an Excel workbook"):
        read_text(tmp_path / "b.csv")


# Files that a reader can do without, of the smallest copy of each corpus.
OPTIONAL = [
    ("ami", "corpusResources/meetings.xml"),
    ("casia", "texts.txt"),
    ("ch_sims", "label.csv"),
    ("cmu_mosei", "std.py"),
    ("crema_d", "VideoDemographics.csv"),
    ("emovoxceleb", "vox1_meta.csv"),
    ("esd", "0011/0011.txt"),
    ("iemocap", "Session1/dialog/avi/DivX/Ses01F_impro01.avi"),
    ("kaldi", "segments"),
    ("kaldi", "text"),
    ("librispeech", "SPEAKERS.TXT"),
    ("librispeech", "dev-clean/84/121123/84-121123.trans.txt"),
    ("mer", "subtitle_chieng.csv"),
    ("nnime", "utterances.csv"),
]


@pytest.mark.parametrize("reader, name", OPTIONAL)
def test_a_pipe_in_place_of_a_file_that_may_be_missing_is_said(tmp_path, reader, name):
    copy = COPIES[reader]
    for place, content in copy.texts.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(content)
    for path in copy.media:
        if path.endswith(".wav"):
            write_wav(tmp_path / path, voice(0.1))
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    found = get_reader(reader)
    with pytest.raises(UndecodableText, match=f"{PurePath(name).name} is no file but a pipe or a device") as raised:
        for entry in found.read(reader, tmp_path, found.options(**copy.options)):
            if isinstance(entry, Rejected):
                raise UndecodableText(entry.reason)
    assert str(tmp_path) not in str(raised.value)
