"""Files that are there completely or not at all, on a disk or on an object store."""

import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

TEMPORARY_SUFFIX = ".partial"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def publishing(
    filesystem: AbstractFileSystem, path: str, final: Callable[[], str] | None = None
) -> Iterator[IO[bytes]]:
    """A binary file to write, which appears at `path` when the block ends, and not at all when it fails.

    On a disk the bytes go to a temporary name beside it, are synced and renamed. On an object store, where a rename
    is a copy, the finished file is uploaded to the final key, which becomes visible when the upload is complete.

    Args:
        filesystem: of the file.
        path: where it is to be.
        final: gives another path in the same folder, for a file whose name follows from what was written.
    """
    if isinstance(filesystem, LocalFileSystem):
        with publishing_on_disk(Path(path), final) as file:
            yield file
        return
    with tempfile.NamedTemporaryFile() as file:
        yield file
        file.flush()
        filesystem.put_file(file.name, final() if final else path)


@contextmanager
def publishing_on_disk(
    path: Path, final: Callable[[], str] | None = None, size: int | None = None
) -> Iterator[IO[bytes]]:
    """`publishing` for a path of this machine; `size` in bytes, if known, is for a full disk's message."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final() if final else path)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        written = temporary.stat().st_size if temporary.exists() else 0
        temporary.unlink(missing_ok=True)  # before anybody looks how much room there is
        raise OSError(error.errno, _no_room(error.errno, path, written, size), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)


def _no_room(number: int, path: Path, written: int, size: int | None) -> str:
    """What a full disk is reported with: how much room is there, and how much is missing, as far as it is known."""
    free = shutil.disk_usage(path.parent).free
    if size is None:
        missing = f"it takes more than the {written:,} bytes that were written, {free:,} are free"
    else:
        missing = f"it takes {size:,} bytes, {free:,} are free, {max(0, size - free):,} are missing"
    return f"{os.strerror(number)}: {missing}; make room and run again, what is finished is kept"


def sweep(folder: Path) -> list[Path]:
    """Remove what killed runs left half-written below a folder that no run is at work in; gives what it was."""
    found = sorted(path for path in folder.rglob(f"*{TEMPORARY_SUFFIX}") if path.is_file())
    for path in found:
        path.unlink(missing_ok=True)
    return found


def _sync_directory(directory: Path) -> None:
    """Make the rename itself survive a power cut, where the system can sync a directory."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
