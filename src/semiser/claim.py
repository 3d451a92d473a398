"""Folders on a disk that one run at a time works in."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from fsspec import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from semiser.publish import sweep

logger = logging.getLogger(__name__)
LOCK = ".lock"


@contextmanager
def claimed(folders: Iterable[str]) -> Iterator[None]:
    """Keep other runs out of folders until the block or the process ends; wait while another is at work there.

    What killed runs and workers left half-written in them is removed. Only folders on a disk can be claimed: an object
    store has no lock that a dead holder loses. There two runs at once do the same work, and write the same.
    """
    with ExitStack() as locks:
        for folder in sorted(folders):  # all runs in the same order, so that none waits for one that waits for it
            filesystem, place = url_to_fs(folder)
            if isinstance(filesystem, LocalFileSystem):
                locks.enter_context(_locked(Path(place), folder))
        yield


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another run is at work on %s: waiting until it ends", name)
        lock.acquire()
    try:
        sweep(folder)  # after a run that was killed
        yield
        sweep(folder)  # after workers that were
    finally:
        lock.release()
