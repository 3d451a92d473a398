"""Progress of long work: a bar on a terminal; in a log a line at least every minute, and one with the rate at the end.

A line says what is done, how long one takes, what remains, and where the work inside one stands, such as the epoch of a
fold (`note`).
"""

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

logger = logging.getLogger(__name__)
EVERY_S = 60.0

_AT_WORK: list["Progress"] = []  # what `note` is about: the last that was begun


class Progress:
    """Work of so many parts.

    Attributes:
        done: parts that are.
    """

    def __init__(self, name: str, total: int, unit: str):
        """Args:
        name: of the work.
        total: parts of it.
        unit: what parts are called, in the plural.
        """
        self._name, self._total, self._unit = name, total, unit
        self._start, self._inside, self.done = time.perf_counter(), "", 0
        self._bar = tqdm(total=total, desc=name, unit=f" {unit}", disable=None, leave=False, smoothing=0.1)

    def update(self, parts: int = 1) -> None:
        """So many more parts are done."""
        self.done += parts
        self._inside = ""
        self._bar.update(parts)

    def inside(self, text: str) -> None:
        """Where the part stands that is under way."""
        self._inside = text
        self._bar.set_postfix_str(text, refresh=False)

    def line(self) -> str:
        """Done, seconds for one, time left, and where the part under way stands."""
        seconds = time.perf_counter() - self._start
        said = f"{self._name}: {self.done} of {self._total} {self._unit}"
        if self.done:
            left = (self._total - self.done) * seconds / self.done
            said += f", {_pace(self.done, seconds)}, {duration(left)} left"
        return f"{said}; {self._inside}" if self._inside else said

    def last_line(self) -> str:
        """What was done, and how fast."""
        seconds = time.perf_counter() - self._start
        return f"{self._name}: {self.done} {self._unit} in {duration(seconds)} ({_pace(self.done, seconds)})"

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


@contextmanager
def progress(name: str, total: int, unit: str) -> Iterator[Progress]:
    """Work to `update`: shown as a bar where standard error is a terminal, told line by line where it is none."""
    work, ended = Progress(name, total, unit), threading.Event()
    teller = threading.Thread(target=_tell, args=(work, ended), name=f"progress of {name}", daemon=True)
    if not sys.stderr.isatty():
        teller.start()
    _AT_WORK.append(work)
    try:
        yield work
    finally:
        _AT_WORK.remove(work)
        ended.set()
        work.close()
    logger.info("%s", work.last_line())


def note(text: str) -> None:
    """Say where the part of the work stands that is under way; nothing where no work was announced."""
    if _AT_WORK:
        _AT_WORK[-1].inside(text)


def _tell(work: Progress, ended: threading.Event) -> None:
    while not ended.wait(EVERY_S):
        logger.info("%s", work.line())


def _pace(parts: int, seconds: float) -> str:
    """Parts per second, or the time that one takes where that is longer than a second."""
    if parts and seconds > parts:
        return f"{duration(seconds / parts)} each"
    return f"{parts / max(seconds, 1e-9):.1f} per second"


def duration(seconds: float) -> str:
    """A length of time as people say it: 4.1 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
