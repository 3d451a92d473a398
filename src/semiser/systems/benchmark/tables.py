"""The benchmark's tables: scores by share of labels with their costs, paired tests, ranking.

A figure is the mean over folds and draws of labels; its interval and the tests resample and exchange speakers, over all
draws at once (`semiser.evaluation.significance`). Tests between all methods with the same labels are one family, which
Holm's method corrects (1979). `share` is `all` where budgets are averaged, each with the same weight.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from semiser.evaluation.confounds import confounds_of, over_draws
from semiser.evaluation.report import evaluate
from semiser.evaluation.significance import LEVEL, holm
from semiser.evaluation.tasks import settings_of
from semiser.folds.table import ROLES, TEST, TRAIN, each_fold
from semiser.systems.benchmark import guests
from semiser.systems.benchmark.options import EVERYONE, TrainBenchmarkOptions
from semiser.systems.system import Work

METRIC = "uar"
# A method that hears unlabelled speech to what it is without: the same classifier on labels alone.
SUPERVISED = {
    "self_training": "logistic",
    "label_spreading": "knn",
    "sae": "dnn",
    "mixmatch": "dnn",
    "mmmd_without_acted": "mmd",
    "mixmatch_aligned": "dnn",
    "softmatch": "dnn",
    "softmatch_guarded": "dnn",
    "softmatch_half": "dnn",
    "mixmatch_guarded": "dnn",
    "mmmd_aligned": "mmd",
    "mmmd_guarded": "mmd",
    "mmmd_softmatch": "mmd",
    "mmmd_half": "mmd",
    "mmmd_with_acted": "mmd",
    "mmmd_epoch_wise": "mmd",
    **guests.SUPERVISED,
}
_HEARD = "unlabelled=target"  # in the name of a method that hears the tested corpus
_IN_COLUMNS = ("modalities", "features", "unlabelled", "share")  # settings that are columns of `efficiency`
COSTS = ("seconds", "processor_s", "memory_mib", "gpu_mib")


class Measured(NamedTuple):
    """Metrics of all methods on some test utterances.

    Attributes:
        tested: name of the utterances.
        figures: variant to metric to its entry, as metrics.json has them.
        paired: `a - b` to metric to its entry.
        told_by_files: share to quantity to the UAR of a small tree that knows nothing else of an utterance.
    """

    tested: str
    figures: Mapping[str, Mapping[str, Any]]
    paired: Mapping[str, Mapping[str, Any]]
    told_by_files: Mapping[str, Mapping[str, float]] = {}


def tested(work: Work[TrainBenchmarkOptions], metrics: Mapping[str, Any], predictions: pa.Table) -> Iterator[Measured]:
    """All test utterances and every part of them, with each budget and, where there are several, averaged over them.

    Args:
        work: the benchmark.
        metrics: of all test utterances.
        predictions: of all methods, `PREDICTIONS_SCHEMA`.

    Raises:
        ValueError: a part has no test utterance.
    """
    classes = {"classes": metrics["protocol"]["classes"]}
    for name, chosen in _parts(work, metrics).items():
        rows = predictions if name == EVERYONE else _take(predictions, chosen)
        if not len(rows):
            raise ValueError(f"train_benchmark.tested_on.{name}: no test utterance is in {chosen.described}")
        own = (
            metrics if name == EVERYONE else evaluate(rows, classes, pairs=with_same_labels(list(metrics["variants"])))
        )
        by_files = _told_by_files(work, chosen)
        yield Measured(name, own["variants"], own["paired"], by_files)
        if len(work.options.shares) == 1:
            continue
        joined = over_budgets(rows)
        variants = pc.unique(joined["variant"]).to_pylist()
        found = evaluate(joined, classes, pairs=with_same_labels(variants))
        quantities = set.intersection(*map(set, by_files.values()))
        means = {quantity: float(np.mean([of[quantity] for of in by_files.values()])) for quantity in quantities}
        yield Measured(name, found["variants"], found["paired"], {"all": means})


class _Part(NamedTuple):
    """Test utterances that are looked at by themselves: by their ids, or those of some folds; None: all of them."""

    ids: pa.Array | None = None
    folds: tuple[int, ...] | None = None
    described: str = ""


def _parts(work: Work[TrainBenchmarkOptions], metrics: Mapping[str, Any]) -> dict[str, _Part]:
    """All test utterances, the named parts of them, and across corpora those of every pair: `emodb by casia`."""
    parts = {EVERYONE: _Part()}
    for name, subset in work.options.tested_on.items():
        inside = pc.is_in(work.utterances[subset.column], pa.array(subset.values, pa.string()))
        ids = work.utterances["utterance_id"].filter(inside).combine_chunks()
        parts[name] = _Part(ids=ids, described=f"{' or '.join(subset.values)} by the column {subset.column}")
    pairs: dict[str, list[int]] = defaultdict(list)
    for fold in metrics["protocol"].get("folds", ()):
        if "trained_on" in fold:
            pairs[f"{fold['tested_on']} by {fold['trained_on']}"].append(fold["fold"])
    return parts | {name: _Part(folds=tuple(numbers)) for name, numbers in pairs.items()}


def _take(rows: pa.Table, part: _Part) -> pa.Table:
    if part.folds is not None:
        return rows.filter(pc.is_in(rows["fold"], pa.array(part.folds, pa.int32())))
    return rows.filter(pc.is_in(rows["utterance_id"], part.ids))


def _told_by_files(work: Work[TrainBenchmarkOptions], part: _Part) -> dict[str, dict[str, float]]:
    """Share to quantity to the UAR of a tree on it alone, mean over draws, on the test utterances of a part."""
    folds = work.folds.filter(
        pc.invert(pc.match_substring(pc.cast(work.folds["experiment"], "string"), _HEARD))
    )  # the same labels
    if part.folds is not None:
        folds = _take(folds, part)
    elif part.ids is not None:
        outside = pc.and_(pc.equal(folds["role"], ROLES[TEST]), pc.invert(pc.is_in(folds["utterance_id"], part.ids)))
        folds = folds.filter(pc.invert(outside))
    found = over_draws(confounds_of(folds, work.utterances, work.training.confound_margin))
    return {settings_of(each["experiment"])["share"]: each["uar"] for each in found}


def over_budgets(predictions: pa.Table) -> pa.Table:
    """Predictions of which budgets are further draws of one variant, `<method>/share=all`."""
    names = predictions["variant"].to_pylist()
    shares = [settings_of(name)["share"] for name in names]
    known = sorted(set(zip(shares, predictions["seed"].to_pylist(), strict=True)))
    place = {key: number for number, key in enumerate(known)}
    seeds = [place[key] for key in zip(shares, predictions["seed"].to_pylist(), strict=True)]
    joined = [f"{name.rpartition('/share=')[0]}/share=all" for name in names]
    table = predictions.select([name for name in predictions.column_names if name != "probabilities"])
    columns = {
        "variant": pa.array(joined, pa.string()),
        "seed": pa.array(seeds, pa.int64()),
        "experiment": pa.array([EVERYONE] * len(table), pa.string()),
    }
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table.replace_schema_metadata(None)


def with_same_labels(variants: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of variants that see the same share of labels, later minus earlier."""
    return [(b, a) for a, b in combinations(variants, 2) if settings_of(a)["share"] == settings_of(b)["share"]]


def efficiency(
    work: Work[TrainBenchmarkOptions], measured: Sequence[Measured], models: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """A row per method, features, share and tested part, and one each for what a tree knows that hears nothing.

    Returns:
        `tested`, `method`, `features`, across corpora `unlabelled` (`target` where the tested corpus's other speakers
        are heard), `share`; `labels`: training labels of a fold, mean over folds and draws; `uar`
        with `uar_std` (over draws; over folds where there is one draw), `ci95_low`, `ci95_high`; of the training of a
        fold the mean `seconds` and `processor_s` and the largest `memory_mib` (and `gpu_mib`); `trainings`: how many
        were measured, so that all of them took `trainings` times as long.
    """
    labels, costs = _labels(work), _costs(models)
    rows = []
    for part in measured:
        for variant, figures in part.figures.items():
            share, figure = settings_of(variant)["share"], figures[METRIC]
            low, high = figure["ci95"]
            scores = {METRIC: figure["mean"], f"{METRIC}_std": figure["std"], "ci95_low": low, "ci95_high": high}
            rows.append(
                {"tested": part.tested, **described(variant), "labels": labels.get(share)}
                | scores
                | costs.get(variant, {})
            )
        for share, quantities in part.told_by_files.items():
            for quantity, score in sorted(quantities.items()):
                place = {"tested": part.tested, "method": f"{quantity} alone", "features": "", "share": share}
                rows.append({**place, "labels": labels.get(share), METRIC: score})
    return pd.DataFrame(rows)


def without_speech(table: pd.DataFrame) -> dict[str, dict[float, float]]:
    """What `efficiency` has of trees that hear nothing, on all test utterances: name to share to UAR."""
    rows = table[table["method"].str.endswith(" alone") & (table["tested"] == EVERYONE) & (table["share"] != "all")]
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for row in rows.to_dict("records"):
        found[row["method"]][float(row["share"])] = row[METRIC]
    return found


def paired_tests(measured: Sequence[Measured]) -> pd.DataFrame:
    """Every pair of methods with the same labels: the difference of their UAR, and how sure it is.

    Returns:
        `tested`, `share`, `a`, `b`, `difference` (a - b), `ci95_low`, `ci95_high`, `p`, `p_holm` (of the tests with
        this share on these utterances), `p_holm_least`: what the smallest of these can be for the number of speakers,
        `supervised`: whether b is a without unlabelled speech, or the other way round; `p_holm_supervised`: p corrected
        for the number of such pairs alone, which are what a benchmark of semi-supervised learning asks.
    """
    rows = []
    for part in measured:
        families: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        for name, entry in part.paired.items():
            families[settings_of(name.split(" - ")[0])["share"]][name] = entry[METRIC]
        for share, tests in families.items():
            known = {name: entry["p"] for name, entry in tests.items() if entry["p"] is not None}
            asked = {name: p for name, p in known.items() if _is_with_and_without(name)}
            corrected, planned = holm(known), holm(asked)
            for name, entry in tests.items():
                a, b = (_method(variant) for variant in name.split(" - "))
                low, high = entry["ci95"]
                rows.append(
                    {"tested": part.tested, "share": share, "a": a, "b": b, "difference": entry["difference"]}
                    | {"ci95_low": low, "ci95_high": high, "p": entry["p"], "p_holm": corrected.get(name)}
                    | {"p_holm_least": min(1.0, len(corrected) * entry["smallest_p"])}
                    | {"supervised": _is_with_and_without(name), "p_holm_supervised": planned.get(name)}
                )
    columns = ["tested", "share", "a", "b", "difference", "ci95_low", "ci95_high", "p", "p_holm", "p_holm_least"]
    return pd.DataFrame(rows, columns=[*columns, "supervised", "p_holm_supervised"])


def ranking(measured: Sequence[Measured], tests: pd.DataFrame) -> pd.DataFrame:
    """The methods by their UAR, with each share on each part of the test utterances.

    Returns:
        `tested`, `share`, `rank` from 1, `method` (with its features where there are several), `uar`, `ahead_of` and
        `behind`: from which methods it differs after Holm's correction (5 % level).
    """
    ahead: dict[tuple[str, str, str], dict[str, list[str]]] = defaultdict(lambda: {"ahead_of": [], "behind": []})
    for row in tests[tests["p_holm"] < LEVEL].to_dict("records"):
        better, worse = (row["a"], row["b"]) if row["difference"] > 0 else (row["b"], row["a"])
        ahead[row["tested"], row["share"], better]["ahead_of"].append(worse)
        ahead[row["tested"], row["share"], worse]["behind"].append(better)
    rows = []
    for part in measured:
        by_share: dict[str, dict[str, float]] = defaultdict(dict)
        for variant, figures in part.figures.items():
            by_share[settings_of(variant)["share"]][_method(variant)] = figures[METRIC]["mean"]
        for share, means in by_share.items():
            for rank, method in enumerate(sorted(means, key=lambda name: -means[name]), 1):
                found = {key: ", ".join(names) for key, names in ahead[part.tested, share, method].items()}
                place = {"tested": part.tested, "share": share, "rank": rank, "method": method}
                rows.append({**place, METRIC: means[method], **found})
    return pd.DataFrame(rows)


def _labels(work: Work[TrainBenchmarkOptions]) -> dict[str, float]:
    """Share, as in a variant's name, to the training labels of a fold, mean over folds and draws."""
    found = defaultdict(list)
    for experiment, _, fold in each_fold(work.folds):
        found[settings_of(experiment)["share"]].append(pc.sum(pc.equal(fold["role"], ROLES[TRAIN])).as_py())
    return {share: float(np.mean(values)) for share, values in found.items()}


def _costs(models: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Variant to the costs of a fold: the mean of times, the largest of memory; none where nothing was measured."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in models:
        for name, value in (row.get("cost") or {}).items():
            found[row["variant"]][name].append(value)
    return {
        variant: {
            name: float(np.max(costs[name]) if name.endswith("_mib") else np.mean(costs[name]))
            for name in COSTS
            if name in costs
        }
        | {"trainings": float(max(map(len, costs.values())))}
        for variant, costs in found.items()
    }


def processor_hours(models: Sequence[Mapping[str, Any]]) -> float:
    """What all trainings took together, those too that an earlier run had finished."""
    return sum((row.get("cost") or {}).get("processor_s", 0.0) for row in models) / 3600


def described(variant: str) -> dict[str, str]:
    """The columns of `efficiency` that a variant's name tells."""
    settings = settings_of(variant)
    features = settings.get("modalities", settings.get("features", ""))
    heard = {"unlabelled": settings["unlabelled"]} if "unlabelled" in settings else {}
    own = [f"{name}={value}" for name, value in settings.items() if name not in _IN_COLUMNS]
    method = "/".join([variant.split("/")[0], *own])
    return {"method": method, "features": features, **heard, "share": settings["share"]}


def _method(variant: str) -> str:
    return variant.rpartition("/share=")[0]


def _is_with_and_without(pair: str) -> bool:
    """Whether one of `a - b` is what the other is without unlabelled speech."""
    a, b = (_method(variant) for variant in pair.split(" - "))
    return _is_supervised(a, b) or _is_supervised(b, a)


def _is_supervised(a: str, b: str) -> bool:
    """Whether b is what a is without unlabelled speech, on the same features."""
    (method, *features), (other, *others) = ([part for part in name.split("/") if part != _HEARD] for name in (a, b))
    return SUPERVISED.get(method) == other and features == others
