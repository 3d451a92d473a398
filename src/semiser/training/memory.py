"""What a step takes of a device's memory, reckoned before it is taken.

The step itself is gone through, forwards, backwards and by its optimisers, with tensors that have shapes and no values
(torch's fake tensors), and what lies there at once is summed: nothing is computed, and no formula of a network can fall
behind it. What kernels need inside, such as cuDNN's workspaces, is not seen, nor what an allocator rounds up.
"""

import copy
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from semiser.devices import bytes_of, gib

_SMALL = 7  # values


class Trained(NamedTuple):
    """A network, its optimiser, and the parameters that learn: in some parts of a step they may stand still."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    learning: list[nn.Parameter]

    @classmethod
    def of(cls, network: nn.Module, optimiser: torch.optim.Optimizer) -> "Trained":
        """Whose parameters learn that have a gradient now."""
        return cls(network, optimiser, [each for each in network.parameters() if each.requires_grad])


class Need(NamedTuple):
    """Bytes that a part of a step has on the device.

    Attributes:
        networks: parameters and buffers of all networks that are trained.
        optimisers: what their optimisers keep.
        others: gradients of the networks that this part has none of, which lie there from another one.
        step: the most that forward and backward pass hold at once: what is kept between them, gradients, values on the
            way; the batch itself is not among it.
    """

    networks: int
    optimisers: int
    others: int
    step: int

    @property
    def total(self) -> int:
        """All together."""
        return sum(self)

    def __str__(self) -> str:
        named = zip(("networks", "optimisers", "other gradients", "step"), self, strict=True)
        return ", ".join(f"{name} {gib(value)}" for name, value in named)


def reckon(part: Callable[..., Any], given: Sequence[Any], trained: Sequence[Trained]) -> Need:
    """What a part of a step takes.

    Args:
        part: of `TrainingRun.graph`.
        given: its arguments; networks are among them.
        trained: all networks of the training.
    """
    step, reached = _passes(part, given)
    others = bytes_of([each for one in trained for each in one.learning if id(each) not in reached])
    held = bytes_of([tensor for one in trained for tensor in (*one.network.parameters(), *one.network.buffers())])
    return Need(held, sum(map(optimiser_bytes, trained)), others, step)


def given_bytes(given: Sequence[Any]) -> int:
    """What the tensors among the arguments of a part take; those that other arguments have do not count."""
    return bytes_of([value for value in tree_leaves(given) if isinstance(value, Tensor)])


def _passes(part: Callable[..., Any], given: Sequence[Any]) -> tuple[int, set[int]]:
    """The most that a forward and a backward pass hold, and which parameters (by `id`) get gradients."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)  # what a part takes from elsewhere becomes fake where it is met
    networks = [value for value in tree_leaves(given) if isinstance(value, nn.Module)]
    memo = _fakes([tensor for network in networks for tensor in (*network.parameters(), *network.buffers())], mode)

    def faked(value: Any) -> Any:
        if isinstance(value, Tensor):
            return mode.from_tensor(value)
        return copy.deepcopy(value, memo) if isinstance(value, nn.Module) else value

    arguments = tree_map(faked, list(given))
    with mode, _Watched() as watched:
        losses = [loss for loss in tree_leaves(part(*arguments)) if isinstance(loss, Tensor) and _has_gradient(loss)]
        if losses:
            torch.autograd.backward(losses)
    reached = {
        id(parameter)
        for network in networks
        for parameter in network.parameters()
        if memo[id(parameter)].grad is not None
    }
    return watched.most, reached


def _has_gradient(value: Tensor) -> bool:
    return value.requires_grad and value.dim() == 0


def optimiser_bytes(trained: Trained) -> int:
    """What an optimiser keeps beside the parameters, once it has taken a step.

    It takes one, on small tensors in their place: what is as large as those then is as large as the parameter.
    """
    small = {id(each): nn.Parameter(torch.zeros(_SMALL, dtype=each.dtype)) for each in trained.learning}
    tried = copy.deepcopy(trained.optimiser, small | {id(trained.optimiser.state): defaultdict(dict)})
    for parameter in small.values():
        parameter.grad = torch.zeros_like(parameter)
    tried.step()
    return sum(
        bytes_of(kept) // _SMALL * each.numel() if kept.numel() == _SMALL else bytes_of(kept)
        for each in trained.learning
        for kept in tried.state[small[id(each)]].values()
        if isinstance(kept, Tensor)
    )


def _fakes(tensors: Iterable[Tensor], mode: FakeTensorMode) -> dict[int, Any]:
    """What `copy.deepcopy` is to take for tensors."""
    return {id(tensor): mode.from_tensor(tensor) for tensor in tensors}


class _Watched(TorchDispatchMode):
    """The most bytes of storages that were made under it and were there at once."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._meet((args, kwargs), new=False)
        found = func(*args, **(kwargs or {}))
        self._meet(found, new=True)
        return found

    def _meet(self, values: Any, new: bool) -> None:
        for tensor in tree_leaves(values):
            if isinstance(tensor, Tensor) and (key := (storage := tensor.untyped_storage())._cdata) not in self._known:
                size = storage.nbytes() if new else 0
                self._known.add(key)
                self._now += size
                self.most = max(self.most, self._now)
                weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._now -= size
