"""Figures of the report: confusion matrices and training curves, drawn without a display."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semiser.evaluation.metrics import confusion_matrix, uar
from semiser.evaluation.tasks import settings_of

if TYPE_CHECKING:
    import pandas as pd

PANELS_PER_ROW = 3
_MARKERS = "osD^v"  # one for every ten lines, whose colours begin again
_DASHES = ("--", ":", "-.")


def confusion_figure(predictions: pa.Table, classes: Sequence[str] | Mapping[str, Sequence[str]]) -> Figure:
    """One confusion matrix per variant, over all folds and seeds: row percentages with the counts below.

    Args:
        predictions: table with `variant`, `seed`, `target` and `prediction`, see `report.PREDICTIONS_SCHEMA`.
        classes: names in their order; by variant where they differ.

    Raises:
        ValueError: there is no prediction.
    """
    variants = pc.unique(predictions["variant"]).to_pylist()
    if not variants:
        raise ValueError("there is no prediction to draw; run the training pipeline first")
    of = classes if isinstance(classes, Mapping) else dict.fromkeys(variants, classes)
    side = max(3.4, 0.72 * max(len(of[variant]) for variant in variants) + 1.3)
    figure, axes = _panels(len(variants), side, side)
    for axis, variant in zip(axes, variants, strict=True):
        rows = predictions.filter(pc.equal(predictions["variant"], variant))
        names = of[variant]
        _draw_confusion(axis, _confusion(rows, names), names, variant, len(pc.unique(rows["seed"])))
    return figure


def curves_figure(curves: pa.Table) -> Figure:
    """One panel per curve: a line per variant, the mean over folds and seeds, in a band of one standard deviation.

    Args:
        curves: table with `variant`, `fold`, `seed`, `epoch`, `name`, `value`; values that are not finite are left out.

    Raises:
        ValueError: there is no curve.
    """
    names = pc.unique(curves["name"]).to_pylist()
    if not names:
        raise ValueError("there is no training curve to draw; run the training pipeline first")
    variants = pc.unique(curves["variant"]).to_pylist()
    figure, axes = _panels(len(names), 4.6, 3.2)
    for axis, name in zip(axes, names, strict=True):
        panel = curves.filter(pc.equal(curves["name"], name))
        for place, variant in enumerate(variants):
            _draw_curve(axis, panel.filter(pc.equal(panel["variant"], variant)), variant, f"C{place % 10}")
        axis.set(title=name, xlabel="epoch")
        axis.grid(alpha=0.3)
    handles = [axes[0].plot([], [], color=f"C{place % 10}", label=name)[0] for place, name in enumerate(variants)]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(variants), 4), frameon=False)
    return figure


def sweep_figure(table: "pd.DataFrame", metric: str = "macro_f1") -> Figure:
    """Two panels over the settings of a sweep: an average with its interval, and the F1 of each class.

    Args:
        table: what `report.metrics_table` returned; its variants are named `<system>/.../<option>=<setting>`.
        metric: the average that is drawn.
    """
    option, settings = table["variant"].iloc[0].rsplit("/", 1)[1].split("=", 1)[0], []
    for name in table["variant"]:
        settings.append(name.rsplit("/", 1)[1].split("=", 1)[1])
    figure, (average, classes) = _panels(2, 4.6, 3.4)
    places, mean = np.arange(len(settings)), table[metric].to_numpy(float)
    ends = [np.abs(table[f"{metric}_ci95_{end}"].to_numpy(float) - mean) for end in ("low", "high")]
    average.errorbar(places, mean, yerr=ends, marker="o", capsize=3)
    average.set(title=f"{metric}, 95 % interval over speakers", ylim=(0, 1))
    for column in [name for name in table.columns if name.startswith("f1/")]:
        classes.plot(places, table[column].to_numpy(float), marker="o", label=column.removeprefix("f1/"))
    classes.set(title="F1 of each class", ylim=(0, 1))
    classes.legend(fontsize=7, frameon=False)
    for axis in (average, classes):
        axis.set_xticks(places, settings, rotation=30 if max(map(len, settings)) > 5 else 0, ha="center")
        axis.set_xlabel(option)
        axis.grid(alpha=0.3)
    return figure


def shares_figure(
    table: "pd.DataFrame", metric: str = "uar", references: Mapping[str, Mapping[float, float]] | None = None
) -> Figure:
    """An average with its interval by the share of labels: a panel per other setting, a line per variant.

    Args:
        table: what `report.metrics_table` returned; its variants are named `<variant>/share=<share>`, with further
            settings, such as `task=<task>`, before or behind the share.
        metric: the average that is drawn.
        references: name to its figure by share, without interval: in every panel, broken and grey.
    """
    parts = [name.split("/") for name in table["variant"]]
    panels = [" ".join(part for part in of[1:] if not part.startswith("share=")) for of in parts]
    shares = np.array([float(settings_of(name)["share"]) for name in table["variant"]])
    few = len(set(shares)) == 1
    wide = few or shares.min() < 0.2  # shares that a linear axis would press together, or one alone
    variants = list(dict.fromkeys(of[0] for of in parts))
    titles = list(dict.fromkeys(panels))
    columns = min(len(variants) + len(references or {}), 4, 2 * len(titles))
    rows_of_names = math.ceil((len(variants) + len(references or {})) / columns)
    figure, axes = _panels(len(titles), 4.6, 3.2 + 0.18 * rows_of_names)
    styles: list[dict[str, Any]] = [
        {"color": f"C{place % 10}", "marker": _MARKERS[place // 10 % len(_MARKERS)], "ms": 3 + place // 10}
        for place in range(len(variants))
    ]
    for axis, title in zip(axes, titles, strict=True):
        for place, variant in enumerate(variants):
            rows = [row for row, of in enumerate(parts) if of[0] == variant and panels[row] == title]
            mean = table[metric].to_numpy(float)[rows]
            ends = [np.abs(table[f"{metric}_ci95_{end}"].to_numpy(float)[rows] - mean) for end in ("low", "high")]
            shift = 0.01 * (place - (len(variants) - 1) / 2)  # so that intervals do not hide each other
            places = shares[rows] * (1 + 2 * shift) if wide else shares[rows] + shift
            axis.errorbar(places, mean, yerr=ends, capsize=2, **styles[place])
        for (name, figures), dashes in zip((references or {}).items(), _DASHES, strict=False):
            known = sorted(figures)
            axis.plot(known, [figures[share] for share in known], dashes, color="0.5", lw=1, marker=".", label=name)
        axis.set(title=title, xlabel="share of labels", ylabel=metric)
        if wide:
            axis.set_xscale("log")
            axis.set_xticks(ticks := np.unique(shares), [f"{100 * share:g} %" for share in ticks])
            axis.minorticks_off()
            if few:
                axis.set_xlim(shares[0] / 2, shares[0] * 2)
        axis.grid(alpha=0.3)
    handles = [axes[0].plot([], [], label=name, **styles[place])[0] for place, name in enumerate(variants)]
    handles += [line for line in axes[0].lines if line.get_label() in (references or {})]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure


def reconstruction_figure(panels: Mapping[str, np.ndarray]) -> Figure:
    """Spectrogram segments beside each other on one colour scale, low frequencies below.

    Args:
        panels: title to a segment, (bins, frames) of ln magnitude; the first one sets the scale.
    """
    figure, axes = _panels(len(panels), 3.2, 3.8)
    first = next(iter(panels.values()))
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        image = axis.imshow(values, origin="lower", aspect="auto", cmap="magma", vmin=first.min(), vmax=first.max())
        axis.set(title=title, xlabel="frame", ylabel="bin")
        axis.title.set_fontsize(8)
    figure.colorbar(image, ax=list(axes), label="ln magnitude", shrink=0.8)
    return figure


def spectrograms_figure(rows: dict[str, np.ndarray]) -> Figure:
    """Spectrograms side by side, low frequencies below; all have the same colours.

    Args:
        rows: title of a row to its spectrograms in [-1, 1], (count, bins, frames).
    """
    count = max(map(len, rows.values()))
    figure = Figure(figsize=(1.1 * count + 1, 2.2 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), count, squeeze=False)
    for line, (title, spectrograms) in zip(axes, rows.items(), strict=True):
        for axis, values in zip(line, spectrograms, strict=False):
            image = axis.imshow(values, origin="lower", aspect="auto", vmin=-1, vmax=1, interpolation="nearest")
        for axis in line:
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(title)
    figure.colorbar(image, ax=axes, label="scaled level", shrink=0.6)
    return figure


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A grid of `count` panels of the given size in inches."""
    columns = min(count, PANELS_PER_ROW)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.remove()
    return figure, list(axes[:count])


def _confusion(rows: pa.Table, classes: Sequence[str]) -> np.ndarray:
    names = pa.array(classes, pa.string())
    target, prediction = (pc.index_in(rows[column], value_set=names).to_numpy() for column in ("target", "prediction"))
    return confusion_matrix(target, prediction, len(classes))


def _draw_confusion(axis: Axes, confusion: np.ndarray, classes: Sequence[str], variant: str, seeds: int) -> None:
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(confusion.shape):
        colour = "white" if shares[row, column] > 0.55 else "black"
        text = f"{100 * shares[row, column]:.0f} %\n{confusion[row, column]}"
        axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour, in_layout=False)
    ticks = range(len(classes))
    axis.set_xticks(ticks, classes, rotation=45, ha="right", rotation_mode="anchor")
    axis.set_yticks(ticks, classes)
    over = f" over {seeds} seeds" if seeds > 1 else ""
    axis.set_title(f"{variant}\npooled UAR {uar(confusion):.3f}, {confusion.sum()} predictions{over}", fontsize=10)
    axis.set(xlabel="prediction", ylabel="target")


def _draw_curve(axis: Axes, rows: pa.Table, variant: str, colour: str) -> None:
    rows = rows.filter(pc.is_finite(rows["value"]))
    if len(rows) == 0:
        return
    epochs, place = np.unique(rows["epoch"].to_numpy(), return_inverse=True)
    values = rows["value"].to_numpy().astype(np.float64)
    count = np.bincount(place)
    mean = np.bincount(place, values) / count
    std = np.sqrt(np.bincount(place, np.square(values - mean[place])) / count)
    # A single epoch is a point, which a line would not show.
    axis.plot(epochs, mean, color=colour, label=variant, marker="o" if len(epochs) == 1 else None)
    axis.fill_between(epochs, mean - std, mean + std, color=colour, alpha=0.2, linewidth=0)
