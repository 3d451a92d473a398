"""How processes that torchrun started, on one host or on several, find each other and hand over what is trained.

The first runs the pipeline, which may take hours between two trainings; the others ask torchrun's store, a small server
for keys and values, for the next word of the first. A training has a group of its own, so that no connection has to
outlast the hours in between. What is handed over within it is pickled on the way, as the arguments of a spawned process
are, and never stored; tensors, which are most of it, go as they are.
"""

import io
import pickle
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from semiser import torchrun

_ASK_EVERY_S = 0.2
_PATIENCE = timedelta(minutes=30)  # of a process with one that does not answer
_PIECE = 2**26  # bytes of a tensor that are sent at a time


class Word(StrEnum):
    """What the first process tells the others."""

    TRAIN = "train"
    END = "end"
    FAILED = "failed"


def open_store() -> Store:
    """The store that torchrun keeps, or that the first process keeps where torchrun keeps none."""
    store, _, _ = next(rendezvous("env://"))
    return PrefixStore("semiser", store)


def say(store: Store, word: Word) -> int:
    """Tell all others; returns the number of the word, from 1 on."""
    number = store.add("words", 1)
    store.set(f"word {number}", word)
    return number


def hear(store: Store, number: int) -> Word:
    """Wait, however long, for the word of that number.

    Raises:
        RuntimeError: the store is gone, with the host that keeps it.
    """
    key = f"word {number}"
    while not store.check([key]):  # a store's own waiting ends after a time, and says so on standard error
        time.sleep(_ASK_EVERY_S)
    return Word(store.get(key).decode())


@contextmanager
def leading() -> Iterator[None]:
    """In the first process, around its run: behind it the others end, too."""
    torchrun.check()
    store, word = open_store(), Word.FAILED
    try:
        yield
        word = Word.END
    except SystemExit as end:  # how a command ends, well or not
        word = Word.FAILED if end.code else Word.END
        raise
    finally:
        say(store, word)


@contextmanager
def group(store: Store, number: int) -> Iterator[None]:
    """All processes as the default group, while they train what that word announced."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(
        backend,
        timeout=_PATIENCE,
        store=PrefixStore(f"training {number}", store),
        rank=torchrun.rank(),
        world_size=torchrun.processes() or 1,
    )
    yield
    distributed.destroy_process_group()  # after an error the process ends: others may be waiting in the group


def hand_over(value: Any) -> None:
    """Send an object to all other processes of the group; its tensors travel by themselves, without a copy."""
    file = io.BytesIO()
    pickler = _TensorsAside(file)
    pickler.dump(value)
    tensors = [tensor.detach().cpu().contiguous() for tensor in pickler.tensors]
    distributed.broadcast_object_list([file.getvalue(), [(tensor.shape, tensor.dtype) for tensor in tensors]], 0)
    _broadcast(tensors)


def take_over() -> Any:
    """The object that the first process of the group hands over; its tensors lie on the CPU."""
    received: list[Any] = [None, None]
    distributed.broadcast_object_list(received, 0)
    tensors = [torch.empty(shape, dtype=dtype) for shape, dtype in received[1]]
    _broadcast(tensors)
    return _TensorsBack(io.BytesIO(received[0]), tensors).load()


def _broadcast(tensors: list[Tensor]) -> None:
    for tensor in tensors:
        for piece in tensor.reshape(-1).view(torch.uint8).split(_PIECE):
            if len(piece):
                distributed.broadcast(piece, 0)


class _TensorsAside(pickle.Pickler):
    """Pickles everything but tensors, which it collects."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.tensors: list[Tensor] = []
        self._places: dict[int, int] = {}

    def persistent_id(self, value: Any) -> int | None:
        if type(value) is not Tensor:
            return None
        if id(value) not in self._places:
            self._places[id(value)] = len(self.tensors)
            self.tensors.append(value)
        return self._places[id(value)]


class _TensorsBack(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, tensors: list[Tensor]):
        super().__init__(file)
        self._tensors = tensors

    def persistent_load(self, place: int) -> Tensor:
        return self._tensors[place]
