"""A GPU that is none: tensors that lie on `pretend:0`, are computed by the CPU, and obey the rules of two memories.

It is a backend of PyTorch written in Python (its device type PrivateUse1): every operation on such a tensor, also in
backward passes and optimisers, comes here. An operation that a GPU would refuse, since its tensors lie in two memories,
is refused with `WrongDevice`. One that would make the host wait for the device, or the device for the host, is counted.

    with on_pretend_device() as device:      # what asks for the CPU's accelerator is on the device
        fit(data.to(device.device), ...)
    device.waits                             # kind and place of each wait, and how often

It has no kernels and no speed of its own, and draws from the CPU's random state, so that results can be compared.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from lightning_fabric.accelerators.cpu import CPUAccelerator
from lightning_fabric.plugins.precision.amp import MixedPrecision
from lightning_fabric.strategies.single_device import SingleDeviceStrategy
from torch import Tensor
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
CPU = torch.device("cpu")
_SOURCE = str(Path(__file__).parents[1] / "src" / "semiser")
_waits: Counter[tuple[str, str]] = Counter()


class WrongDevice(RuntimeError):
    """Tensors of two memories met."""


class _Module:
    """What PyTorch asks a backend's module (`torch.pretend`) for."""

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """The CPU's random state is drawn from, which is seeded already."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


_setup_privateuseone_for_python_backend("pretend", backend_module=_Module())
DEVICE = torch.device("pretend", 0)


class OnDevice(Tensor):
    """A tensor on the device; `inner` has its values, on the CPU."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnDevice":
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=DEVICE,
        )
        made.inner = inner.detach().resolve_conj().resolve_neg()  # bits that the outer tensor would not have
        return made

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], *_: Any) -> "OnDevice":
        return OnDevice(inner["inner"])

    def __reduce_ex__(self, protocol: int) -> Any:
        """Checkpoints are read onto the CPU (`Fabric.load`), so that is how they are written here."""
        return self.inner.__reduce_ex__(protocol)

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise WrongDevice("numpy() of a tensor on the device")
        return self.detach().cpu().numpy()

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __array__(self, dtype: Any = None) -> Any:
        raise WrongDevice("an array of a tensor on the device")

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


def _fallback(func: Any, *args: Any, **kwargs: Any) -> Any:
    return _compute(func, args, kwargs)


_library = torch.library.Library("_", "IMPL")
_library.fallback(_fallback, "PrivateUse1")  # factories: no tensor of theirs says where they are to lie
_factories = torch.library.Library("aten", "IMPL")
for _name in ("arange", "arange.start", "arange.start_step", "randperm", "linspace", "eye", "eye.m"):
    # else it makes an empty tensor and has it resized, which the outer tensor would not see
    _packet, _, _overload = _name.partition(".")
    _factory = getattr(getattr(aten, _packet), _overload or "default")
    _factories.impl(_name, partial(_fallback, _factory), "PrivateUse1")

_READS = {aten._local_scalar_dense.default: "a value is read", aten.equal.default: "equal"}
_SHAPED_BY_DATA = {
    getattr(aten, name)
    for name in ("nonzero", "unique_dim", "_unique", "_unique2", "unique_consecutive", "masked_select", "bincount")
}
_INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
_ASKS_FOR_ERRORS = {aten.linalg_cholesky.default, aten._linalg_check_errors.default}


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation as the device has it: refused, counted as a wait, or just done."""
    if func is aten._to_copy.default:
        return _moved(args[0], kwargs)
    if func is aten._pin_memory.default:
        raise AssertionError("pinned memory is pretended, too (`on_pretend_device`)")
    if func is aten.copy_.default:
        _count_copy(args[1], args[0], bool(kwargs.get("non_blocking", len(args) > 2 and args[2])))
    else:
        _check(func, args, kwargs)
    named = {**kwargs, "device": CPU} if kwargs.get("device") is not None else kwargs
    found = func(*_inner(args), **_inner(named))
    if func is aten.copy_.default and not isinstance(args[0], OnDevice):
        return args[0]
    if any(
        tensor.shape != tensor.inner.shape for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, OnDevice)
    ):
        raise NotImplementedError(f"{func} resizes a tensor: give the pretend device a kernel of its own for it")
    return return_and_correct_aliasing(func, args, kwargs, tree_map_only(Tensor, _placed, found))


def _inner(values: Any) -> Any:
    return tree_map_only(OnDevice, lambda tensor: tensor.inner, values)


def _placed(tensor: Tensor) -> Tensor:
    return tensor if isinstance(tensor, OnDevice) else OnDevice(tensor)


def _moved(tensor: Tensor, kwargs: dict[str, Any]) -> Tensor:
    target = kwargs.get("device")
    to_device = isinstance(tensor, OnDevice) if target is None else torch.device(target).type == DEVICE.type
    source = tensor.inner if isinstance(tensor, OnDevice) else tensor
    found = aten._to_copy.default(source, **{**kwargs, "device": CPU})
    if to_device != isinstance(tensor, OnDevice):
        _count_copy(tensor, DEVICE if to_device else CPU, kwargs.get("non_blocking", False))
    return OnDevice(found) if to_device else found


def _count_copy(source: Tensor, target: Tensor | torch.device, non_blocking: bool) -> None:
    """Between the memories the host waits, unless what lies in its own is pinned and it says that it does not."""
    to_device = target == DEVICE or isinstance(target, OnDevice)
    if to_device == isinstance(source, OnDevice):
        return
    if not to_device:
        _wait("copy to the host")
    elif source.dim() and not (non_blocking and is_pinned(source)):
        _wait("copy to the device from memory that is not pinned" if non_blocking else "blocking copy to the device")


def _check(func: Any, args: Any, kwargs: dict[str, Any]) -> None:
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    here = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
    there = [tensor for tensor in tensors if not isinstance(tensor, OnDevice)]
    if kwargs.get("generator") is not None:
        raise WrongDevice(f"{func}: a generator of the CPU draws for the device")
    if func in _INDEXED:
        _check_index(func, args)
    elif here and there and not all(tensor.dim() == 0 and _takes_numbers(func) for tensor in there):
        raise WrongDevice(f"{func}: tensors on the device and on the CPU, {[tuple(t.shape) for t in there]} there")
    if func in _READS:
        _wait(_READS[func])
    if func.overloadpacket in _SHAPED_BY_DATA:
        _wait(f"{func.overloadpacket.__name__}: the shape depends on the data")
    if func is aten.repeat_interleave.Tensor and kwargs.get("output_size") is None:
        _wait("repeat_interleave: the shape depends on the data")
    if func in _ASKS_FOR_ERRORS:
        _wait(f"{func}: asks whether it went well")


def _takes_numbers(func: Any) -> bool:
    """Whether a number on the CPU may stand for a tensor."""
    name = func.overloadpacket.__name__
    return torch.Tag.pointwise in func.tags or name.startswith(("_foreach_", "_fused_", "masked_fill", "fill"))


def _check_index(func: Any, args: Any) -> None:
    self, indices = args[0], [index for index in args[1] if index is not None]
    if not isinstance(self, OnDevice):
        raise WrongDevice(f"{func}: a tensor on the CPU is indexed by one on the device")
    if len(args) > 2 and not isinstance(args[2], OnDevice) and args[2].dim():
        raise WrongDevice(f"{func}: values of the CPU are put into a tensor on the device")
    if any(not isinstance(index, OnDevice) for index in indices):
        _wait("an index on the CPU is copied to the device")
    if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
        _wait("indexed by a mask: the shape depends on the data")


def _wait(kind: str) -> None:
    frame = sys._getframe(1)
    while frame and not frame.f_code.co_filename.startswith(_SOURCE):
        frame = frame.f_back
    name = Path(frame.f_code.co_filename).relative_to(_SOURCE) if frame else "tests"
    _waits[kind, f"{name}:{frame.f_lineno} {frame.f_code.co_name}" if frame else ""] += 1


def _pin(tensor: Tensor, device: Any = None) -> Tensor:
    pinned = tensor.clone()
    pinned.untyped_storage().is_pinned_in_name = True
    return pinned


_device_constructors()  # which `torch.device("meta")` takes over: torch's own `tensor` is among them from now on
_on_cpu = torch.tensor


def _tensor(data: Any, *, device: Any = None, **named: Any) -> Tensor:
    """`torch.tensor`, which no backend written in Python is asked for: made on the CPU and copied, as a GPU's is."""
    made = _on_cpu(data, **named)
    return made if device is None else made.to(device)


def is_pinned(tensor: Tensor) -> bool:
    """Whether a tensor lies in what `Tensor.pin_memory` gave, which it is a part of."""
    return getattr(tensor.untyped_storage(), "is_pinned_in_name", False)


class Pretended(NamedTuple):
    """The device, and the waits since the block began: kind and place to how often."""

    device: torch.device
    waits: Counter[tuple[str, str]]


@contextmanager
def on_pretend_device() -> Iterator[Pretended]:
    """Put what asks Fabric for the CPU onto the device; memory can be pinned."""
    _waits.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SingleDeviceStrategy, "root_device", property(lambda self: DEVICE))
        patch.setattr(CPUAccelerator, "setup_device", lambda self, device: None)
        patch.setattr(
            MixedPrecision,
            "forward_context",
            lambda self: torch.autocast(DEVICE.type, dtype=self._desired_input_dtype),
        )
        patch.setattr(Tensor, "pin_memory", _pin)
        patch.setattr(torch, "tensor", _tensor)
        yield Pretended(DEVICE, _waits)
