"""Whether a file is there, and what it is by its first bytes, whatever its name says; its time stamp in tables."""

from os import stat_result
from pathlib import Path
from stat import S_ISREG

from semiser.errors import Unusable
from semiser.media.container import reason_of

_BEGINNINGS = {  # offset and bytes to what they are and what to do
    (
        0,
        b"version https://git-lfs",
    ): "a Git LFS pointer and not the file itself: run `git lfs pull` where it was cloned",
    (0, b"<!DOCTYPE"): "a web page: fetch the file again",
    (0, b"<!doctype"): "a web page: fetch the file again",
    (0, b"<html"): "a web page: fetch the file again",
    (0, b"PK\x03\x04"): "a zip archive or an Excel workbook: unpack it, or save it as CSV",
    (0, b"\x1f\x8b"): "a gzip archive: unpack it",
    (0, b"\xd0\xcf\x11\xe0"): "a document of an old Office program: save it as CSV",
}
_CONTAINERS = (
    (4, b"ftyp"),
    (0, b"\x1a\x45\xdf\xa3"),
    (0, b"\x30\x26\xb2\x75"),
    (0, b"#!AMR"),
    (0, b"\xff\xf1"),
    (0, b"\xff\xf9"),
)
_INT64 = (1 << 63) - 1


def what_it_is(path: Path) -> str | None:
    """What stands under a name that promises something else, and what to do; None where the first bytes do not tell."""
    beginning = _beginning(path)
    for (offset, mark), what in _BEGINNINGS.items():
        if beginning[offset : offset + len(mark)] == mark:
            return what
    return None


def check_file(path: Path) -> stat_result:
    """Size and time stamp of a file that may be audio or video.

    Raises:
        Unusable: missing, a folder, pipe or device, empty, or plainly something else; the message is the reason.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot be opened: {reason_of(error)}") from error
    if not S_ISREG(found.st_mode):
        raise Unusable("not a file")
    if found.st_size == 0:
        raise Unusable("empty file (0 bytes)")
    if what := what_it_is(path):
        raise Unusable(what)
    return found


def is_container(path: Path) -> bool:
    """Whether a file is one that FFmpeg reads and libsndfile does not: MP4, Matroska, WMA, AMR, AAC."""
    beginning = _beginning(path)
    return any(beginning[offset : offset + len(mark)] == mark for offset, mark in _CONTAINERS)


def is_regular(path: Path) -> bool:
    """Whether a path leads to a file, and to no pipe, device or folder, which may never end."""
    return S_ISREG(path.stat().st_mode)


def modified_ns(found: stat_result) -> int:
    """A file's time stamp in ns, within 64 bits: until the year 2262, which some filesystems go beyond."""
    return max(-_INT64, min(_INT64, found.st_mtime_ns))


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32)
