"""What the trainings of the papers take of a GPU's memory, and on which they fit: the table of docs/scale.md.

    python benchmarks/device_memory.py [--only mmmd_ivd mssgan ...]

Every fit is gone through as it is, at the published size and batch, for its first steps, but that these are reckoned
instead of taken (`semiser/training/memory.py`): no GPU is needed, and little memory. Kernels are the CPU's, attention
without dropout, so that it keeps no weight of every pair of frames, as a GPU's kernels keep none with it.
"""

import argparse
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from experiments import Training, published
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map

from semiser.devices import bytes_placed
from semiser.options.training import TrainingOptions
from semiser.training.run import TrainingRun

GPUS = (24, 48, 80, 140)  # 10^9 bytes
PARTS = 40  # of steps that are gone through: all phases of an epoch are among them
KEPT = 1e9  # what the driver, the libraries' workspaces and rounding may take


class Over(Exception):
    """All is seen."""


class Rehearsal(TrainingRun):
    """A run whose steps are reckoned and not taken: they give zeros."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._left = PARTS

    def graph(self, part: Any) -> Any:
        """A part that has the outputs of the real one, all 0."""

        def call(*given: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise Over
            for value in given:
                _with_fused_attention(value)
            self.need_room(part, given)
            mode = FakeTensorMode(allow_non_fake_inputs=True)
            shapes = tree_map(lambda value: mode.from_tensor(value) if isinstance(value, Tensor) else value, given)
            with mode:
                found = part(*shapes)
            return tree_map(lambda value: _zeros(value) if isinstance(value, Tensor) else value, found)

        return call

    def log(self, *given: Any, **values: Any) -> None:
        """The end of an epoch, behind which nothing new comes."""
        raise Over


def _with_fused_attention(value: Any) -> None:
    for module in value.modules() if isinstance(value, nn.Module) else ():
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0


def _zeros(value: Tensor) -> Tensor:
    return torch.zeros(value.shape, dtype=value.dtype, requires_grad=value.requires_grad)


def main() -> None:
    """Reckon and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", help="envs")
    only = parser.parse_args().only
    sizes = " | ".join(f"{size} GB" for size in GPUS)
    print(f"| env | training | precision | fold | networks | optimisers | step | all, GB | {sizes} |")
    print("|---" * (8 + len(GPUS)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for training in published(Path(folder)):
            if not only or training.env in only:
                print(row(training, Path(folder) / "run"), flush=True)


def row(training: Training, folder: Path) -> str:
    """What a training takes, in GB, and where it fits."""
    options = TrainingOptions(accelerator="cpu", precision=training.precision, checkpoint_every_s=1e9)
    run = Rehearsal(folder, 0, options, "rehearsal")
    with suppress(Over):
        training.fit(training.data, training.options, run)
    need = max(run.needs.values(), key=lambda each: each.total)
    fold = bytes_placed(training.data)
    fits = ["yes" if fold + need.total + KEPT <= size * 1e9 else "**no**" for size in GPUS]
    parts = (fold, need.networks, need.optimisers, need.others + need.step, fold + need.total)
    said = [training.env, training.variant, training.precision, *(f"{part / 1e9:.3g}" for part in parts), *fits]
    return f"| {' | '.join(said)} |"


if __name__ == "__main__":
    main()
