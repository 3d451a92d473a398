"""A training run: seed, device, the folder of its checkpoint, its curves."""

import logging
import math
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import torch
from torch import Tensor, distributed
from torch.utils._pytree import tree_map_only

from semiser import __version__
from semiser.devices import bytes_of, fetched, free_bytes, gib, sent
from semiser.options.training import TrainingOptions
from semiser.progress import duration, note
from semiser.provenance import Provenance
from semiser.publish import NO_ROOM
from semiser.training.heap import keep_freed_memory
from semiser.training.memory import Need, Trained, given_bytes, reckon
from semiser.training.saved import write_saved

if TYPE_CHECKING:
    from lightning_fabric import Fabric

logger = logging.getLogger(__name__)
Step = TypeVar("Step", bound=Callable[..., Any])
_CHECKPOINT = "checkpoint.ckpt"
_OF_RUN = {"key", "curves", "random", "parts_drawn", "precision"}  # what a checkpoint has beside the system's state
_GRAPHS = 64  # of one part of a step
_SHOWN = 4  # values of an epoch that are said


def bare(network: torch.nn.Module) -> Any:
    """A network without Fabric's wrapper, which no graph goes through; what it gives may be in short numbers."""
    return getattr(network, "module", network)


def device_of(options: TrainingOptions) -> torch.device:
    """The device that a run with these options computes on."""
    if options.accelerator == "auto" and not torch.accelerator.is_available():
        return torch.device(
            "cpu"
        )  # what Fabric says, too, but its loading takes a second, in vain where all is finished
    from lightning_fabric import Fabric

    return Fabric(accelerator=options.accelerator, devices=1).device


class TrainingRun:
    """What a system's `fit` needs beside data and options.

    Attributes:
        fabric: Lightning Fabric: device, precision, backward.
        seed: of everything that is drawn.
        folder: where checkpoint, weights and card go; with several processes the first alone writes.
        key: fingerprint of data, options and seed.
        curves: a row per logged value: epoch, name, value.
        needs: what the parts of a step take on a device whose memory has a limit, by name, once they were reckoned.
        provenance: of the data, for the card.
    """

    def __init__(self, folder: Path, seed: int, options: TrainingOptions, key: str, fabric: "Fabric | None" = None):
        """Args:
        folder: of this run alone; made where it is missing.
        seed: of everything that is drawn.
        options: device, precision, checkpoints.
        key: fingerprint of data, options and seed; a checkpoint with another one is not resumed.
        fabric: of one of several processes; None: a run of this process alone.
        """
        if options.threads:
            torch.set_num_threads(options.threads)
        from lightning_fabric import Fabric

        from semiser.training.checkpoints import WholeCheckpoints

        self.fabric = fabric or Fabric(accelerator=options.accelerator, devices=1, precision=options.precision)
        if options.precision == "16-mixed" and self.fabric.device.type == "cpu":  # Fabric would take bfloat16 instead
            raise ValueError(
                "training.precision: 16-mixed needs a GPU, since a CPU does not train in float16: take 32-true, or "
                "bf16-mixed, whose numbers are as short"
            )
        if self.fabric.device.type == "cpu":
            keep_freed_memory()
        self.fabric.strategy.checkpoint_io = WholeCheckpoints()
        self.seed, self.folder, self.key = seed, folder, key
        self._every_s, self._saved_at = options.checkpoint_every_s, time.monotonic()
        self._parts_drawn = 0
        self._compile, self._compiled, self._in_step = options.compile, dict[Any, Any](), set[Any]()
        self._limited = free_bytes(self.fabric.device) < math.inf
        self._trained: list[Trained] = []
        self.needs: dict[str, Need] = {}
        self._largest, self._reckoning = dict[Any, int](), False
        self._first: tuple[int, float] | None = None  # epoch that this process logged first, and when
        self.curves: list[dict[str, Any]] = []
        self.provenance = Provenance()
        if self.fabric.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def scaling(self) -> Mapping[str, Any]:
        """How the data were scaled, and a new utterance must be."""
        return self.provenance.scaling

    @property
    def families(self) -> Mapping[str, Any]:
        """Feature column to the family that computes it for a new utterance."""
        return self.provenance.families

    def setup(self, network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> tuple[Any, Any]:
        """A network and its optimiser as Fabric sets them up; what they take on the device is known from then on."""
        self._trained.append(Trained.of(network, optimiser))
        return self.fabric.setup(network, optimiser)

    def seed_everything(self) -> None:
        """Seed torch's random state, from which all systems draw; the process is held meanwhile (`hold_process`)."""
        torch.manual_seed(self.seed)

    @contextmanager
    def own_draws(self) -> Iterator[None]:
        """Where a process draws for its part alone, such as dropout: behind it all processes draw alike again.

        With one process nothing happens; with several each has a random state of its own meanwhile, another one every
        time: between two times nothing else may have been drawn.
        """
        if self._reckoning:
            yield
            return
        self._parts_drawn += 1
        if self.fabric.world_size == 1:
            yield
            return
        alike = torch.Generator().set_state(torch.get_rng_state())  # a copy, so that nothing is taken from the original
        seed = int(torch.randint(2**62, (), generator=alike))
        seed += self._parts_drawn * self.fabric.world_size + self.fabric.global_rank
        device = self.fabric.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    def graph(self, part: Step) -> Step:
        """A part of a step, compiled as one graph where `training.compile` asks for it.

        A part that comes again begins another step, behind which a GPU may use the memory of what the parts gave anew.

        Args:
            part: a function without a break in its graph: no draws on the CPU, no questions about values, networks
                without Fabric's wrapper (`bare`) under `fabric.autocast`.
        """
        call = self._graph(part)
        if not self._limited:
            return call

        def with_room(*given: Any) -> Any:
            self.need_room(part, given)
            return call(*given)

        return with_room  # type: ignore[return-value]  # the same arguments and result

    def _graph(self, part: Step) -> Step:
        if self._compile == "none":
            return part
        if part not in self._compiled:
            options: dict[str, Any] = {"fallback_random": True, "triton.cudagraphs": self._compile == "cuda_graphs"}
            # a break is an error; batches of several sizes and lengths each may have a graph
            self._compiled[part] = torch.compile(  # type: ignore[call-overload]  # torch's own types lack the limit
                part, fullgraph=True, recompile_limit=_GRAPHS, options=options
            )
        if part in self._in_step:
            torch.compiler.cudagraph_mark_step_begin()
            self._in_step.clear()
        self._in_step.add(part)
        return self._compiled[part]

    def need_room(self, part: Callable[..., Any], given: Sequence[Any]) -> None:
        """Refuse a step for which the device has no room, before it is taken: whenever its batch is larger than before.

        Raises:
            ValueError: it needs more than is free.
        """
        if (size := given_bytes(given)) <= self._largest.get(part, 0):
            return
        self._largest[part], device = size, self.fabric.device
        self._reckoning = True
        try:
            need = reckon(part, given, self._trained)
        finally:
            self._reckoning = False
        states = [state for one in self._trained for state in one.optimiser.state.values()]
        gradients = [parameter.grad for one in self._trained for parameter in one.learning]
        held = need.networks + bytes_of(states) + bytes_of(gradients)
        self.needs[part.__name__] = need
        logger.info("memory of a step on %s (%s): %s", device, part.__name__, need)
        if need.total - held > (free := free_bytes(device)):
            raise ValueError(
                f"training.accelerator: a step needs {gib(need.total - held)} on {device} beside what lies there, and "
                f"{gib(free)} are free ({need}). Take a smaller batch_size or network, training.precision=bf16-mixed, "
                "more training.devices, a GPU with more memory, or training.accelerator=cpu"
            )

    @property
    def own(self) -> slice:
        """Places in a batch of this process's rows."""
        return slice(self.fabric.global_rank, None, self.fabric.world_size)

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of a batch that all processes draw alike; the whole where there is one process."""
        return rows[self.own]

    @overload
    def divisor(self, size: float) -> float: ...

    @overload
    def divisor(self, size: Tensor) -> Tensor: ...

    def divisor(self, size: float | Tensor) -> float | Tensor:
        """What the sum of a loss over this process's part is divided by where the loss is a mean over the batch.

        The mean over the processes, which their gradients go through, is then the mean over the batch, whatever the
        sizes of the parts.

        Args:
            size: rows of the whole batch, or the sum of their weights.
        """
        return size / self.fabric.world_size

    def average(self, values: Tensor) -> Tensor:
        """Mean over the processes, such as of losses that were divided by `divisor`; no gradient goes through it."""
        if self.fabric.world_size == 1:
            return values
        total = values.detach().clone()
        self._sum(total)
        return total / self.fabric.world_size

    def whole(self, part: Tensor, size: int) -> Tensor:
        """A batch of `size` rows from the parts of all processes, as `share` cut them; no gradient goes through it."""
        if self.fabric.world_size == 1:
            return part
        rows = part.new_zeros(size, *part.shape[1:])
        rows[self.own] = part.detach()
        self._sum(rows)
        return rows

    def _sum(self, values: Tensor) -> None:
        """The sum over the processes, in place; what is only reckoned stays here."""
        if not self._reckoning:
            distributed.all_reduce(values)

    def joined(self, part: Tensor, size: int) -> Tensor:
        """`whole`, for a loss that is no sum over rows: every process computes it on the whole batch.

        The gradient goes to the own rows, times the number of processes: behind `fabric.backward`, which takes the mean
        over the processes, it is that of the batch.
        """
        if self.fabric.world_size == 1:
            return part
        rows, own = self.whole(part, size), part.detach()
        rows[self.own] = own + self.fabric.world_size * (part - own)
        return rows

    def log(self, epoch: int, of: int | None = None, **values: float | Tensor) -> None:
        """Add one epoch's values to the curves, and say where the training stands.

        Args:
            epoch: counted from 0.
            of: how many epochs there will be, where that is known.
            values: losses, and figures on the validation part.
        """
        numbers = fetched(values)
        note(self._where(epoch, of, numbers))
        self.curves += [{"epoch": epoch, "name": name, "value": value} for name, value in numbers.items()]

    def _where(self, epoch: int, of: int | None, values: Mapping[str, float]) -> str:
        """The epoch, its first values and the time left, by the epochs since this process began or went on."""
        if self._first is None:
            self._first = epoch, time.monotonic()
        first, began = self._first
        said = f"epoch {epoch + 1}" + (f" of {of}" if of else "")
        said += "".join(f", {name} {value:.3g}" for name, value in list(values.items())[:_SHOWN])
        if of and epoch > first:
            left = (time.monotonic() - began) / (epoch - first) * (of - epoch - 1)
            said += f", {duration(left)} left of it"
        return said

    def save_checkpoint(self, state: Mapping[str, Any], force: bool = False) -> None:
        """Save a resumable state, if the last one is old enough: modules, optimisers and plain values.

        The random state of torch and the curves are part of it. The file is complete or absent. With several processes
        the state is the same in all of them, and the first saves it.
        """
        if not self.fabric.is_global_zero or (not force and time.monotonic() - self._saved_at < self._every_s):
            return
        everything = {**state, "key": self.key, "curves": self.curves, "random": torch.get_rng_state()}
        everything["parts_drawn"] = self._parts_drawn
        everything["precision"] = self.fabric.strategy.precision.state_dict()  # the scale of 16-mixed
        if self.fabric.device.type == "cuda":
            everything["random_cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        try:
            # Fabric's own save waits for all processes
            self.fabric.strategy.save_checkpoint(self.folder / _CHECKPOINT, everything)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            logger.warning("no checkpoint, the training goes on without: %s", error)
        self._saved_at = time.monotonic()

    def resume(self, state: dict[str, Any]) -> bool:
        """Restore a checkpoint of the same key into `state`, in place; False where there is none.

        Its number of processes may have been another one, and its device. Tensors of the state lie on this run's device
        then, but for random states, whose names end in `random`: those are the CPU's.
        """
        with self._checkpoint() as path:
            if path is None:
                return False
            rest = self.fabric.load(path, state, weights_only=True)
        for name, value in state.items():
            if isinstance(value, Tensor | dict) and not name.endswith("random"):
                state[name] = tree_map_only(Tensor, partial(sent, device=self.fabric.device), value)
        torch.set_rng_state(rest["random"])
        self._parts_drawn = rest["parts_drawn"]
        self.fabric.strategy.precision.load_state_dict(rest["precision"])
        if "random_cuda" in rest and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(rest["random_cuda"], self.fabric.device)
        self.curves = rest["curves"]
        return True

    @contextmanager
    def _checkpoint(self) -> Iterator[Path | None]:
        """A file with what is resumed, None where there is nothing. The others get a copy of what the first has: they
        may be on hosts that do not see its disk."""
        path, several = self.folder / _CHECKPOINT, self.fabric.world_size > 1
        resumable = self.fabric.is_global_zero and self._is_resumable(path)
        content = self.fabric.broadcast(path.read_bytes() if resumable and several else None)
        if self.fabric.is_global_zero or content is None:
            yield path if resumable else None
            return
        with tempfile.TemporaryDirectory(prefix="semiser-") as folder:
            copy = Path(folder) / _CHECKPOINT
            copy.write_bytes(content)
            yield copy

    def _is_resumable(self, path: Path) -> bool:
        if not path.exists():
            return False
        try:
            _check_archive(path)
            found = torch.load(path, weights_only=True, map_location="cpu")
            if lacks := _OF_RUN - found.keys():
                raise KeyError(f"it lacks {', '.join(sorted(lacks))}")
        except Exception as error:  # a damaged archive fails in any of a dozen ways, long before code could run
            logger.warning("checkpoint %s is damaged and is not resumed: %s", path, error)
            return False
        return found["key"] == self.key

    def save_model(self, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
        """Save final weights as safetensors and, last, their JSON card; then drop the checkpoint.

        Every card says with which seed, data and options (`key`), features, versions and device the model was made.
        """
        if not self.fabric.is_global_zero:
            return
        made = {"seed": self.seed, "key": self.key, "semiser": __version__, "torch": torch.__version__}
        made |= {"device": self.fabric.device.type, "families": self.families}
        try:
            write_saved(self.folder, tensors, {**made, **card})
        except OSError as error:
            if error.errno not in NO_ROOM or not self._makes_room(tensors):
                raise
            logger.warning("%s: its checkpoint makes room for the finished model", self.folder)
            (self.folder / _CHECKPOINT).unlink()
            write_saved(self.folder, tensors, {**made, **card})
        (self.folder / _CHECKPOINT).unlink(missing_ok=True)

    def _makes_room(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether the model would fit in if its checkpoint were not there."""
        path = self.folder / _CHECKPOINT
        held = path.stat().st_size if path.is_file() else 0
        needed = sum(tensor.nbytes for tensor in tensors.values())
        return held > 0 and shutil.disk_usage(self.folder).free + held > needed


def _check_archive(path: Path) -> None:
    """Compare every record's checksum, which `torch.load` does not: it would take flipped bits for weights.

    Raises:
        zipfile.BadZipFile: a record is damaged, or the file is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
