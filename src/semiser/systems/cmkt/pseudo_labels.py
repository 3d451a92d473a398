"""How many pseudo-labels a training kept and how many of them were right: measured afterwards, beside the training.

A training leaves, for each epoch and unlabelled utterance, the class that it gave and whether it was kept; only here do
these meet the true labels of the folds.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd


class PseudoLabelRun(NamedTuple):
    """One training: its variant and fold, and the file of its pseudo-labels (`epoch`, `row`, `class`, `kept`)."""

    variant: str
    fold: int
    path: Path


def count_pseudo_labels(folds: pa.Table, runs: Iterable[PseudoLabelRun], classes: list[str]) -> "pd.DataFrame":
    """Counts over all trainings of a variant.

    Args:
        folds: the `folds` table; `row` of a file is a place in its fold.
        runs: trainings.
        classes: names in the order of their numbers.

    Returns:
        A row per variant, epoch and class of the pseudo-label: `seen`, utterances that were given the class; `kept`, of
        these; `known`, of the kept ones those whose true label is known; `correct`, of these.
    """
    import pandas as pd  # a second of loading, wanted here only

    totals: dict[str, np.ndarray] = {}
    for run in runs:
        counts = _count(pq.read_table(run.path), _true_codes(folds, run.fold, classes), len(classes))
        if run.variant in totals:
            counts += totals[run.variant]
        totals[run.variant] = counts
    rows = [
        [variant, epoch, classes[place], *numbers]
        for variant, counts in totals.items()
        for epoch, of_epoch in enumerate(counts.tolist())
        for place, numbers in enumerate(of_epoch)
    ]
    return pd.DataFrame(rows, columns=["variant", "epoch", "class", "seen", "kept", "known", "correct"])


def _true_codes(folds: pa.Table, fold: int, classes: list[str]) -> np.ndarray:
    rows = folds.filter(pc.equal(folds["fold"], fold))
    codes = pc.index_in(rows["true_label"], value_set=pa.array(classes, pa.string()))
    return pc.fill_null(codes, -1).to_numpy()


def _count(table: pa.Table, truth: np.ndarray, classes: int) -> np.ndarray:
    """(epochs, classes, 4): seen, kept, known and correct."""
    epoch, label, kept = (table[name].to_numpy() for name in ("epoch", "class", "kept"))
    true = truth[table["row"].to_numpy()]
    place = epoch.astype(np.int64) * classes + label
    size = (int(epoch.max(initial=-1)) + 1) * classes
    parts = (np.ones(len(place), bool), kept, kept & (true >= 0), kept & (true == label))
    counts = [np.bincount(place[part], minlength=size) for part in parts]
    return np.stack(counts, -1).reshape(-1, classes, 4)


def pseudo_label_figure(counts: "pd.DataFrame") -> Figure:
    """A row of panels per variant: share kept of the utterances given a class, and precision of what was kept.

    Args:
        counts: what `count_pseudo_labels` returned; without rows the figure is empty.
    """
    variants = list(dict.fromkeys(counts["variant"]))
    figure = Figure(figsize=(9.2, 2.7 * max(len(variants), 1)), layout="constrained")
    if not variants:
        return figure
    for axes, variant in zip(figure.subplots(len(variants), 2, sharex="row", squeeze=False), variants, strict=True):
        rows = counts[counts["variant"] == variant]
        for name, of_class in rows.groupby("class", sort=False):
            _draw_share(axes[0], of_class, "kept", "seen", name)
            _draw_share(axes[1], of_class, "correct", "known", name)
        total = rows.groupby("epoch", as_index=False)[["seen", "kept", "known", "correct"]].sum()
        _draw_share(axes[0], total, "kept", "seen", "all", color="black")
        _draw_share(axes[1], total, "correct", "known", "all", color="black")
        axes[0].set(title=f"{variant}: share kept", xlabel="epoch", ylim=(0, 1.02))
        axes[1].set(title=f"{variant}: precision of what is kept", xlabel="epoch", ylim=(0, 1.02))
        for axis in axes:
            axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=7, frameon=False)
    return figure


def _draw_share(axis: Axes, rows: "pd.DataFrame", part: str, whole: str, label: str, **style: Any) -> None:
    share = rows[part].to_numpy(float) / np.where(rows[whole] > 0, rows[whole], np.nan)
    axis.plot(rows["epoch"], share, label=label, marker="." if len(rows) < 3 else None, **style)
