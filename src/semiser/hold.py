"""One training at a time in a process: torch's random state, which layers and dropout draw from, is the process's."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch

_HELD = RLock()


@contextmanager
def hold_process() -> Iterator[None]:
    """Keep the process's random state to the block, which waits until no other block has it.

    Nodes may run in threads, and a layer that is made in one of them draws from the generator that a training in
    another was seeded with. So everything that draws from it, trainings and the making of networks, stands in such a
    block. Behind it the random state is what it was before.
    """
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with _HELD, torch.random.fork_rng(devices):
        yield
