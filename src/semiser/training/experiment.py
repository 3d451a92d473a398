"""The experiment loop: one variant of a system over folds and seeds; what is finished is not trained again."""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
from torch import Tensor

from semiser import __version__
from semiser.data.streamed import read_vectors
from semiser.data.vectors import FoldRows
from semiser.folds.make import protocol_facts
from semiser.options.base import Options
from semiser.options.training import ScalingOptions, TrainingOptions
from semiser.progress import progress
from semiser.shards.publish import publishing_on_disk
from semiser.training.processes import fit_in_processes
from semiser.training.run import TrainingRun

logger = logging.getLogger(__name__)

# fit(data, options, run) -> probabilities or scores of the test utterances, shape (tests, classes). What data is, is
# up to the experiment's features: `FoldData` of a matrix, `SampleData` of samples.
Fit = Callable[[Any, Any, TrainingRun], Tensor]
# tabulate(experiment, test rows of the fold, fit's result, variant, fold and seed, key) -> a row per prediction, with
# the key in the schema's metadata
Tabulate = Callable[["Experiment", pa.Table, np.ndarray, dict[str, Any], str], pa.Table]

_PREDICTIONS = "predictions.parquet"
_CURVES = "curves.json"
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
    predictions: pa.Table
    curves: pa.Table
    models: list


class Features(Protocol):
    """What an experiment trains on, for all of its utterances (`MatrixFeatures`, `StreamedFeatures`,
    `SampleFeatures`)."""

    def facts(self) -> dict[str, Any]:
        """What a fold's result depends on beside the values: JSON-safe."""

    def digest(self, numbers: np.ndarray) -> bytes:
        """Hash of the values of the utterances with these numbers."""

    def of_fold(self, rows: FoldRows, run: TrainingRun) -> Any:
        """The data of a fold, scaled, as `fit` gets it; the run gets what a new utterance must be scaled with."""


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


def make_experiment(
    folds: pa.Table,
    utterances: pa.Table,
    tables: Mapping[str, pa.dataset.Dataset],
    scaling: ScalingOptions,
    models: str,
    as_is: Collection[str] = (),
    unlabelled_in_memory_mb: float = math.inf,
    block_rows: int = 4096,
) -> Experiment:
    """An experiment on feature vectors: those of every utterance of its folds, with speakers and corpora.

    Args:
        folds: the `folds` table, with the class order in its protocol.
        utterances: the `utterances` table.
        tables: vector column, whose field names the features, to the feature table that has it; the columns stand
            side by side in one matrix, in this order.
        scaling: strategies by name.
        models: folder of the experiment's models.
        as_is: columns that are not scaled.
        unlabelled_in_memory_mb: utterances that are unlabelled in every fold and take more than this are streamed.
        block_rows: streamed utterances that are shuffled with each other.
    """

    def read(ids: list[str]) -> Features:
        return read_vectors(tables, ids, folds, scaling, as_is, unlabelled_in_memory_mb, block_rows)

    return experiment_on(folds, utterances, read, models)


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
    used = utterances.filter(pc.is_in(utterances["utterance_id"], folds["utterance_id"]))
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


def run_variant(
    experiment: Experiment,
    variant: str,
    fit: Fit,
    options: Options,
    training: TrainingOptions,
    tabulate: Tabulate | None = None,
) -> Trained:
    """Train and test one variant on every fold with every seed, one after the other.

    With `training.devices` above 1 that many processes train each fold together.

    Args:
        experiment: data and folds.
        variant: name under which its models, predictions and curves go.
        fit: the system; a function that can be imported by name where several processes train.
        options: the system's options.
        training: devices, seeds, checkpoints.
        tabulate: what becomes of the fit's result; None: classes with their probabilities.

    Returns:
        Predictions, a row per test utterance, fold and seed; and training curves.
    """
    numbers = experiment.folds["fold"].unique().to_pylist()
    predictions, curves = [], []
    with progress(f"train {variant}", len(numbers) * len(training.seeds), "folds") as bar:
        for seed in training.seeds:
            for number in numbers:
                found = _run_fold(
                    experiment, variant, fit, options, training, seed, number, tabulate or tabulate_classes
                )
                predictions.append(found[0])
                curves += found[1]
                bar.update()
    return Trained(pa.concat_tables(predictions), pa.Table.from_pylist(curves, CURVES_SCHEMA), [])


def _run_fold(
    experiment: Experiment,
    variant: str,
    fit: Fit,
    options: Options,
    training: TrainingOptions,
    seed: int,
    number: int,
    tabulate: Tabulate,
) -> tuple[pa.Table, list[dict[str, Any]]]:
    folder = experiment.models / variant / f"seed-{seed}" / f"fold-{number:02d}"
    fold = experiment.folds.filter(pc.equal(experiment.folds["fold"], number))
    rows = _rows_of(experiment, fold)
    key = _fingerprint(experiment, rows, options, training, seed)
    if training.reuse and (finished := _finished(folder, key)):
        logger.info("%s seed %d fold %d: finished before with the same data and options", variant, seed, number)
        return finished
    run = TrainingRun(folder, seed, training.in_one_process(), key)
    data = experiment.features.of_fold(rows, run)
    probabilities = fit_in_processes(fit, data, options, training, run)
    labels = {"variant": variant, "fold": number, "seed": seed}
    test = fold.filter(pc.equal(fold["role"], "test"))
    table = tabulate(experiment, test, probabilities.numpy(force=True), labels, key)
    curves = [{**labels, **row} for row in run.curves]
    with publishing_on_disk(folder / _CURVES) as file:
        file.write(json.dumps(curves).encode())
    with publishing_on_disk(folder / _PREDICTIONS) as file:
        pq.write_table(table, file)
    return table, curves


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


def _finished(folder: Path, key: str) -> tuple[pa.Table, list[dict[str, Any]]] | None:
    """Predictions and curves of a finished fold with that key."""
    try:
        table = pq.read_table(folder / _PREDICTIONS)
        curves = json.loads((folder / _CURVES).read_bytes())
    except (OSError, pa.ArrowException, ValueError):
        return None
    return (table, curves) if (table.schema.metadata or {}).get(b"key") == key.encode() else None


def tabulate_classes(
    experiment: Experiment, test: pa.Table, probabilities: np.ndarray, labels: dict[str, Any], key: str
) -> pa.Table:
    """A row per test utterance; the schema's metadata holds the class order and the fold's key."""
    speakers = dict(zip(experiment.utterance_ids, experiment.speakers, strict=True))
    predicted = [experiment.classes[number] for number in probabilities.argmax(axis=1)]
    ids = test["utterance_id"].to_pylist()
    columns = {
        "experiment": test["experiment"].combine_chunks(),
        "variant": pa.array([labels["variant"]] * len(ids), pa.string()),
        "seed": pa.array([labels["seed"]] * len(ids), pa.int64()),
        "fold": pa.array([labels["fold"]] * len(ids), pa.int32()),
        "utterance_id": pa.array(ids, pa.string()),
        "speaker_id": pa.array([speakers[name] for name in ids], pa.string()),
        "target": test["label"].combine_chunks(),
        "prediction": pa.array(predicted, pa.string()),
        "probabilities": pa.array(list(probabilities.astype(np.float32)), pa.list_(pa.float32())),
    }
    return pa.table(columns, metadata={"classes": json.dumps(experiment.classes), "key": key})
