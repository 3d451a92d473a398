"""The lock of an experiment, which the operating system takes from a holder that died."""

from pathlib import Path

from filelock import FileLock, Timeout

LOCK = ".lock"
_SHORT_S = 0.5  # `is_held` has the lock for a moment, which must not refuse a run
_POLL_S = 0.5


def claim(folder: Path, wait: bool = False) -> FileLock | None:
    """The lock of the experiment whose reporting folder this is, None where another process has it.

    Args:
        folder: reporting folder of the experiment; it is made where it is missing.
        wait: until the other process has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=-1 if wait else _SHORT_S, poll_interval=_POLL_S if wait else 0.05)
    except Timeout:
        return None
    return lock


def is_held(folder: Path) -> bool:
    """Whether a run is at work on the experiment."""
    if not (folder / LOCK).exists():
        return False
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
