"""From predictions to metrics.json: figures with their spread, their intervals and paired comparisons.

What each number is:

* `per_fold`: the figure of each fold's test part, averaged over seeds, in the order of the folds.
* `mean`: the mean over all folds and seeds of the figure of each fold's test part.
* `std`: the sample standard deviation over seeds of the mean over folds; over folds where there is one seed.
* `ci95`: bootstrap interval of that same mean, resampling speakers (`significance.bootstrap_interval`).
* `pooled`: the figure of the confusion matrix of all folds together, averaged over seeds. It differs from `mean` where
  test parts differ in size or lack a class.
* A figure that is not defined, such as the F1 of a class that no fold tests, is null.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.evaluation.metrics import (
    AVERAGES,
    Margins,
    average_figures,
    ccc_of_moments,
    classification_figures,
    confusion_cells,
    margins,
    moments,
)
from semiser.evaluation.significance import (
    FEWEST_FOR_INTERVALS,
    FEWEST_FOR_SWAPS,
    MOST_EXACT,
    RESAMPLES,
    ClusteredSums,
    Comparison,
    Figures,
    bootstrap_interval,
    clustered_counts,
    clustered_sums,
    compare_pairs,
    enough_exchanges,
    smallest_p,
)

if TYPE_CHECKING:
    import pandas as pd

PREDICTIONS_SCHEMA = pa.schema(
    [
        ("experiment", pa.string()),
        ("variant", pa.string()),
        ("seed", pa.int64()),
        ("fold", pa.int32()),
        ("utterance_id", pa.string()),
        ("speaker_id", pa.string()),
        ("target", pa.string()),
        ("prediction", pa.string()),
        ("probabilities", pa.list_(pa.float32())),  # in the order of the metadata `classes`
    ]
)
DIMENSIONS_SCHEMA = pa.schema(
    [
        ("experiment", pa.string()),
        ("variant", pa.string()),
        ("seed", pa.int64()),
        ("fold", pa.int32()),
        ("utterance_id", pa.string()),
        ("speaker_id", pa.string()),
        ("dimension", pa.string()),
        ("target", pa.float64()),
        ("prediction", pa.float64()),
    ]
)

# Variant to metric to (seed, fold) to its value there: figures that test predictions alone do not give.
Further = Mapping[str, Mapping[str, Mapping[tuple[int, int], float]]]

_EXPLAINED = {
    "mean": "mean over folds and seeds of the figure of each fold's test part",
    "pooled": "figure of all folds' test utterances together, mean over seeds",
}


@dataclass(frozen=True)
class _Tested:
    """Test utterances as integers: whose prediction, of which seed and fold, spoken by whom."""

    variants: list[str]
    seeds: list[int]
    folds: list[int]
    variant: np.ndarray  # (N,) codes, as the next four
    seed: np.ndarray
    fold: np.ndarray
    utterance: np.ndarray
    cluster: np.ndarray
    unit: str  # what the clusters are

    @property
    def cell(self) -> np.ndarray:
        return self.seed * len(self.folds) + self.fold


@dataclass(frozen=True)
class _Measured:
    """Predictions with a way to sum them up and to turn the sums into named figures.

    Attributes:
        tested: whose predictions they are.
        sums: row numbers to their sums by cell and cluster.
        names: M names.
        figures: of sums, all M.
        compared: those in which variants are compared.
        compared_figures: of sums, just those.
    """

    tested: _Tested
    sums: Callable[[np.ndarray], ClusteredSums]
    names: list[str]
    figures: Figures
    compared: list[str]
    compared_figures: Figures


def evaluate(
    predictions: pa.Table,
    protocol: dict,
    *,
    pairs: list[tuple[str, str]] | None = None,
    dimensions: pa.Table | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict:
    """All figures of a pipeline's predictions, in the shape of metrics.json.

    Args:
        predictions: table of `PREDICTIONS_SCHEMA`, any order, with the metadata `classes` (a JSON list); all variants
            have these classes. `probabilities` is not read and may be missing.
        protocol: what the figures mean (corpora, folds, scaling, folds_hash, ...); classes, seeds, the test set and
            how mean, std, ci95 and p are obtained are added.
        pairs: variants to compare, (a, b) for a - b; None: all pairs, later minus earlier in the order of the table.
        dimensions: table of `DIMENSIONS_SCHEMA` with numbers, for `ccc/<dimension>`.
        resamples: of the bootstrap, and of random exchanges, which are more where Holm's correction for so many pairs
            needs them (`significance.enough_exchanges`).
        seed: of both.

    Returns:
        `{"protocol": ..., "variants": {variant: {metric: {mean, std, ci95, per_fold, pooled}}}, "paired": {"a - b":
        {metric: {difference, ci95, p, smallest_p, test, utterances}}}}`, with Python numbers and null only. Pairs are
        compared on the utterances that both have in the same seed and fold; those without one are left out.

    Raises:
        ValueError: no prediction, a label that is not among the classes, two predictions of a variant for one
            utterance in one fold, a variant in two experiments, or a pair that names an unknown variant.
    """
    measured = [_measure_classes(predictions, _classes(predictions, protocol))]
    measured += _measure_dimensions(dimensions) if dimensions is not None else []
    tested = measured[0].tested
    variants: dict[str, dict] = {name: {} for data in measured for name in data.tested.variants}
    pairs = [(b, a) for a, b in combinations(variants, 2)] if pairs is None else pairs
    _require_variants(pairs, list(variants))
    paired: dict[str, dict] = {f"{a} - {b}": {} for a, b in pairs}
    exchanges = enough_exchanges(len(pairs), resamples)
    for data in measured:
        for name in data.tested.variants:
            variants[name].update(_variant_entry(data, name, resamples, seed))
        for (a, b), entry in _paired_entries(data, pairs, resamples, exchanges, seed).items():
            paired[f"{a} - {b}"].update(entry)
    described = protocol | _describe(tested, _classes(predictions, protocol), resamples, exchanges)
    return {
        "protocol": described,
        "variants": variants,
        "paired": {name: entry for name, entry in paired.items() if entry},
    }


def add_figures(metrics: dict, further: Further) -> dict:
    """Metrics with further figures: means over folds and seeds with their spread, without interval and pooled value.

    Args:
        metrics: what `evaluate` returned.
        further: the figures of some variants.
    """
    variants = dict(metrics["variants"])
    for variant, figures in further.items():
        variants[variant] = variants[variant] | {name: _of_cells(cells) for name, cells in figures.items()}
    return metrics | {"variants": variants}


def _of_cells(cells: Mapping[tuple[int, int], float]) -> dict:
    seeds, folds = (sorted({key[place] for key in cells}) for place in (0, 1))
    values = np.array([[cells.get((seed, fold), math.nan) for fold in folds] for seed in seeds])
    per_fold = [_mean(column) for column in values.T]
    return {"mean": _mean(values), "std": _spread(values), "ci95": [None, None], "per_fold": per_fold, "pooled": None}


def compare_predictions(a: pa.Table, b: pa.Table, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, dict]:
    """One variant's predictions against another's, on the utterances that both have in the same seed and fold.

    Args:
        a: table of `PREDICTIONS_SCHEMA` with the metadata `classes`, or of `DIMENSIONS_SCHEMA`; of one variant.
        b: likewise, of the other.
        resamples: of the bootstrap, and of random swaps.
        seed: of both.

    Returns:
        `{metric: {difference, ci95, p, smallest_p, test, utterances}}` for a - b; empty where they have no utterance
        in common.

    Raises:
        ValueError: they predict different things, or one has two predictions for an utterance in one fold.
    """
    kinds = [table.column_names.count("dimension") for table in (a, b)]
    if kinds[0] != kinds[1]:
        raise ValueError("one predicts classes and the other numbers")
    if not kinds[0] and set(_classes(a, {})) != set(_classes(b, {})):
        raise ValueError(f"the classes differ: {', '.join(_classes(a, {}))} and {', '.join(_classes(b, {}))}")
    both = pa.concat_tables([_called(a, "a"), _called(b, "b")])
    measured = _measure_dimensions(both) if kinds[0] else [_measure_classes(both, _classes(a, {}))]
    found: dict[str, dict] = {}
    for data in measured:
        found |= _paired_entries(data, [("a", "b")], resamples, resamples, seed).get(("a", "b"), {})
    return found


def _called(predictions: pa.Table, variant: str) -> pa.Table:
    """The columns that are measured, under another variant's name."""
    names = [name for name in predictions.column_names if name not in ("variant", "probabilities")]
    return predictions.select(names).append_column("variant", pa.array([variant] * len(predictions), pa.string()))


def metrics_table(metrics: dict) -> "pd.DataFrame":
    """One row per variant, for a CSV: of each average and concordance its mean, std and interval, then class F1s.

    Args:
        metrics: what `evaluate` returned.

    Returns:
        Columns `variant`, `<metric>`, `<metric>_std`, `<metric>_ci95_low`, `<metric>_ci95_high`, and `f1/<class>`.
    """
    import pandas as pd  # a second of loading, wanted here only

    rows = []
    for variant, figures in metrics["variants"].items():
        row: dict = {"variant": variant}
        for name, figure in figures.items():
            if name in AVERAGES or name.startswith("ccc/"):
                low, high = figure["ci95"]
                row |= {name: figure["mean"], f"{name}_std": figure["std"]}
                row |= {f"{name}_ci95_low": low, f"{name}_ci95_high": high}
        row |= {name: figure["mean"] for name, figure in figures.items() if name.startswith("f1/")}
        rows.append(row)
    return pd.DataFrame(rows)


def _classes(predictions: pa.Table, protocol: dict) -> list[str]:
    stored = (predictions.schema.metadata or {}).get(b"classes")
    classes = json.loads(stored) if stored else protocol.get("classes")
    if not classes:
        raise ValueError("predictions have no metadata `classes`, and protocol has no `classes`; give one of them")
    return list(classes)


def _measure_classes(predictions: pa.Table, classes: list[str]) -> _Measured:
    tested = _test_rows(predictions)
    target, prediction = (_class_codes(predictions, column, classes) for column in ("target", "prediction"))
    places = confusion_cells(target, prediction, len(classes))
    labels = len(classes)

    def sums(rows: np.ndarray) -> ClusteredSums:
        counts = clustered_counts(tested.cell[rows], tested.cluster[rows], places[rows], labels**2)
        parts = margins(counts.sums.reshape(-1, labels, labels))
        return replace(counts, sums=np.concatenate(parts, axis=-1))

    names = list(classification_figures(_margins(np.zeros(3 * labels)), classes))
    figures = partial(_stacked, lambda of: classification_figures(of, classes))
    return _Measured(tested, sums, names, figures, list(AVERAGES), partial(_stacked, average_figures))


def _stacked(figures: Callable[[Margins], Mapping[str, np.ndarray]], sums: np.ndarray) -> np.ndarray:
    """Figures of the flattened margins of confusion matrices, (..., 3 C) -> (..., M)."""
    return np.moveaxis(np.stack(list(figures(_margins(sums)).values())), 0, -1)


def _margins(sums: np.ndarray) -> Margins:
    return Margins(*np.split(sums, 3, axis=-1))


def _measure_dimensions(dimensions: pa.Table) -> list[_Measured]:
    measured = []
    for name in pc.unique(dimensions["dimension"]).to_pylist():
        table = dimensions.filter(pc.equal(dimensions["dimension"], name))
        target, prediction = (table[column].to_numpy() for column in ("target", "prediction"))
        if not (np.isfinite(target).all() and np.isfinite(prediction).all()):
            raise ValueError(f"dimension {name}: a target or prediction is null or not finite; leave those rows out")
        values = moments(target - target.mean(), prediction - target.mean())
        measured.append(_measure_moments(_test_rows(table), values, f"ccc/{name}"))
    return measured


def _measure_moments(tested: _Tested, values: np.ndarray, name: str) -> _Measured:
    def sums(rows: np.ndarray) -> ClusteredSums:
        return clustered_sums(tested.cell[rows], tested.cluster[rows], values[rows])

    def figures(sums: np.ndarray) -> np.ndarray:
        return ccc_of_moments(sums)[..., None]

    return _Measured(tested, sums, [name], figures, [name], figures)


def _class_codes(predictions: pa.Table, column: str, classes: list[str]) -> np.ndarray:
    codes = pc.index_in(predictions[column], value_set=pa.array(classes, pa.string()))
    if codes.null_count:
        wrong = pc.unique(predictions[column].filter(pc.is_null(codes))).to_pylist()
        raise ValueError(f"{column} holds {wrong}, which are not among the classes {classes}")
    return codes.to_numpy()


def _test_rows(table: pa.Table) -> _Tested:
    if len(table) == 0:
        raise ValueError("there is no prediction to evaluate; run the training pipeline first")
    _require_one_experiment(table)
    variants = pc.unique(table["variant"]).to_pylist()
    variant = pc.index_in(table["variant"], value_set=pa.array(variants, pa.string())).to_numpy()
    seeds, seed = np.unique(table["seed"].to_numpy(), return_inverse=True)
    folds, fold = np.unique(table["fold"].to_numpy(), return_inverse=True)
    speakers, unit = _speakers(table)
    tested = _Tested(
        variants, seeds.tolist(), folds.tolist(), variant, seed, fold, _codes(table["utterance_id"]), speakers, unit
    )
    _require_single_predictions(table, tested)
    return tested


def _speakers(table: pa.Table) -> tuple[np.ndarray, str]:
    """Codes of the clusters, and what they are; an utterance whose speaker is unknown is a cluster of its own."""
    known = pc.unique(table["speaker_id"]).drop_null()
    if len(known) < 2 and not (len(known) and table["speaker_id"].null_count):
        return _codes(table["utterance_id"]), "utterance"
    unit = "speaker" if not table["speaker_id"].null_count else "speaker, utterance where the speaker is unknown"
    return _codes(pc.coalesce(table["speaker_id"], table["utterance_id"])), unit


def _require_one_experiment(table: pa.Table) -> None:
    used = table.select(["variant", "experiment"]).group_by("variant").aggregate([("experiment", "count_distinct")])
    several = used.filter(pc.greater(used["experiment_count_distinct"], 1))["variant"].to_pylist()
    if several:
        raise ValueError(
            f"variant {', '.join(several)} stands in more than one experiment; put the setting into the variant's "
            "name, such as name/share=0.25, or evaluate the experiments apart"
        )


def _require_single_predictions(table: pa.Table, tested: _Tested) -> None:
    keys = _keys(tested, np.arange(len(table))) * len(tested.variants) + tested.variant
    order = np.argsort(keys, kind="stable")
    twice = order[1:][np.diff(keys[order]) == 0]
    if len(twice):
        row = table.select(["variant", "seed", "fold", "utterance_id"]).slice(int(twice[0]), 1).to_pylist()[0]
        raise ValueError(f"{len(twice)} predictions stand twice in the table, such as {row}; an utterance has one")


def _variant_entry(data: _Measured, name: str, resamples: int, seed: int) -> dict:
    tested = data.tested
    rows = np.flatnonzero(tested.variant == tested.variants.index(name))
    sums = data.sums(rows)
    cells = np.unique(tested.cell[rows])
    per_cell = np.full((len(tested.seeds), len(tested.folds), len(data.names)), np.nan)
    per_cell.reshape(-1, len(data.names))[cells] = data.figures(sums.cell_sums())
    ci95 = bootstrap_interval(sums, data.figures, resamples, seed)
    pooled = data.figures(_seed_sums(sums.cell_sums(), cells // len(tested.folds)))
    per_fold = per_cell[:, np.isin(np.arange(len(tested.folds)), cells % len(tested.folds))]
    return {
        figure: {
            "mean": _mean(per_cell[..., place]),
            "std": _spread(per_cell[..., place]),
            "ci95": [_number(end) for end in ci95[place]],
            "per_fold": [_mean(column) for column in per_fold[..., place].T],
            "pooled": _mean(pooled[:, place]),
        }
        for place, figure in enumerate(data.names)
    }


def _seed_sums(cell_sums: np.ndarray, seed: np.ndarray) -> np.ndarray:
    return np.stack([cell_sums[seed == code].sum(axis=0) for code in np.unique(seed)])


def _spread(per_cell: np.ndarray) -> float | None:
    """Sample standard deviation over seeds of the mean over folds, (seeds, folds); over folds for one seed."""
    means = [_mean(row) for row in per_cell]
    values = [value for value in means if value is not None]
    if len(values) == 1:
        values = [value for value in per_cell.ravel() if not math.isnan(value)]
    return _number(float(np.std(values, ddof=1))) if len(values) > 1 else None


def _paired_entries(
    data: _Measured, pairs: Sequence[tuple[str, str]], resamples: int, exchanges: int, seed: int
) -> dict[tuple[str, str], dict]:
    """Pairs to their entries, of those that have utterances in common; pairs with the same ones are tested together."""
    tested = data.tested
    rows = {name: _rows_of(tested, name) for name in dict.fromkeys(name for pair in pairs for name in pair)}
    keys = {name: _keys(tested, own) for name, own in rows.items()}
    same: dict[bytes, list[tuple[str, str]]] = {}
    for a, b in pairs:
        common = keys[a] if np.array_equal(keys[a], keys[b]) else np.intersect1d(keys[a], keys[b], assume_unique=True)
        if len(common):
            same.setdefault(common.tobytes(), []).append((a, b))
    found: dict[tuple[str, str], dict] = {}
    for key, group in same.items():
        common = np.frombuffer(key, np.int64)
        own = {name: rows[name][np.searchsorted(keys[name], common)] for pair in group for name in pair}
        sums = {name: data.sums(places) for name, places in own.items()}
        results = compare_pairs(sums, group, data.compared_figures, resamples, exchanges, seed)
        utterances = len(np.unique(tested.utterance[own[group[0][0]]]))
        found |= {pair: _comparison_entry(results[pair], data.compared, utterances) for pair in group}
    return found


def _comparison_entry(result: Comparison, names: list[str], utterances: int) -> dict:
    return {
        name: {
            "difference": _number(result.difference[place]),
            "ci95": [_number(end) for end in result.ci95[place]],
            "p": _number(result.p[place]),
            "smallest_p": result.smallest_p,
            "test": result.test,
            "utterances": utterances,
        }
        for place, name in enumerate(names)
    }


def _rows_of(tested: _Tested, variant: str) -> np.ndarray:
    """Rows of a variant, ordered by their keys."""
    code = tested.variants.index(variant) if variant in tested.variants else -1
    rows = np.flatnonzero(tested.variant == code)
    return rows[np.argsort(_keys(tested, rows))]


def _require_variants(pairs: list[tuple[str, str]], known: list[str]) -> None:
    if unknown := sorted({name for pair in pairs for name in pair} - set(known)):
        raise ValueError(f"pairs names unknown variants {', '.join(unknown)}; there are {', '.join(known)}")


def _keys(tested: _Tested, rows: np.ndarray) -> np.ndarray:
    """One number per seed, fold and utterance."""
    return tested.cell[rows] * (int(tested.utterance.max()) + 1) + tested.utterance[rows]


def _describe(tested: _Tested, classes: list[str], resamples: int, exchanges: int) -> dict:
    clusters = len(np.unique(tested.cluster))
    several = len(tested.seeds) > 1
    few, all_of_them = clusters < FEWEST_FOR_SWAPS, clusters <= MOST_EXACT
    units = f"{clusters} units ({tested.unit})"
    caution = "; too narrow for so few units" if clusters < FEWEST_FOR_INTERVALS else ""
    number = f"all {2**clusters:,}" if all_of_them else f"{exchanges:,} random"
    smallest = f"smallest p {smallest_p(clusters, exchanges):.2g}"
    test = (
        f"t test on the {clusters} differences by {tested.unit}"
        if few
        else f"exchange of the two variants' predictions by {tested.unit} ({number} exchanges, {smallest})"
    )
    return {
        "classes": classes,
        "seeds": tested.seeds,
        "test": {"utterances": len(np.unique(tested.utterance)), "folds": len(tested.folds)},
        "statistics": _EXPLAINED
        | {
            "std": "sample standard deviation over seeds" if several else "sample standard deviation over folds",
            "ci95": f"percentile bootstrap of the mean, {resamples} resamples of {units}{caution}",
            "p": f"two-sided, {test}, on common utterances; not corrected for several comparisons",
        },
    }


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    names = pc.unique(column)
    names = names.take(pc.sort_indices(names))
    return pc.index_in(column, value_set=names).to_numpy().astype(np.int64)


def _mean(values: np.ndarray) -> float | None:
    known = np.ravel(values)[~np.isnan(np.ravel(values))]
    return _number(known.mean()) if len(known) else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
