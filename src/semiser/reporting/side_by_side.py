"""Several experiments in one table: what each system scored best in each of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semiser.reporting.findings import Finding, find_best
from semiser.reporting.gather import gather_metrics

REPORT = "report.html"


@dataclass(frozen=True)
class Cell:
    """The best variant of an experiment, and the page that says more, relative to the own one; None without a page."""

    finding: Finding
    page: str | None


@dataclass(frozen=True)
class Row:
    """A pipeline and its setting (task and label budget; may be empty), with a cell per experiment or None."""

    pipeline: str
    setting: str
    cells: list[Cell | None]


@dataclass(frozen=True)
class SideBySide:
    """Experiments by name, and a row for whatever was trained in at least one of them."""

    experiments: list[str]
    rows: list[Row]


def side_by_side(reporting: Path, names: Sequence[str] | None) -> SideBySide:
    """The best of every experiment, by system and setting.

    Args:
        reporting: reporting folder of the own experiment; those of others lie beside it.
        names: of experiments, None for all that have figures.

    Raises:
        ValueError: a named experiment has no figures; the message says which have.
    """
    folders = sorted(path for path in reporting.parent.iterdir() if path.is_dir()) if reporting.parent.is_dir() else []
    found = {folder.name: metrics for folder in folders if (metrics := gather_metrics(folder))}
    if unknown := sorted(set(names or ()) - found.keys()):
        raise ValueError(
            f"report.experiments names {', '.join(unknown)}, which left no figures below {reporting.parent}: "
            f"there are {', '.join(found) or 'none'}"
        )
    shown = list(found if names is None else names)
    best = {
        (pipeline, finding.setting, name): finding
        for name in shown
        for pipeline, metrics in found[name].items()
        for finding in find_best(pipeline, metrics)
    }
    keys = sorted({key[:2] for key in best})
    pages = {name: _page(reporting, name) for name in shown}
    cells = [[Cell(best[*key, name], pages[name]) if (*key, name) in best else None for name in shown] for key in keys]
    return SideBySide(shown, [Row(*key, own) for key, own in zip(keys, cells, strict=True)])


def _page(reporting: Path, name: str) -> str | None:
    page = reporting.parent / name / REPORT
    return os.path.relpath(page, reporting) if page.is_file() and name != reporting.name else None
