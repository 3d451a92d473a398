"""Progress of long work: a bar with a rate on a terminal, one line with the rate in a log."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

logger = logging.getLogger(__name__)


@contextmanager
def progress(name: str, total: int, unit: str) -> Iterator[tqdm]:
    """A bar to `update`; hidden where standard error is no terminal. The rate is logged at the end either way."""
    start = time.perf_counter()
    with tqdm(total=total, desc=name, unit=f" {unit}", disable=None, leave=False, smoothing=0.1) as bar:
        yield bar
    seconds = time.perf_counter() - start
    logger.info("%s: %d %s in %.1f s (%.1f per second)", name, total, unit, seconds, total / max(seconds, 1e-9))
