"""Two runs beside each other: which options differ, and how far their predictions are apart on common folds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from semiser.evaluation.report import compare_predictions
from semiser.experiments.records import Model, Record, Result, read_records
from semiser.experiments.tree import Tree
from semiser.reporting.protocol import protocol_of

ABSENT = "-"  # an option that one of the two does not have


@dataclass(frozen=True)
class Difference:
    """A variant that both runs have: its figures in run a less those in run b.

    Attributes:
        pipeline: that trained it.
        variant: its name.
        on: what the two are compared on.
        metrics: to difference, ci95, p, test and utterances, as `paired` of metrics.json.
    """

    pipeline: str
    variant: str
    on: str
    metrics: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """Two runs beside each other.

    Attributes:
        a, b: the runs.
        options: dotted path of an option that differs, its value in a and in b.
        groups: parameter groups that one run took and the other did not, with the id of the one.
        differences: of the variants that both have and that can be compared.
        left_out: pipeline, variant, and why it cannot be.
    """

    a: Record
    b: Record
    options: list[tuple[str, Any, Any]]
    groups: list[tuple[str, str]]
    differences: list[Difference]
    left_out: list[tuple[str, str, str]]


def find_run(tree: Tree, name: str) -> Record:
    """The run with this id, or the last run of the experiment with this name that trained something.

    Raises:
        ValueError: there is none; the message says what there is.
    """
    experiments = tree.experiments()
    if name in experiments:
        found = [record for record in read_records(tree.reporting / name) if record.results]
        if not found:
            raise ValueError(f"no recorded run of the experiment {name} trained anything: `kedro semiser runs`")
        return found[-1]
    records = [record for experiment in experiments for record in read_records(tree.reporting / experiment)]
    for record in records:
        if record.id == name:
            return record
    raise ValueError(f"{name} is neither an experiment ({', '.join(experiments) or 'none yet'}) nor a run's id: "
                     "`kedro semiser runs` lists both")  # fmt: skip


def compare_runs(tree: Tree, a: Record, b: Record) -> Comparison:
    """What differs between two runs, in what went in and in what came out."""
    shared = a.options.keys() & b.options.keys()
    groups = [(group, a.id if group in a.options else b.id) for group in sorted(a.options.keys() ^ b.options.keys())]
    differences, left_out = [], []
    for pipeline in sorted(a.results.keys() & b.results.keys()):
        first, second = a.results[pipeline], b.results[pipeline]
        places = [tree.models / record.experiment / pipeline for record in (a, b)]
        for variant in first.metrics["variants"]:
            if variant not in second.metrics["variants"]:
                continue
            try:
                on, metrics = _compare_variant(variant, (first, second), places)
            except ValueError as error:
                left_out.append((pipeline, variant, str(error)))
            else:
                differences.append(Difference(pipeline, variant, on, metrics))
    first_options, second_options = ({group: run.options[group] for group in sorted(shared)} for run in (a, b))
    options = list(differing(first_options, second_options))
    return Comparison(a, b, options, groups, differences, left_out)


def differing(a: Mapping[str, Any], b: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ between two trees: dotted path, value in a, value in b, `ABSENT` where there is none."""
    for key in [*a, *(key for key in b if key not in a)]:
        first, second = a.get(key, ABSENT), b.get(key, ABSENT)
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            yield from differing(first, second, f"{above}{key}.")
        elif first != second:
            yield f"{above}{key}", first, second


def _compare_variant(variant: str, results: tuple[Result, Result], places: list[Path]) -> tuple[str, dict[str, Any]]:
    """What a variant is compared on, and its figures in the first run less those in the second."""
    hashes = {protocol_of(result.metrics["protocol"], variant).get("folds_hash") for result in results}
    tables = [_read(variant, result.models, place) for result, place in zip(results, places, strict=True)]
    if same := len(hashes) == 1 and None not in hashes:
        on = "the same folds"
    else:
        on = "common test utterances, pooled, as the folds differ"
        tables = [_pooled(table) for table in tables]
    metrics = compare_predictions(*tables)
    if not metrics:
        raise ValueError(f"no utterance was tested by both with the same seed{' in the same fold' * same}")
    return on, metrics


def _read(variant: str, models: list[Model], place: Path) -> pa.Table:
    """A variant's predictions, fold by fold."""
    paths = [place / model.folder / "predictions.parquet" for model in models if model.variant == variant]
    if missing := [path for path in paths if not path.is_file()]:
        raise ValueError(f"{len(missing)} of {len(paths)} tables of predictions are gone, such as {missing[0]}")
    if not paths:
        raise ValueError("the record names no model of it")
    return pa.concat_tables([pq.read_table(path) for path in paths])


def _pooled(table: pa.Table) -> pa.Table:
    """The same as if there were one fold, for utterances that are tested once."""
    keys = [name for name in ("seed", "utterance_id", "dimension") if name in table.column_names]
    if table.group_by(keys).aggregate([]).num_rows < len(table):
        raise ValueError("the folds differ, and utterances are tested in more than one of them")
    place = table.column_names.index("fold")
    return table.set_column(place, "fold", pa.array([0] * len(table), pa.int32()))
