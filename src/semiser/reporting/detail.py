"""What stands behind a variant's average, for the page: confusions, recalls, speakers, certainty, curves, errors."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from matplotlib.figure import Figure

from semiser.evaluation.vector import COLOURS, as_svg
from semiser.reporting.words import words

MOST_SPEAKERS = 12


@dataclass(frozen=True)
class Detail:
    """A variant.

    Attributes:
        variant: its name.
        classes: in their order.
        rows: of the confusion matrix: class, utterances, (count, share) by what was said, recall or None.
        seeds: that the counts are over.
        speakers: (name, utterances, share that is right, mean recall), worst first, at most `MOST_SPEAKERS`.
        more_speakers: that are not shown.
        calibration: (mean confidence, share that is right, count), least sure first.
        curves: training curves as SVG; None where nothing was trained in epochs.
        validated: whether a curve is of the validation part.
    """

    variant: str
    classes: list[str]
    rows: list[tuple[str, int, list[tuple[int, float]], float | None]]
    seeds: int
    speakers: list[tuple[str, int, float, float]]
    more_speakers: int
    calibration: list[tuple[float, float, int]]
    curves: str | None
    validated: bool


@dataclass(frozen=True)
class Wrong:
    """An utterance that was often wrong; `player` is the address of its sound from the page, None where it is gone."""

    task: str
    name: str
    speaker: str
    path: str
    player: str | None
    transcript: str
    target: str
    said: str
    wrong: int
    of: int


def show(details: Mapping[str, Any], variants: Sequence[str]) -> list[Detail]:
    """Details of variants, in this order; all curves of losses have the same axis."""
    known = {name: details["variants"][name] for name in variants if name in details["variants"]}
    top = max((value for found in known.values() for _, of in _losses(found) for value in of), default=1.0)
    return [_detail(name, found, min(top, 3.0)) for name, found in known.items()]


def _detail(variant: str, found: Mapping[str, Any], top: float) -> Detail:
    rows = []
    for name, counts in zip(found["classes"], found["confusion"], strict=True):
        total = sum(counts)
        shares = [(count, count / total if total else 0.0) for count in counts]
        right = counts[found["classes"].index(name)]
        rows.append((name, total, shares, right / total if total else None))
    speakers = [(row["speaker"], row["utterances"], row["right"], row["recall"]) for row in found["speakers"]]
    return Detail(
        variant=variant,
        classes=found["classes"],
        rows=rows,
        seeds=found["seeds"],
        speakers=speakers[:MOST_SPEAKERS],
        more_speakers=max(0, len(speakers) - MOST_SPEAKERS),
        calibration=[(row["confidence"], row["right"], row["count"]) for row in found["calibration"]],
        curves=_curves(found["curves"], top) if found["curves"] else None,
        validated=any(_is_validation(name) for name in found["curves"]),
    )


def _is_validation(name: str) -> bool:
    return name.startswith("validation")


def _losses(found: Mapping[str, Any]) -> list[tuple[str, list[float]]]:
    """Each training loss as a share of its first value, so that losses of any size stand on one axis."""
    return [
        (name, [value / abs(curve["mean"][0]) for value in curve["mean"]])
        for name, curve in found["curves"].items()
        if not _is_validation(name) and curve["mean"] and curve["mean"][0]
    ]


def _curves(curves: Mapping[str, Mapping[str, list[float]]], top: float) -> str:
    """Training losses in shares of their first value on the left axis, the validation part's figure on the right."""
    figure = Figure(figsize=(3.5, 2.5), layout="constrained")
    axis = figure.subplots()
    lines = []
    scaled = dict(_losses({"curves": curves}))
    for place, (name, values) in enumerate(scaled.items()):
        colour, marker = COLOURS[place % len(COLOURS)], "o" if len(values) == 1 else None
        lines += axis.plot(curves[name]["epoch"], values, label=words(name), color=colour, marker=marker, ms=3)
    axis.set_ylim(0, 1.05 * max(top, 1.0))
    axis.set_xlabel("epoch", fontsize=8)
    axis.set_ylabel("loss, share of the first epoch's", fontsize=8)
    if any(map(_is_validation, curves)):
        right = axis.twinx()
        for name in filter(_is_validation, curves):
            lines += right.plot(curves[name]["epoch"], curves[name]["mean"], "--", color=COLOURS[3], label=words(name))
        right.set_ylim(0, 1)
        right.tick_params(labelsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)
    figure.legend(handles=lines, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return as_svg(figure)


def often_wrong(rows: Sequence[Mapping[str, Any]], roots: Mapping[str, str], page: Path) -> list[Wrong]:
    """The utterances that are most often wrong, with a player where their sound is on this machine.

    Args:
        rows: of details.json.
        roots: corpus to the folder that its paths are relative to.
        page: folder of the page.
    """
    return [_wrong(row, roots, page) for row in rows]


def _wrong(row: Mapping[str, Any], roots: Mapping[str, str], page: Path) -> Wrong:
    root, path = roots.get(row.get("corpus", "")), row.get("audio_path") or ""
    player = None
    if root and path and (file := Path(root, path)).is_file():
        address = quote(os.path.relpath(file.resolve(), page.resolve()).replace(os.sep, "/"))
        start, end = row.get("start_s"), row.get("end_s")
        player = address + (f"#t={start or 0:g}{f',{end:g}' if end is not None else ''}" if start or end else "")
    return Wrong(
        task=row["task"],
        name=row["utterance_id"],
        speaker=row.get("speaker_id") or "",
        path=path,
        player=player,
        transcript=row.get("transcript") or "",
        target=row["target"],
        said=", ".join(f"{word} {count}" for word, count in row["said"].items()),
        wrong=row["wrong"],
        of=row["of"],
    )
