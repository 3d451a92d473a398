"""A trained network on the disk: weights and a card that name each other by hash, checked before they are trusted.

`model.safetensors` holds in its metadata the hash of what the card says, `card.json` the hash of the weights' file. So
neither can be changed, damaged or replaced alone, and what a kill left between the two is not taken for a model.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from semiser.card import Card, distinct
from semiser.hold import hold_process
from semiser.options.base import first_problem
from semiser.publish import publishing_on_disk

CARD, WEIGHTS = "card.json", "model.safetensors"
_BOUND = "card_sha256"  # in the metadata of the weights
_MOST_BYTES = 64 << 20  # of a card; the longest have some thousand names
_STATISTICS = "scaling."  # tensors that are no weights
_NUMBERS = ("float32", "float64", "int64")
_KINDS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "BOOL": "bool"}


def write_saved(folder: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Publish weights and, last, the card that makes them a model.

    Args:
        folder: of this model alone.
        tensors: weights, and statistics named `scaling.<...>`.
        card: JSON facts; numbers that are not finite become null.
    """
    facts = _finite(json.loads(json.dumps(card)))
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = safetensors_bytes(kept, {_BOUND: _digest(facts)})
    with publishing_on_disk(folder / WEIGHTS, size=len(data)) as file:
        file.write(data)
    facts = {"weights_sha256": hashlib.sha256(data).hexdigest(), **facts}
    with publishing_on_disk(folder / CARD) as file:
        file.write(json.dumps(facts, ensure_ascii=False, indent=1).encode())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _digest(facts: Mapping[str, Any]) -> str:
    """Hash of what a card says, whatever its layout; the hash of the weights is no part of it."""
    said = {name: value for name, value in facts.items() if name != "weights_sha256"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_facts(path: Path) -> dict[str, Any]:
    """What a card says, as it stands there.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no JSON object, or holds what JSON does not know.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no model card at {path}")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"{path} is no model card: {size:,} bytes, where a card has fewer than {_MOST_BYTES:,}")
    try:
        facts = json.loads(path.read_bytes(), parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no model card: {error}") from error
    if not isinstance(facts, dict):
        raise ValueError(f"{path} is no model card: it names no system")
    return facts


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    distinct([name for name, _ in pairs])
    return dict(pairs)


C = TypeVar("C", bound=Card)
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Saved(Generic[C]):
    """Weights and card of a folder, which belong together.

    Attributes:
        folder: where they lie.
        card: typed.
        facts: the same as it stands in the file.
        header: tensor name to its kind and shape.
    """

    folder: Path
    card: C
    facts: dict[str, Any]
    header: dict[str, tuple[str, tuple[int, ...]]]

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """The tensors whose names begin so, all of them finite."""
        weights = self.folder / WEIGHTS
        found = {name: tensor for name, tensor in load_file(weights).items() if name.startswith(prefix)}
        if bad := [name for name, tensor in found.items() if not tensor.isfinite().all()]:
            raise ValueError(
                f"{weights}: {bad[0]} holds values that are not finite: its training diverged, train again"
            )
        return found

    def build(self, make: Callable[[], M], prefix: str = "", others: Sequence[str] = ()) -> M:
        """The network of the card with its weights, in evaluation mode.

        Names and shapes are compared with the file's header before memory is taken: a card may describe any network,
        the file holds only its own weights.

        Args:
            make: builds it with random weights, on torch's default device.
            prefix: of the network's tensors in the file.
            others: beginnings of the names of further tensors there, beside statistics.

        Raises:
            ValueError: the weights do not fit the network; the message names the file.
        """
        try:
            with torch.device("meta"):
                planned = make().state_dict()
        except (RuntimeError, ValueError, TypeError, OverflowError, IndexError, ZeroDivisionError) as error:
            raise ValueError(f"{self.folder / CARD}: no network can be built as it says: {error}") from error
        expected = {f"{prefix}{name}": (_kind(tensor), tuple(tensor.shape)) for name, tensor in planned.items()}
        passed_over = (_STATISTICS, *others)
        stored = {
            name: found for name, found in self.header.items() if name in expected or not name.startswith(passed_over)
        }
        for name in (*expected, *stored):
            if (wanted := expected.get(name)) != (found := stored.get(name)):
                raise ValueError(
                    f"{self.folder}: {WEIGHTS} does not fit the network in {CARD}: {name}: "
                    f"{_say(wanted)} by the card, {_say(found)} in the file"
                )
        with hold_process():  # making a network draws weights, though they are not kept
            network = make()
        weights = self.tensors(prefix)
        network.load_state_dict({name.removeprefix(prefix): weights[name] for name in expected})
        return network.eval()

    def statistics(
        self, shape: tuple[int, ...], name: str = "scaling", constant: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation that the training scaled with.

        Args:
            shape: of each.
            name: of the tensors.
            constant: a deviation of 0 throughout is possible, as of what a network gives whose units are all dead.

        Raises:
            ValueError: they are missing, of another shape, not finite, negative, or 0 throughout.
        """
        mean, std = (self.tensor(f"{name}.{part}", shape) for part in ("mean", "std"))
        if (std < 0).any() or not (constant or (std > 0).any()):
            weights = self.folder / WEIGHTS
            raise ValueError(f"{weights}: {name}.std: a standard deviation is 0 or more, and not 0 throughout")
        return mean, std

    def tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor that is no part of a network, whose header is compared before it is read.

        Raises:
            ValueError: it is missing, of another shape or kind, or not finite.
        """
        found = self.header.get(name)
        if found is None or found[0] not in _NUMBERS or found[1] != shape:
            wrong = f"expected numbers of shape {shape}, found {_say(found)}"
            raise ValueError(f"{self.folder / WEIGHTS}: {name}: {wrong}")
        return self.tensors(name)[name]

    def has_statistics(self, name: str = "scaling") -> bool:
        """Whether the file holds some of that name."""
        return f"{name}.mean" in self.header


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _say(found: tuple[str | None, tuple[int, ...] | None] | None) -> str:
    return "none" if found is None or found[0] is None else f"{found[0]} {list(found[1] or ())}"


def read_saved(folder: Path, kind: type[C]) -> Saved[C]:
    """Weights and card of a folder, checked against each other; no tensor is read into memory.

    Args:
        folder: with `model.safetensors` and `card.json`.
        kind: what the card must say.

    Raises:
        FileNotFoundError: one of them is missing.
        ValueError: the card is damaged or says something else, the file is no safetensors, or they are not of one
            training; the message names the file.
    """
    facts = read_facts(folder / CARD)
    try:
        card = kind.model_validate({"weights_sha256": "0" * 64, **facts})  # whose absence `check_saved` explains
    except ValidationError as error:
        raise ValueError(f"{folder / CARD} is no card of such a network: {first_problem(error)}") from error
    return Saved(folder, card, facts, check_saved(folder, facts))


def check_saved(folder: Path, facts: Mapping[str, Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Compare the hashes by which weights and card name each other; gives kind and shape of every tensor.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: see `read_saved`.
    """
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise FileNotFoundError(f"no {WEIGHTS} beside the card in {folder}: both are needed, copy them together")
    if "weights_sha256" not in facts:
        raise ValueError(
            f"{folder / CARD} does not say weights_sha256, the hash of its weights (an older semiser or another "
            "program wrote it): train again"
        )
    try:
        with safe_open(weights, "pt") as file:
            bound = (file.metadata() or {}).get(_BOUND)
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            header = {
                name: (_KINDS.get(part.get_dtype(), part.get_dtype()), tuple(part.get_shape()))
                for name, part in slices.items()
            }
    except (SafetensorError, OSError, OverflowError, RuntimeError, ValueError) as error:
        raise ValueError(f"{weights} is no file of weights: {error}") from error
    if facts["weights_sha256"] != file_sha256(weights) or bound != _digest(facts):
        raise ValueError(
            f"{folder}: {CARD} and {WEIGHTS} do not belong together: one of them was changed, damaged or replaced "
            "since they were written; fetch both again, or train again"
        )
    return header


def is_whole(folder: Path) -> bool:
    """Whether weights and card lie there and belong together."""
    try:
        check_saved(folder, read_facts(folder / CARD))
    except (OSError, ValueError):
        return False
    return True


def file_sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keyed_folder(
    parent: Path, key: str, finished: Callable[[Path], bool] = is_whole, reuse: bool = True
) -> tuple[Path, bool]:
    """Folder of what is trained with a key, and whether it is there already.

    Other data or options have another folder, and nothing is overwritten: where a training with the same key is
    repeated, or left weights that do not belong to their card, the next one has a folder of its own. One that ended
    between its card and what `finished` asks for beside it is trained again in its place, to the same bytes.

    Args:
        parent: of the folders.
        key: fingerprint of data, options and seed.
        finished: whether a folder holds all of it.
        reuse: take what is there already.
    """
    number, done = 1, None
    while True:
        folder = parent / (key[:12] if number == 1 else f"{key[:12]}-{number}")
        if folder.is_dir() and finished(folder):
            done = folder
        elif not (folder / CARD).exists() or is_whole(folder):  # whole, and not finished: killed before its last files
            return (done, True) if reuse and done else (folder, False)
        number += 1
