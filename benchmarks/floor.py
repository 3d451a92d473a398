"""The hardware's floor under a training step: its products, convolutions and transforms alone, and memory traffic.

Nothing is derived from a formula. A step runs once while a dispatch mode records every call of a matrix product, a
convolution and a Fourier transform, forward and backward, with the shapes, strides and types of its tensors. Exactly
these calls then run by themselves on random tensors, so they count at the rate that this machine's library reaches on
them. A convolution also runs with its tensors in the other order of memory, and the faster order counts. Memory: what
the step must read and write is copied once, at the rate of a copy of that size. All that takes turns with the step.

Random numbers are timed likewise, as `draws`. They are no part of the floor, but of a second figure: where results must
stay what they are, a step draws the same numbers, and torch's generator makes them one after the other.
"""

import operator
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

_aten = torch.ops.aten
KINDS = {
    "products": (
        _aten.mm,
        _aten.addmm,
        _aten.bmm,
        _aten.baddbmm,
        _aten._scaled_dot_product_flash_attention_for_cpu,
        _aten._scaled_dot_product_flash_attention_for_cpu_backward,
        _aten._scaled_dot_product_flash_attention,
        _aten._scaled_dot_product_flash_attention_backward,
        _aten._scaled_dot_product_efficient_attention,
        _aten._scaled_dot_product_efficient_attention_backward,
    ),
    "convolutions": (_aten.convolution, _aten.convolution_backward),
    "transforms": (_aten._fft_r2c, _aten._fft_c2r),
    "draws": (_aten.bernoulli_, _aten.normal_, _aten.uniform_, _aten.randn, _aten.rand),
}
_KIND = {operator: kind for kind, operators in KINDS.items() for operator in operators}
_TENSORS_OF_ADAM = 8  # parameter, gradient and two moments are read, and written


class _Like(NamedTuple):
    """What a call needs to know of a tensor."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, value: Any) -> Any:
        """Of a tensor; anything else stays what it is, lists as tuples, so that calls can be counted."""
        if isinstance(value, Tensor):
            return cls(tuple(value.shape), value.stride(), value.dtype, value.device)
        return tuple(value) if isinstance(value, list) else value

    def drawn(self) -> Tensor:
        """Random numbers that lie in memory as the tensor did."""
        places = 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))
        if not self.dtype.is_floating_point and not self.dtype.is_complex:
            return torch.ones(places, dtype=self.dtype, device=self.device).as_strided(self.shape, self.stride)
        values = torch.randn(places, dtype=self.dtype, device=self.device)
        return values.as_strided(self.shape, self.stride)


class _Recorder(TorchDispatchMode):
    """Counts the calls of `KINDS`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[tuple] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # torch's own signature
        if function.overloadpacket in _KIND:
            given = tuple(_Like.of(value) for value in args)
            named = tuple((name, _Like.of(value)) for name, value in (kwargs or {}).items())
            self.calls[function, given, named] += 1
        return function(*args, **(kwargs or {}))


class Floor:
    """The floor under one step.

    Attributes:
        parts: by kind, and `memory`: a function that does the work once.
    """

    def __init__(self, step: Callable[[], object], parameters: Iterable[Tensor], inputs: int):
        """Args:
        step: runs once, and is recorded.
        parameters: that Adam updates in a step.
        inputs: bytes of the batch, which are read once.
        """
        with _Recorder() as recorder:
            step()
        replays: dict[str, list[tuple[Callable[[], object], int]]] = {}
        for call, times in recorder.calls.items():
            replays.setdefault(_KIND[call[0].overloadpacket], []).append((_fastest(call), times))
        self.parts: dict[str, Callable[[], None]] = {kind: _all_of(calls) for kind, calls in replays.items()}
        bytes_ = inputs + _TENSORS_OF_ADAM * sum(parameter.nbytes for parameter in parameters)
        device = {
            argument.device for call in recorder.calls for argument in call[1] if isinstance(argument, _Like)
        }.pop()
        source = torch.zeros(bytes_ // 2, dtype=torch.uint8, device=device)  # a copy reads and writes each byte
        target = torch.zeros_like(source)
        self.parts["memory"] = lambda: target.copy_(source)


def compare(step: Callable[[], object], floor: Floor, rounds: int, device: str = "cpu", per: str = "step") -> float:
    """Time a step and the parts of its floor in turn, print the medians, and step / floor.

    On a CPU processor time counts, which other programs disturb less than time.

    Args:
        step: what the floor was made of.
        floor: of the step.
        rounds: after one that warms up.
        device: `cpu` or `cuda`.
        per: what the step is called.

    Returns:
        The median of the rounds' ratios.
    """
    works = {per: step} | floor.parts
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            taken = seconds(work, device)
            if number:
                times[name].append(taken)
    drawn = times.pop("draws", [0.0] * rounds)
    floors = [sum(parts) for parts in zip(*(times[part] for part in times if part != per), strict=True)]
    parts = ", ".join(f"{part} {_ms(values)}" for part, values in times.items() if part != per)
    print(f"{per} {_ms(times[per])} ms, floor {_ms(floors)} ms ({parts}); draws {_ms(drawn)}")
    ratios = sorted(map(operator.truediv, times[per], floors))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(f"{per} / floor = {statistics.median(ratios):.2f} (half of the rounds: {low:.2f} to {high:.2f})")
    beside = statistics.median(own / (floor + draw) for own, floor, draw in zip(times[per], floors, drawn, strict=True))
    print(f"{per} / (floor + draws) = {beside:.2f}")
    return statistics.median(ratios)


def _ms(values: list[float]) -> str:
    return f"{1000 * statistics.median(values):.2f}"


def seconds(work: Callable[[], object], device: str = "cpu") -> float:
    """What a call takes: processor time of all threads on a CPU, time on a GPU until it has finished."""
    if device == "cpu":
        started = time.process_time()
        work()
        return time.process_time() - started
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def _all_of(calls: list[tuple[Callable[[], object], int]]) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            for call, times in calls:
                for _ in range(times):
                    call()

    return run


def _fastest(call: tuple) -> Callable[[], object]:
    """The call on random tensors as it was recorded or, of a convolution, in the faster order of memory."""
    function, args, kwargs = call
    given, named = _tensors(args), dict(_tensors(kwargs))

    def replay(arguments: tuple) -> Callable[[], object]:
        return lambda: function(*arguments, **named)

    forms = [given]
    if _KIND[function.overloadpacket] == "convolutions":
        forms = [_in_order(given, order) for order in (torch.contiguous_format, torch.channels_last)]
    if len(forms) == 1:
        return replay(given)
    calls = [replay(form) for form in forms]
    taken = [statistics.median(seconds(one, str(given[0].device.type)) for _ in range(5)) for one in calls]
    return calls[taken.index(min(taken))]


def _in_order(args: tuple, order: torch.memory_format) -> tuple:
    return tuple(
        value.contiguous(memory_format=order) if isinstance(value, Tensor) and value.ndim == 4 else value
        for value in args
    )


def _tensors(values: Any) -> Any:
    """Descriptions of tensors, wherever they stand, as tensors."""
    return tree_map(
        lambda value: value.drawn() if isinstance(value, _Like) else value,
        values,
        is_leaf=lambda value: isinstance(value, _Like),
    )
