"""The experiment loop: variants of a system over folds and seeds; what is finished is not trained again."""

import hashlib
import json
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import torch
from torch import Tensor

from semiser import __version__
from semiser.folds.final import join_folds
from semiser.folds.rows import FoldRows
from semiser.folds.table import ids_of, protocol_facts
from semiser.options.base import Options
from semiser.options.training import TrainingOptions
from semiser.progress import progress
from semiser.provenance import Provenance
from semiser.publish import publishing_on_disk
from semiser.training.cost import measuring
from semiser.training.processes import fit_in_processes
from semiser.training.run import TrainingRun, device_of
from semiser.training.saved import CARD, file_sha256, is_whole, keyed_folder
from semiser.training.side_by_side import Trainings

logger = logging.getLogger(__name__)

# fit(data, options, run) -> probabilities or scores of the test utterances, shape (tests, classes). What data is, is
# up to the experiment's features: `FoldData` of a matrix, `SampleData` of samples.
Fit = Callable[[Any, Any, TrainingRun], Tensor]
# tabulate(experiment, test rows of the fold, fit's result, variant, fold and seed, key) -> a row per prediction, with
# the key in the schema's metadata
Tabulate = Callable[["Experiment", pa.Table, np.ndarray, dict[str, Any], str], pa.Table]

_PREDICTIONS = "predictions.parquet"
_CURVES = "curves.json"
_COST = "cost.json"
CURVES_SCHEMA = pa.schema(
    [
        ("variant", pa.string()),
        ("fold", pa.int32()),
        ("seed", pa.int32()),
        ("epoch", pa.int32()),
        ("name", pa.string()),
        ("value", pa.float64()),
    ]
)


class Trained(NamedTuple):
    """What a variant left.

    Attributes:
        predictions: a row per test utterance, fold and seed.
        curves: of the trainings.
        models: a row per fold and seed: `variant`, `seed`, `fold`, `folder` below the experiment's models, `key`,
            and `cost` of the training (`semiser.training.cost`), None where it was not measured.
    """

    predictions: pa.Table
    curves: pa.Table
    models: list[dict[str, Any]]


class Features(Protocol):
    """What an experiment trains on, for all of its utterances; `semiser.data` has them by kind."""

    def facts(self) -> dict[str, Any]:
        """What a fold's result depends on beside the values: JSON-safe."""

    def digest(self, numbers: np.ndarray) -> bytes:
        """Hash of the values of the utterances with these numbers."""

    def of_fold(self, rows: FoldRows, device: torch.device) -> tuple[Any, Provenance]:
        """The data of a fold, scaled, as `fit` gets it; and what a new utterance must be scaled with."""


@dataclass(frozen=True)
class Experiment:
    """Everything that the variants of one experiment share.

    Attributes:
        folds: the `folds` table.
        utterance_ids: the experiment's utterances, in the order of the features.
        speakers: speaker of each, None where unknown.
        corpora: corpus of each.
        features: of each.
        classes: class names in the order of their numbers.
        models: folder of the experiment's models.
    """

    folds: pa.Table
    utterance_ids: list[str]
    speakers: list[str | None]
    corpora: list[str]
    features: Features
    classes: tuple[str, ...]
    models: Path

    def joined(self, keep_validation: bool) -> "Experiment":
        """The same with one fold of all its speech, which tests nobody: see `semiser.folds.final.join_folds`."""
        return replace(self, folds=join_folds(self.folds, keep_validation))


def experiment_on(
    folds: pa.Table, utterances: pa.Table, read: Callable[[list[str]], Features], models: str
) -> Experiment:
    """An experiment on features of any kind.

    Args:
        folds: the `folds` table, with the class order in its protocol.
        utterances: the `utterances` table.
        read: gives the features of the utterances with these ids, in this order.
        models: folder of the experiment's models.
    """
    used = utterances.filter(pc.is_in(utterances["utterance_id"], ids_of(folds)))
    ids = used["utterance_id"].to_pylist()
    return Experiment(
        folds=folds,
        utterance_ids=ids,
        speakers=used["speaker_id"].to_pylist(),
        corpora=used["corpus"].to_pylist(),
        features=read(ids),
        classes=tuple(protocol_facts(folds)["classes"]),
        models=Path(models),
    )


@dataclass(frozen=True)
class VariantPlan:
    """What is trained and tested on every fold with every seed.

    Attributes:
        experiment: data and folds.
        name: under which its models, predictions and curves go.
        fit: the system; a function that can be imported by name where other processes train.
        options: the system's options.
        training: devices, seeds, checkpoints. With `devices` above 1 so many processes train each fold together, one
            fold after the other.
        tabulate: what becomes of the fit's result; None: classes with their probabilities.
    """

    experiment: Experiment
    name: str
    fit: Fit
    options: Options
    training: TrainingOptions
    tabulate: Tabulate | None = None


def run_variant(
    experiment: Experiment,
    variant: str,
    fit: Fit,
    options: Options,
    training: TrainingOptions,
    tabulate: Tabulate | None = None,
) -> Trained:
    """Train and test one variant alone: a `Queue` of what `VariantPlan` has."""
    what = VariantPlan(experiment, variant, fit, options, training, tabulate)
    return Queue(training, {variant: lambda: what}).trained(variant)


class Queue:
    """Variants to be trained, each on every fold with every seed: side by side where that pays, to the same bytes.

    The variant that is asked for comes first. Where its folds leave workers free these begin with the next variant, so
    that no core idles at a variant's end; what they find is kept for those who ask for it.
    """

    def __init__(self, training: TrainingOptions, variants: Mapping[Hashable, Callable[[], VariantPlan]]):
        """Args:
        training: how many at once.
        variants: name, or what else tells it from the others, to what opens it, with its features, in the order in
            which they will be asked for.
        """
        self._closed, self._begun = dict(variants), dict[Hashable, _Begun]()
        self._trainings: Trainings[_Task, _Outcome] = Trainings(_training_of, training)
        self._one_at_a_time = RLock()  # nodes may run in threads

    def trained(self, name: Hashable) -> Trained:
        """What a variant leaves; what was finished before is read instead.

        Raises:
            KeyError: it is no variant of the queue, or was asked for before.
        """
        with self._one_at_a_time:
            asked = self._begin(name)
            with progress(f"train {asked.variant.name}", len(asked.folds), "folds") as bar:
                bar.update(len(asked.found))
                while len(asked.found) < len(asked.folds):
                    bar.update(self._finish_one(asked) is asked)
            return self._begun.pop(name).trained()

    def _begin(self, name: Hashable) -> "_Begun":
        if name not in self._begun:
            self._begun[name] = _Begun(self._closed.pop(name)())
        return self._begun[name]

    def _finish_one(self, asked: "_Begun") -> "_Begun":
        """Wait for a training to end, and write what it left; gives its variant."""
        try:
            (begun, place), outcome = self._trainings.finish(self._waiting(asked))
            begun.found[place] = _publish(begun.variant, begun.folds[place], outcome)
        except BaseException:
            self._trainings.close()
            raise
        return begun

    def _waiting(self, asked: "_Begun") -> "Iterator[_Task]":
        """Trainings that may begin: of the variant that is asked for, and of the next ones.

        These are begun as long as they, with it, take the features of two experiments at most.
        """
        for begun in (asked, *self._begun.values()):
            yield from begun.take()
        while self._closed and len({id(begun.variant.experiment) for begun in self._begun.values()}) < 2:
            yield from self._begin(next(iter(self._closed))).take()


class _Begun:
    """A variant with its folds.

    Attributes:
        variant: what is trained.
        folds: of all seeds.
        waiting: places of those whose training has not begun.
        found: place to what the fold left.
    """

    def __init__(self, variant: VariantPlan):
        self.variant = variant
        numbers = variant.experiment.folds["fold"].unique().to_pylist()
        self.folds = [_Fold.of(variant, seed, number) for seed in variant.training.seeds for number in numbers]
        before = {place: fold.finished(variant.experiment) for place, fold in enumerate(self.folds)}
        self.found = {place: left for place, left in before.items() if left}
        self.waiting = [place for place in before if place not in self.found]

    def take(self) -> "Iterator[_Task]":
        """The trainings that have not begun, which begin now."""
        while self.waiting:
            yield self, self.waiting.pop(0)

    def trained(self) -> Trained:
        """What all folds left."""
        all_left = [self.found[place] for place in range(len(self.folds))]
        predictions = pa.concat_tables([left.predictions for left in all_left])
        curves = pa.Table.from_pylist([row for left in all_left for row in left.curves], CURVES_SCHEMA)
        return Trained(predictions, curves, [left.model for left in all_left])


_Task = tuple[_Begun, int]  # a variant and the place of a fold


class _Left(NamedTuple):
    """What a fold left: predictions, curves, and where its model lies."""

    predictions: pa.Table
    curves: list[dict[str, Any]]
    model: dict[str, Any]


class _Fold(NamedTuple):
    """A training: of a variant, a seed and a fold.

    Attributes:
        labels: variant, seed and fold.
        key: fingerprint of data, options and seed.
        folder: where it leaves everything.
        there: whether it was finished there before.
        model: the row of its model, but for what it cost.
    """

    labels: dict[str, Any]
    key: str
    folder: Path
    there: bool
    model: dict[str, Any]

    @classmethod
    def of(cls, variant: VariantPlan, seed: int, number: int) -> "_Fold":
        """The training of a fold with a seed, and where its results are or will be."""
        experiment, training = variant.experiment, variant.training
        rows = _rows_of(experiment, _table_of(experiment, number))
        key = _fingerprint(experiment, rows, variant.options, training, seed)
        parent = experiment.models / variant.name / f"seed-{seed}" / f"fold-{number:02d}"
        folder, there = keyed_folder(parent, key, lambda folder: _finished(folder, key) is not None, training.reuse)
        labels = {"variant": variant.name, "seed": seed, "fold": number}
        model = labels | {"folder": folder.relative_to(experiment.models).as_posix(), "key": key}
        return cls(labels, key, folder, there, model)

    def finished(self, experiment: Experiment) -> _Left | None:
        """What was left before, None where it is to be trained."""
        if not self.there or not (left := _finished(self.folder, self.key)):
            return None
        logger.info(
            "%(variant)s seed %(seed)d fold %(fold)d: finished before with the same data and options", self.labels
        )
        return _Left(
            _under_its_name(left[0], _table_of(experiment, self.labels["fold"])),
            left[1],
            self.model | {"cost": _cost_of(self.folder)},
        )


class _Outcome(NamedTuple):
    """Of a training: what fit returned, the curves, and what it took."""

    result: np.ndarray
    curves: list[dict[str, Any]]
    cost: dict[str, float]


def _training_of(task: _Task) -> Callable[[], _Outcome]:
    """The training of a fold, with its data, for this process or another one."""
    begun, place = task
    variant, fold = begun.variant, begun.folds[place]
    experiment, training = variant.experiment, variant.training
    made_with = {"folder": fold.folder, "seed": fold.labels["seed"], "options": training, "key": fold.key}
    device = device_of(training.in_one_process())
    rows = _rows_of(experiment, _table_of(experiment, fold.labels["fold"]))
    data, provenance = experiment.features.of_fold(rows, device)
    return partial(_train, made_with, provenance, variant.fit, data, variant.options)


def _train(made_with: dict[str, Any], provenance: Provenance, fit: Fit, data: Any, options: Options) -> _Outcome:
    training: TrainingOptions = made_with["options"]
    run = TrainingRun(**made_with | {"options": training.in_one_process()})
    run.provenance = provenance
    with measuring() as cost:
        result = fit_in_processes(fit, data, options, training, run)
    return _Outcome(result.numpy(force=True), run.curves, cost)


def _publish(variant: VariantPlan, fold: _Fold, outcome: _Outcome) -> _Left:
    """Write what a training left; predictions, which name the rest, come last."""
    rows = _table_of(variant.experiment, fold.labels["fold"])
    test = rows.filter(pc.equal(rows["role"], "test"))
    tabulate = variant.tabulate or tabulate_classes
    table = tabulate(variant.experiment, test, outcome.result, fold.labels, fold.key)
    curves = [{**fold.labels, **row} for row in outcome.curves]
    with publishing_on_disk(fold.folder / _CURVES) as file:
        file.write(json.dumps(curves).encode())
    bound = {f"{name}_sha256": digest for name, digest in _parts(fold.folder).items()}
    with publishing_on_disk(fold.folder / _COST) as file:
        file.write(json.dumps(outcome.cost).encode())
    table = table.replace_schema_metadata((table.schema.metadata or {}) | bound)
    with publishing_on_disk(fold.folder / _PREDICTIONS) as file:
        pq.write_table(table, file, write_page_checksum=True)
    return _Left(table, curves, fold.model | {"cost": outcome.cost})


def _table_of(experiment: Experiment, number: int) -> pa.Table:
    """Rows of a fold."""
    return experiment.folds.filter(pc.equal(experiment.folds["fold"], number))


def _rows_of(experiment: Experiment, fold: pa.Table) -> FoldRows:
    """The fold's utterances, with their numbers in the experiment."""
    numbers = pc.index_in(fold["utterance_id"], pa.array(experiment.utterance_ids)).to_numpy()
    return FoldRows(
        numbers=numbers,
        roles=np.asarray(fold["role"].to_pylist()),
        labels=fold["label"].to_pylist(),
        corpora=np.asarray(experiment.corpora)[numbers],
        speakers=np.asarray(experiment.speakers, dtype=object)[numbers],
        classes=experiment.classes,
    )


def _fingerprint(experiment: Experiment, rows: FoldRows, options: Options, training: TrainingOptions, seed: int) -> str:
    """Hash of everything that a fold's result depends on: features, roles and labels, scaling, options, seed."""
    facts = {
        "version": __version__,
        "options": options.model_dump(mode="json"),
        "precision": training.precision,
        "features": experiment.features.facts(),
        "classes": experiment.classes,
        "seed": seed,
        "utterances": [experiment.utterance_ids[number] for number in rows.numbers],
        "roles": rows.roles.tolist(),
        "labels": rows.labels,
        "speakers": rows.speakers.tolist(),
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode())
    digest.update(experiment.features.digest(rows.numbers))
    return digest.hexdigest()


def _parts(folder: Path) -> dict[str, str]:
    """Hashes of what a fold leaves beside its predictions, whose footer names them; "" for the card of an SVM."""
    card = folder / CARD
    return {"card": file_sha256(card) if card.is_file() else "", "curves": file_sha256(folder / _CURVES)}


def _finished(folder: Path, key: str) -> tuple[pa.Table, list[dict[str, Any]]] | None:
    """Predictions and curves of a finished fold with that key; None where files are missing or not of one training."""
    try:
        table = pq.read_table(folder / _PREDICTIONS, page_checksum_verification=True)
        curves = json.loads((folder / _CURVES).read_bytes())
        parts = _parts(folder)
    except (OSError, pa.ArrowException, ValueError):
        return None
    found = table.schema.metadata or {}
    named = {"key": key} | {f"{name}_sha256": digest for name, digest in parts.items()}
    if any(found.get(name.encode()) != value.encode() for name, value in named.items()):
        return None
    return (table, curves) if not parts["card"] or is_whole(folder) else None


def _cost_of(folder: Path) -> dict[str, float] | None:
    """What a finished training took, which no result depends on; None where it was not measured, or is damaged."""
    try:
        cost: dict[str, float] | None = json.loads((folder / _COST).read_bytes())
    except (OSError, ValueError):
        return None
    return cost


def _under_its_name(predictions: pa.Table, fold: pa.Table) -> pa.Table:
    """Finished predictions under the name that the folds have now, which no result depends on and no key has."""
    names = pa.array(fold["experiment"].slice(0, 1).to_pylist() * len(predictions), pa.string())
    return predictions.set_column(predictions.schema.get_field_index("experiment"), "experiment", names)


def tabulate_classes(
    experiment: Experiment, test: pa.Table, probabilities: np.ndarray, labels: dict[str, Any], key: str
) -> pa.Table:
    """A row per test utterance; the schema's metadata holds the class order and the fold's key.

    Raises:
        ValueError: probabilities are not finite, of which no class follows: the training diverged.
    """
    if lost := int((~np.isfinite(probabilities).all(axis=1)).sum()):
        raise ValueError(
            f"{labels['variant']} seed {labels['seed']} fold {labels['fold']}: the training diverged: {lost} of "
            f"{len(probabilities)} test utterances have probabilities that are not finite. Lower its learning rate, "
            "or look at its features"
        )
    speakers = dict(zip(experiment.utterance_ids, experiment.speakers, strict=True))
    predicted = [experiment.classes[number] for number in probabilities.argmax(axis=1)]
    ids = test["utterance_id"].to_pylist()
    columns = {
        "experiment": pc.cast(test["experiment"], pa.string()),
        "variant": pa.array([labels["variant"]] * len(ids), pa.string()),
        "seed": pa.array([labels["seed"]] * len(ids), pa.int64()),
        "fold": pa.array([labels["fold"]] * len(ids), pa.int32()),
        "utterance_id": pa.array(ids, pa.string()),
        "speaker_id": pa.array([speakers[name] for name in ids], pa.string()),
        "target": pc.cast(test["label"], pa.string()),
        "prediction": pa.array(predicted, pa.string()),
        "probabilities": pa.array(list(probabilities.astype(np.float32)), pa.list_(pa.float32())),
    }
    return pa.table(columns, metadata={"classes": json.dumps(experiment.classes), "key": key})
