"""What a class can be told from without its speech: the length of the file, its level.

A corpus whose classes were recorded, cut or levelled differently is recognised by that, and a score on it says little
of emotion. So beside every score stands that of a small decision tree on the logarithm of the duration alone, and of
one on the level alone, trained and tested on the same folds.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.evaluation.cuts import grow_cuts
from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.folds.table import each_fold

_LEAVES, _LEAST_IN_A_LEAF = 16, 5
_BEFORE = 0.15  # margin of a metrics.json from before it was an option
_KNOWN_SHARE = 0.95  # of the utterances of an experiment, for a quantity to be judged


def confounds_of(folds: pa.Table, utterances: pa.Table, margin: float) -> list[dict[str, Any]]:
    """UAR of trees that know nothing but the duration, or nothing but the level, on the folds of each experiment.

    Args:
        folds: the table of folds.
        utterances: with `duration_s` and `level_db`.
        margin: UAR above chance from which on a quantity counts as telling the class; noted with the figures.

    Returns:
        For each experiment of the table `experiment`, `chance` (1 / number of classes), `margin` and `uar`: quantity
        (`duration`, `level`) to the UAR over the test utterances of all folds; without one that too few utterances
        have. Folds without classes are left out.
    """
    places = {name: place for place, name in enumerate(utterances["utterance_id"].to_pylist())}
    quantities = {"duration": _column(utterances, "duration_s"), "level": _column(utterances, "level_db")}
    with np.errstate(divide="ignore", invalid="ignore"):
        quantities["duration"] = np.log(quantities["duration"])
    tested: dict[str, list[dict[str, Any]]] = {}
    for experiment, _, fold in each_fold(folds):
        rows = fold.filter(pc.is_valid(fold["label"]))
        roles, labels = np.asarray(rows["role"].to_pylist()), np.asarray(rows["label"].to_pylist(), dtype=str)
        where = np.asarray([places[name] for name in rows["utterance_id"].to_pylist()], dtype=np.int64)
        train, test = np.isin(roles, ["train", "acted"]), roles == "test"
        if len(set(labels[train])) > 1 and test.any():
            values = {name: of_all[where] for name, of_all in quantities.items()}
            found = {name: _predict(of_rows, labels, train, test) for name, of_rows in values.items()}
            tested.setdefault(experiment, []).append({"target": labels[test], **found})
    return [_scores(experiment, parts) | {"margin": margin} for experiment, parts in tested.items()]


def _column(utterances: pa.Table, name: str) -> np.ndarray:
    if name not in utterances.column_names:
        return np.full(len(utterances), np.nan)
    return utterances[name].to_numpy(zero_copy_only=False).astype(np.float64)


def _predict(values: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray | None:
    """Classes of the test rows; None where too few have the quantity."""
    known = np.isfinite(values)
    if known.mean() < _KNOWN_SHARE or len(set(labels[train & known])) < 2:
        return None
    values = np.where(known, values, np.median(values[known]))
    return grow_cuts(values[train], labels[train], _LEAVES, _LEAST_IN_A_LEAF).predict(values[test])


def _scores(experiment: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    target = np.concatenate([part["target"] for part in parts])
    classes = sorted(set(target))
    codes = {name: code for code, name in enumerate(classes)}
    found = {}
    for name in ("duration", "level"):
        if all(part[name] is not None for part in parts):
            predicted = np.concatenate([part[name] for part in parts])
            known = [codes.get(one, len(classes)) for one in predicted]  # a class that is never tested is a miss
            counts = confusion_matrix(np.asarray([codes[one] for one in target]), np.asarray(known), len(classes) + 1)
            found[name] = float(uar(counts))
    return {"experiment": experiment, "chance": 1 / len(classes), "uar": found}


def over_draws(found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries of `confounds_of`; those that differ in the draw of labels alone, `.../draw=0`, become their mean."""
    draws: dict[str, list[Mapping[str, Any]]] = {}
    for each in found:
        draws.setdefault(each["experiment"].partition("/draw=")[0], []).append(each)
    return [
        {
            **entries[0],
            "experiment": experiment,
            "uar": {
                name: float(np.mean([each["uar"][name] for each in entries]))
                for name in entries[0]["uar"]
                if all(name in each["uar"] for each in entries)
            },
        }
        for experiment, entries in draws.items()
    ]


def say_confounds(found: Mapping[str, Any]) -> str:
    """A line on an entry of `confounds_of`."""
    each = [f"{quantity} alone {score:.2f}" for quantity, score in found["uar"].items()]
    return f"UAR of a small tree on {', on '.join(each)}; guessing {found['chance']:.2f}" if each else ""


def confounded(found: Mapping[str, Any]) -> list[str]:
    """The quantities that tell the class by `margin` above chance."""
    return [name for name, score in found["uar"].items() if score >= found["chance"] + found.get("margin", _BEFORE)]
