"""The walk over a corpus folder."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from semiser.corpora.files import Misfit, iter_files, leaves_root, read_files, walk
from semiser.corpora.utterance import Rejected, Utterance


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_files_come_sorted_without_leftovers(tmp_path: Path):
    _touch(tmp_path, "b/2.wav", "b/10.WAV", "a.wav", "语音/一.wav", "b/.hidden.wav", "b/._2.wav", "b/2.wav~", "b/2.txt")
    _touch(tmp_path, "__MACOSX/b/2.wav", ".git/x.wav", "b/~$2.wav")
    assert [str(path) for path in iter_files(tmp_path, {".wav"})] == ["a.wav", "b/10.WAV", "b/2.wav", "语音/一.wav"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path):
    _touch(tmp_path, "store/1.wav", "corpus/own.wav")
    corpus = tmp_path / "corpus"
    (corpus / "linked").symlink_to(tmp_path / "store")
    (corpus / "self").symlink_to(corpus)
    (corpus / "gone.wav").symlink_to(tmp_path / "never-fetched")
    assert [str(path) for path in iter_files(corpus, {".wav"})] == ["gone.wav", "linked/1.wav", "own.wav"]


@pytest.fixture
def deep(tmp_path: Path, monkeypatch):
    """Folders below each other; the innermost two have paths that are longer than a path may be."""
    monkeypatch.chdir(tmp_path)
    for number in range(1_030):
        name = "d" if number < 1_010 else "e" * 200
        os.mkdir(name)
        os.chdir(name)
        if number in (1_009, 1_029):
            Path("1.wav").touch()
    yield tmp_path
    os.chdir(tmp_path)
    subprocess.run(["rm", "-rf", "d"], check=True)  # pytest's own recursion does not get as deep


@pytest.mark.skipif(sys.platform != "linux", reason="the longest path of Linux")
def test_folders_too_deep_to_be_listed_are_named_and_the_others_read(deep: Path):
    unlisted: list[tuple[str, OSError]] = []
    above = "d/" * 1_010
    assert list(walk(deep, unlisted)) == [f"{above}1.wav"]
    ((folder, error),) = unlisted
    assert folder.startswith(f"{above}eee") and error.errno == errno.ENAMETOOLONG
    with pytest.raises(OSError, match="too long"):
        list(iter_files(deep, {".wav"}))


def test_rows_misfits_and_files_passed_over(tmp_path: Path):
    def describe(path):
        if path.stem == "bad":
            raise Misfit("why")
        return None if path.stem == "other" else Utterance(utterance_id="c/x", corpus="c", audio_path=str(path))

    _touch(tmp_path, "bad.wav", "other.wav", "x.wav")
    rows = list(read_files("c", iter_files(tmp_path, {".wav"}), describe))
    assert rows == [Rejected("c", "bad.wav", "why"), Utterance(utterance_id="c/x", corpus="c", audio_path="x.wav")]


def test_a_name_that_is_not_utf8_is_rejected_in_printable_form(tmp_path: Path):
    with open(os.path.join(os.fsencode(tmp_path), bytes.fromhex("d6d0") + b".wav"), "wb"):
        pass
    (row,) = read_files("c", iter_files(tmp_path, {".wav"}), lambda path: None)
    assert (row.path, "UTF-8" in row.reason) == ("\\xd6\\xd0.wav", True)


@pytest.mark.parametrize("path", ["/a", "..", "../a", "a/../..", "a/../../b", "..\\a", ".", "a/..", "\\a"])
def test_paths_of_tables_that_leave_the_root(path):
    assert leaves_root(path)


@pytest.mark.parametrize("path", ["a", "a/b.wav", "a/../b", "..a", "a/..b", "./a"])
def test_paths_of_tables_that_stay(path):
    assert not leaves_root(path)


def test_of_a_flac_and_a_wav_of_one_name_the_flac_is_taken(tmp_path: Path, caplog):
    for name in ("a.flac", "a.wav", "b.wav", "c.flac", "d/a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with caplog.at_level("INFO"):
        found = [str(path) for path in iter_files(tmp_path, {".flac", ".wav"})]
    assert found == ["a.flac", "b.wav", "c.flac", "d/a.wav"]
    assert "passed over 1 wav files beside a flac of the same name" in caplog.text
    assert len(list(iter_files(tmp_path, {".wav"}))) == 3
