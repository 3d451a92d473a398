"""Facial expression networks: MobileNetV2 for CMKT's visual knowledge, DenseNet-BC for MSSGAN's Dface features.

Both are trained on single face images with cross entropy: on a table of image files (RAF-DB, FERPlus), or on faces that
the caller draws, which cost nothing and let the whole chain be tried.
"""

import copy
import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.nn import functional as F

from semiser import __version__
from semiser.card import Card
from semiser.devices import placed, sent
from semiser.errors import Unusable
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.faces.crop import resize_face
from semiser.faces.images import FaceImage, decode_face, ingest_faces
from semiser.faces.network import (
    ExpressionNetwork,
    build_expression_network,
    load_expression_network,
    predict_probabilities,
    start_from,
    to_input,
)
from semiser.faces.options import FaceImagesOptions, FaceNetworkOptions
from semiser.faces.registry import get_face_reader
from semiser.hold import hold_process
from semiser.options.face_features import ExpressionTrainingOptions, NetworkOptions
from semiser.options.training import TrainingOptions
from semiser.training.batches import shuffled
from semiser.training.run import TrainingRun, bare
from semiser.training.saved import keyed_folder, read_saved
from semiser.training.side_by_side import Trainings

__all__ = ["Draw", "FaceData", "fit", "learning_rate", "load_expression_network", "read_faces", "stack_faces", "train"]

logger = logging.getLogger(__name__)
ROLES = ("train", "validation", "test")

# draw(options, seed) -> faces of the network's size, where the images are `drawn`
Draw = Callable[[ExpressionTrainingOptions, int], "FaceData"]


@dataclass(frozen=True)
class FaceData:
    """Face images and who learns from which.

    Attributes:
        faces: (N, channels, S, S) uint8.
        labels: class numbers, (N,).
        rows: role (`train`, `validation`, `test`) to row numbers; the last two may be empty.
    """

    faces: Tensor
    labels: Tensor
    rows: dict[str, Tensor]

    def to(self, device: torch.device) -> "FaceData":
        """The same on another device."""
        rows = {role: rows.to(device) for role, rows in self.rows.items()}
        return FaceData(self.faces.to(device), self.labels.to(device), rows)


def train(wanted: Mapping[Any, FaceNetworkOptions], training: TrainingOptions, draw: Draw) -> list[dict[str, Any]]:
    """Train networks on the images that their options name, unless they are there already; side by side on a CPU.

    Args:
        wanted: folder (a path) of the networks of a kind to images and training.
        training: device, precision, checkpoints; the first seed is taken.
        draw: gives the faces where the images are `drawn`.

    Returns:
        Their cards, with `folder`, where each lies.
    """
    planned = [_Planned.of(options, training, Path(parent)) for parent, options in wanted.items()]
    trainings = Trainings(partial(_training_of, training=training, draw=draw), training, long=True)
    waiting = [one for one in planned if not one.there]
    rest = iter(waiting)
    for _ in waiting:
        one, figures = trainings.finish(rest)
        logger.info("%s: %s", one.folder, figures)
    return [read_saved(one.folder, Card).facts | {"folder": one.folder.as_posix()} for one in planned]


class _Planned(NamedTuple):
    """A network that is to be there.

    Attributes:
        options: its images and training.
        images: their table and folder; None where they are drawn.
        key: fingerprint of all that it depends on.
        folder: where it lies, or will.
        there: whether it was trained before.
    """

    options: FaceNetworkOptions
    images: tuple[pa.Table, Path] | None
    key: str
    folder: Path
    there: bool

    @classmethod
    def of(cls, options: FaceNetworkOptions, training: TrainingOptions, parent: Path) -> Self:
        images = _read_images(options.images)
        key = _key(options, images, training.seeds[0], training.precision)
        folder, there = keyed_folder(parent, key, reuse=training.reuse)
        if there:
            logger.info("%s: trained before with the same images and options", folder)
        return cls(options, images, key, folder, there)


def _training_of(planned: _Planned, training: TrainingOptions, draw: Draw) -> Callable[[], dict[str, float]]:
    """The training of a network, with its faces, for this process or another one."""
    seed, how, images = training.seeds[0], planned.options.training, planned.images
    data = draw(how, seed) if images is None else read_faces(*images, how, seed)
    learned_from = describe_images(planned.options, None if images is None else images[0])
    return partial(_train, planned.folder, seed, training, planned.key, data, how, learned_from)


def _train(
    folder: Path,
    seed: int,
    training: TrainingOptions,
    key: str,
    data: FaceData,
    how: ExpressionTrainingOptions,
    learned_from: dict[str, Any],
) -> dict[str, float]:
    with hold_process():
        return fit(data, how, TrainingRun(folder, seed, training, key), learned_from)


def describe_images(options: FaceNetworkOptions, table: pa.Table | None) -> dict[str, Any]:
    """What a network learns from, for its card; the log says it, too, and warns of drawn faces."""
    if table is None:
        logger.warning("DRAWN faces: what the network says of real ones means nothing (train_faces.*.images)")
        found: dict[str, Any] = {"images": "drawn"}
    else:
        assert options.images != "drawn"
        logger.info("faces of %s: %d images", options.images.reader, len(table))
        found = {"images": options.images.reader, "count": len(table)}
    if file := options.training.initial_weights:
        found |= {"initial_weights": Path(file).name, "initial_weights_sha256": _initial_hash(options.training)}
    return found


def _initial_hash(options: ExpressionTrainingOptions) -> str:
    """SHA-256 of the initial weights.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not the one that the options insist on.
    """
    file, expected = Path(options.initial_weights or ""), options.initial_weights_sha256
    if not file.is_file():
        raise FileNotFoundError(f"initial_weights: no file {file}: name one of safetensors")
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if expected and found != expected.lower():
        raise ValueError(f"initial_weights_sha256: {file} must have the hash {expected}, not {found}")
    return found


def _read_images(options: FaceImagesOptions | Literal["drawn"]) -> tuple[pa.Table, Path] | None:
    """The table of images and the folder that they lie in; None where they are drawn."""
    if options == "drawn":
        return None
    reader = get_face_reader(options.reader)
    root = Path(options.root)
    return ingest_faces("images", root, reader, reader.options(**options.options)).faces, root


def _key(options: FaceNetworkOptions, images: tuple[pa.Table, Path] | None, seed: int, precision: str) -> str:
    """Hash of the options and of the images: their rows, and the size and time stamp of their files."""
    facts: dict[str, Any] = {"version": __version__, "seed": seed, "precision": precision}
    facts |= {"training": options.training.model_dump(mode="json")}
    if options.training.initial_weights:
        facts["initial_weights"] = _initial_hash(options.training)
    if images is not None:
        table, root = images
        paths = [root / path for path in table["path"].drop_null().to_pylist()]
        facts["files"] = [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in paths)]
        facts["rows"] = table.to_pylist()
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def fit(
    data: FaceData, options: ExpressionTrainingOptions, run: TrainingRun, learned_from: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Train an expression network; weights and card go to the run's folder.

    Args:
        data: faces of the network's size and channels.
        options: network, optimiser, augmentation.
        run: device, seed, checkpoint and curves.
        learned_from: of `describe_images`, for the card.

    Returns:
        `<role>_accuracy` and `<role>_uar` in [0, 1] of the weights kept, for validation and test where there are any.
    """
    run.seed_everything()
    network = build_expression_network(options.network, len(options.classes))
    if options.initial_weights:
        start_from(network, Path(options.initial_weights))
    network, optimiser = run.setup(network, _make_optimiser(network, options))
    data = placed(data, run.fabric.device)
    state = {"network": network, "optimiser": optimiser, "epoch": 0, "best_uar": -1.0, "best": {}}
    run.resume(state)
    for epoch in range(state["epoch"], options.epochs):
        losses = [
            _step(network, optimiser, data, batch, options, progress, run)
            for batch, progress in _batches(data.rows["train"], epoch, options)
        ]
        mean_loss = torch.stack(losses).mean().item()
        run.log(epoch, options.epochs, loss=mean_loss, **_validate(network, data, options, state))
        state["epoch"] = epoch + 1
        run.save_checkpoint(state)
    if state["best"]:
        network.load_state_dict(state["best"])
    figures = _score(network, data, "validation") | _score(network, data, "test")
    _save(network, options, figures, run, learned_from or {})
    return figures


def _make_optimiser(network: torch.nn.Module, options: ExpressionTrainingOptions) -> torch.optim.Optimizer:
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimiser == "adam":
        return torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
    return torch.optim.SGD(network.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=decay)


def _batches(rows: Tensor, epoch: int, options: ExpressionTrainingOptions) -> Iterator[tuple[Tensor, float]]:
    """Shuffled batches of near-equal size, each with the share of the whole training that lies behind it."""
    batches = shuffled(rows).chunk(math.ceil(len(rows) / options.batch_size))
    for number, batch in enumerate(batches):
        yield batch, (epoch + number / len(batches)) / options.epochs


def _step(
    network: ExpressionNetwork,
    optimiser: torch.optim.Optimizer,
    data: FaceData,
    batch: Tensor,
    options: ExpressionTrainingOptions,
    progress: float,
    run: TrainingRun,
) -> Tensor:
    """One step of the optimiser; returns the loss."""
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(options, progress)
    faces = augment(data.faces[batch], options.flip, options.max_shift)
    loss = run.graph(batch_loss)(bare(network), to_input(faces), data.labels[batch], run)
    optimiser.zero_grad()
    run.fabric.backward(loss)
    optimiser.step()
    return loss.detach().clone()  # a graph gives the next one in the same place


def batch_loss(network: ExpressionNetwork, x: Tensor, y: Tensor, run: TrainingRun) -> Tensor:
    """Cross entropy of a batch, a scalar; a graph without breaks."""
    with run.fabric.autocast():
        logits = network(x)
    return F.cross_entropy(logits.float(), y)


def learning_rate(options: ExpressionTrainingOptions, progress: float) -> float:
    """The learning rate when the share `progress` in [0, 1] of the training is done."""
    # a thousandth ahead, so that the first step's rate is above 0
    factor = min(1.0, (progress + 1e-3) / options.warmup) if options.warmup else 1.0
    if options.schedule == "cosine":
        factor *= 0.5 * (1 + math.cos(math.pi * progress))
    elif options.schedule == "step":
        factor *= 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
    return options.learning_rate * factor


def augment(faces: Tensor, flip: bool, max_shift: float) -> Tensor:
    """Mirror every other face at random and shift each by up to a share of its side; edge pixels are repeated.

    Args:
        faces: (B, channels, S, S) uint8.
        flip: mirror with probability one half.
        max_shift: largest shift each way as a share of S.

    Returns:
        The same shape; drawn from torch's random state.
    """
    count, channels, side, _ = faces.shape
    most = round(max_shift * side)
    down, right = torch.randint(-most, most + 1, (2, count, 1))
    mirrored = torch.rand(count, 1) < 0.5 if flip else torch.zeros(count, 1, dtype=torch.bool)
    pixels = torch.arange(side)
    rows = sent((pixels + down).clamp(0, side - 1), faces.device)  # (B, S)
    columns = torch.where(mirrored, side - 1 - pixels, pixels)
    columns = sent((columns + right).clamp(0, side - 1), faces.device)
    images = torch.arange(count, device=faces.device)[:, None, None, None]
    planes = torch.arange(channels, device=faces.device)[None, :, None, None]
    return faces[images, planes, rows[:, None, :, None], columns[:, None, None, :]]


def _score(network: ExpressionNetwork, data: FaceData, role: str) -> dict[str, float]:
    """Accuracy and UAR of a role; nothing where it has no rows."""
    rows = data.rows[role]
    if not len(rows):
        return {}
    probabilities = predict_probabilities(network, data.faces[rows])
    counts = confusion_matrix(
        data.labels[rows].numpy(force=True), probabilities.argmax(1).numpy(force=True), probabilities.shape[1]
    )
    return {f"{role}_accuracy": float(np.trace(counts) / counts.sum()), f"{role}_uar": float(uar(counts))}


def _validate(
    network: ExpressionNetwork, data: FaceData, options: ExpressionTrainingOptions, state: dict[str, Any]
) -> dict[str, float]:
    """Figures of the validation part; keeps the best weights where they are to be selected."""
    figures = _score(network, data, "validation")
    if options.select == "validation" and figures.get("validation_uar", -1.0) > state["best_uar"]:
        state["best_uar"], state["best"] = figures["validation_uar"], copy.deepcopy(network.state_dict())
    return figures


def _save(
    network: ExpressionNetwork,
    options: ExpressionTrainingOptions,
    figures: dict[str, float],
    run: TrainingRun,
    learned_from: Mapping[str, Any],
) -> None:
    """Weights as safetensors; what is needed to build and judge the network in the card."""
    card = {
        "system": "expression",
        "network": options.network.model_dump(mode="json"),
        "num_features": network.num_features,
        "classes": list(options.classes),
        "input": "square face of network.input_size, uint8 / 127.5 - 1",
        "training": options.model_dump(mode="json", exclude={"network", "classes"}),
        "figures": figures,
        "learned_from": dict(learned_from),
    }
    run.save_model(network.state_dict(), card)


def read_faces(table: pa.Table, root: Path, options: ExpressionTrainingOptions, seed: int) -> FaceData:
    """Face images of a table, squared to the network's size; where no row is for validation, a share of training is.

    Args:
        table: columns of `semiser.faces.images.FACES_SCHEMA`, of which `split` (train, validation, test; None counts
            as train), `expression` and `path` (below root) or `pixels` are read. Rows of other expressions and of
            none are left out.
        root: folder of the images.
        options: network (size and channels), classes, `validation_share`.
        seed: draws the rows held out for validation.

    Raises:
        ValueError: a row's image cannot be read, its split is unknown, or no row is left for training.
    """
    rows = [row for row in table.to_pylist() if row["expression"] in options.classes]
    if dropped := table.num_rows - len(rows):
        logger.info("%d of %d faces are left out: not one of %s", dropped, table.num_rows, ", ".join(options.classes))
    labels = torch.tensor([options.classes.index(row["expression"]) for row in rows], dtype=torch.long)
    splits = [row["split"] or "train" for row in rows]
    if unknown := set(splits) - set(ROLES):
        raise ValueError(f"faces: split must be one of {', '.join(ROLES)}, not {', '.join(sorted(unknown))}")
    if "train" not in splits:
        raise ValueError(f"faces: none of {table.num_rows} rows is for training an expression in {options.classes}")
    pictures = [_read_square(root, row, options.network) for row in rows]
    parts = {role: torch.tensor([n for n, split in enumerate(splits) if split == role], dtype=torch.long)
             for role in ROLES}  # fmt: skip
    data = FaceData(stack_faces(pictures), labels, parts)
    return data if len(parts["validation"]) else _hold_out(data, options.validation_share, seed)


def _read_square(root: Path, row: Mapping[str, Any], network: NetworkOptions) -> np.ndarray:
    """One image at the network's size; an oblong one loses the ends of its longer side."""
    name = row.get("image_id") or row["path"]
    image = FaceImage(image_id=name, corpus="", path=row.get("path"), pixels=row.get("pixels"))
    try:
        picture = decode_face(image, root)
    except Unusable as reason:
        raise ValueError(f"faces: {reason}; mend the image or take its row ({name}) out of the table") from reason
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    return resize_face(square, network.input_size, grey=network.channels == 1)


def _hold_out(data: FaceData, share: float, seed: int) -> FaceData:
    """Move a share of every class's training rows, at least one where there are two, to validation."""
    generator = torch.Generator().manual_seed(seed)
    train, held = data.rows["train"], []
    for label in data.labels[train].unique():
        own = train[data.labels[train] == label]
        shuffled = own[torch.randperm(len(own), generator=generator)]
        held.append(shuffled[: max(round(share * len(own)), 1) if len(own) > 1 else 0])
    validation = torch.cat(held).sort().values
    rows = {**data.rows, "train": train[~torch.isin(train, validation)], "validation": validation}
    return replace(data, rows=rows)


def stack_faces(pictures: list[np.ndarray]) -> Tensor:
    """(S, S) or (S, S, 3) pictures -> (N, channels, S, S), as `FaceData` has them."""
    stacked = torch.from_numpy(np.stack(pictures))
    return (stacked[..., None] if stacked.ndim == 3 else stacked).permute(0, 3, 1, 2).contiguous()
