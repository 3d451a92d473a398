"""Walks over a corpus folder, and the frame that the readers of file trees share."""

import logging
import os
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeVar

from semiser.corpora.utterance import Rejected

logger = logging.getLogger(__name__)
Row = TypeVar("Row")

# Folders that operating systems leave behind; names that begin with `.` (also AppleDouble's `._x.wav`) or `~$` go too.
_LEFTOVERS = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"}


class Misfit(Exception):
    """A file or line that looks like speech but does not fit the layout; the message becomes the quarantine reason.

    Attributes:
        word: the emotion word that is not known, where it is that.
    """

    def __init__(self, reason: str, word: str | None = None):
        super().__init__(reason)
        self.word = word


def iter_files(root: Path, suffixes: Collection[str]) -> Iterator[PurePosixPath]:
    """Files below a folder, relative to it, depth first and sorted by name at every level.

    Hidden files and leftovers of operating systems are passed over. Links are followed (what leaves the root is
    ingest's matter), except back into a folder that the walk is in; a broken link counts as a file, so that a file
    whose content was never fetched is reported, not lost. Of a flac and a wav of one name the flac is taken.

    Args:
        root: the folder.
        suffixes: lower-case suffixes to keep, such as `{".wav"}`; case does not matter in the files.
    """
    copies = 0
    for path in walk(root):
        stem, suffix = os.path.splitext(path)
        if suffix.lower() not in suffixes:
            continue
        if suffix.lower() == ".wav" and ".flac" in suffixes and os.path.isfile(root / f"{stem}.flac"):
            copies += 1
            continue
        yield PurePosixPath(path)
    if copies:
        logger.info("%s: passed over %d wav files beside a flac of the same name, which is read", root.name, copies)


def walk(root: Path, unlisted: list[tuple[str, OSError]] | None = None) -> Iterator[str]:
    """Files below a folder as `iter_files` has them, of any suffix.

    Args:
        root: the folder.
        unlisted: takes the folders that cannot be listed, and why; None: the first of them ends the walk.
    """
    waiting = [("", True, frozenset[tuple[int, int]]())]  # no recursion: folders may lie a thousand levels deep
    while waiting:
        relative, is_folder, above = waiting.pop()
        path = os.path.join(root, relative)
        if not is_folder and not os.path.isdir(path):
            yield relative
            continue
        try:
            status = os.stat(path)
            own = (status.st_dev, status.st_ino)
            if own in above:
                continue
            with os.scandir(path) as entries:
                # Where the path is too long to ask about, its entry alone knows that it is a folder
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError as error:
            if unlisted is None:
                raise
            unlisted.append((relative, error))
            continue
        waiting += [
            (posixpath.join(relative, name), folder, above | {own})
            for name, folder in reversed(found)
            if name not in _LEFTOVERS and not name.startswith((".", "~$"))
        ]


def read_files(
    corpus: str, paths: Iterable[PurePosixPath], describe: Callable[[PurePosixPath], Row | None]
) -> Iterator[Row | Rejected]:
    """One row per file.

    Args:
        corpus: the corpus's name, for the rejected.
        paths: files relative to the corpus root.
        describe: makes the row of a file; returns None to pass over it and raises `Misfit` to reject it.
    """
    for path in paths:
        try:
            _check_name(path)
            row = describe(path)
        except Misfit as misfit:
            yield Rejected(corpus, printable(path), str(misfit), word=misfit.word)
        else:
            if row is not None:
                yield row


def leaves_root(path: str) -> bool:
    """Whether a path from a table is absolute or leads out of the root by `..`, or is the root itself.

    Links are not followed here: what they lead to is the choice of the owner of the disk, who makes them, not of who
    wrote the table.
    """
    normal = posixpath.normpath(path.replace("\\", "/"))
    return posixpath.isabs(normal) or normal.split("/")[0] in ("..", ".") or Path(path).is_absolute()


def printable(path: PurePath) -> str:
    """The path as text; bytes of a name that are not UTF-8 appear as a backslash and two hexadecimal digits."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _check_name(path: PurePosixPath) -> None:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise Misfit(
            "the file's name is not valid UTF-8, which no table can hold: rename it, such as by `convmv -f gbk -t utf8`"
        ) from None
