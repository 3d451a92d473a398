"""The heap of the C library, which on a CPU holds the tensors of every step."""

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 2**30  # bytes


def keep_freed_memory() -> None:
    """Let the heap keep what tensors gave back, up to 1 GiB, instead of returning it to the system.

    Else a step that makes tensors of some MB gets new pages for them every time, which the system clears one by one: a
    sixth of the time of convolutional networks (docs/speed.md). Where the C library is not GNU's nothing happens.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _KEPT)
