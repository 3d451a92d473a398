"""A training run: seed, device, the folder of its checkpoint, its curves."""

import json
import logging
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from semiser.options.training import TrainingOptions
from semiser.shards.publish import publishing_on_disk

logger = logging.getLogger(__name__)
_CHECKPOINT = "checkpoint.ckpt"


class TrainingRun:
    """What a system's `fit` needs beside data and options.

    Attributes:
        fabric: Lightning Fabric: device, precision, backward.
        seed: of everything that is drawn.
        folder: where checkpoint, weights and card go.
        curves: a row per logged value: epoch, name, value.
        scaling: strategy, mean and standard deviation that a new utterance must be scaled with.
    """

    def __init__(self, folder: Path, seed: int, options: TrainingOptions, key: str):
        """Args:
        folder: of this run alone; made where it is missing.
        seed: of everything that is drawn.
        options: device, precision, checkpoints.
        key: fingerprint of data, options and seed; a checkpoint with another one is not resumed.
        """
        if options.threads:
            torch.set_num_threads(options.threads)
        self.fabric = Fabric(accelerator=options.accelerator, devices=1, precision=options.precision)
        self.seed, self.folder, self._key = seed, folder, key
        self._every_s, self._saved_at = options.checkpoint_every_s, time.monotonic()
        self.curves: list[dict[str, Any]] = []
        self.scaling: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def seed_everything(self) -> None:
        """Seed torch's random state, from which all systems draw."""
        torch.manual_seed(self.seed)

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of a batch that all processes draw alike; the whole where there is one process."""
        return rows[self.fabric.global_rank :: self.fabric.world_size]

    def log(self, epoch: int, **values: float) -> None:
        """Add one epoch's values to the curves."""
        self.curves += [{"epoch": epoch, "name": name, "value": float(value)} for name, value in values.items()]

    def save_checkpoint(self, state: Mapping[str, Any], force: bool = False) -> None:
        """Save a resumable state, if the last one is old enough: modules, optimisers and plain values.

        The random state of torch and the curves are part of it. The file is complete or absent.
        """
        if not force and time.monotonic() - self._saved_at < self._every_s:
            return
        everything = {**state, "key": self._key, "curves": self.curves, "random": torch.random.get_rng_state()}
        if torch.cuda.is_available():
            everything["random_cuda"] = torch.cuda.get_rng_state_all()
        temporary = self.folder / f"{_CHECKPOINT}.partial"
        self.fabric.save(temporary, everything)
        temporary.replace(self.folder / _CHECKPOINT)
        self._saved_at = time.monotonic()

    def resume(self, state: dict[str, Any]) -> bool:
        """Restore a checkpoint of the same key into `state`, in place; False where there is none."""
        path = self.folder / _CHECKPOINT
        if not path.exists():
            return False
        try:
            _check_archive(path)
            found = torch.load(path, weights_only=True, map_location="cpu")["key"]
        except Exception as error:  # a damaged archive fails in any of a dozen ways, long before code could run
            logger.warning("checkpoint %s is damaged and is not resumed: %s", path, error)
            return False
        if found != self._key:
            return False
        rest = self.fabric.load(path, state, weights_only=True)
        torch.random.set_rng_state(rest["random"])
        if "random_cuda" in rest:
            torch.cuda.set_rng_state_all(rest["random_cuda"])
        self.curves = rest["curves"]
        return True

    def save_model(self, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
        """Save final weights as safetensors and, last, their JSON card; then drop the checkpoint."""
        data = safetensors_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        with publishing_on_disk(self.folder / "model.safetensors") as file:
            file.write(data)
        with publishing_on_disk(self.folder / "card.json") as file:
            file.write(json.dumps({"seed": self.seed, "key": self._key, **card}, ensure_ascii=False, indent=1).encode())
        (self.folder / _CHECKPOINT).unlink(missing_ok=True)


def _check_archive(path: Path) -> None:
    """Compare every record's checksum, which `torch.load` does not: it would take flipped bits for weights.

    Raises:
        zipfile.BadZipFile: a record is damaged, or the file is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
