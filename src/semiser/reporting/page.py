"""The report: one HTML page that needs nothing else, and the same as JSON and as a table."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape  # part of jinja2

from semiser.evaluation.confounds import confounded, over_draws, say_confounds
from semiser.evaluation.metrics import AVERAGES
from semiser.evaluation.published import PAPERS, Published
from semiser.evaluation.significance import holm
from semiser.reporting.anchored import anchored
from semiser.reporting.compare import Ours, compare
from semiser.reporting.detail import Detail, often_wrong, show
from semiser.reporting.findings import Finding, difference, find_best, format_p, metric_label, task_of
from semiser.reporting.gather import Results, gather
from semiser.reporting.protocol import protocol_of
from semiser.reporting.record import versions
from semiser.reporting.side_by_side import SideBySide
from semiser.reporting.words import describe_option, describe_protocol, format_hours, short_hashes

MOST_DETAILED = 12  # variants of a group whose errors are shown
NAMES = {"mmmd": "MMMD", "avspnet": "AV-SpNET", "began": "BEGAN", "mssgan": "MSSGAN", "cmkt": "CMKT"}


@dataclass(frozen=True)
class Report:
    """The report in its three forms: a page, what it says first as JSON, and ours beside published as flat rows."""

    html: str
    summary: dict[str, Any]
    comparison: list[dict[str, Any]]


def make_report(
    folder: str | Path,
    ingest: Mapping[str, Any] | None = None,
    features: Mapping[str, Any] | None = None,
    beside_it: SideBySide | None = None,
    described: Mapping[str, Mapping[str, str]] | None = None,
    final: Mapping[str, Any] | None = None,
) -> Report:
    """The report over whatever was run in an experiment.

    Args:
        folder: its reporting folder, of its name.
        ingest: `ingest_summary`, None where there is none.
        features: `features_summary`, likewise.
        beside_it: several experiments, where they are asked for.
        described: pipeline to its variants, each with a line that says what it is.
        final: card of the experiment's final model.
    """
    folder = Path(folder)
    roots = {name: facts["root"] for name, facts in (ingest or {}).items() if "root" in facts}
    results = gather(folder)
    findings = [finding for part in results if part.metrics for finding in find_best(part.pipeline, part.metrics)]
    by_pipeline = {part.pipeline: part.metrics for part in results if part.metrics}
    beside = {part.pipeline: compare(part.system, _figures(part, results)) for part in results if part.metrics}
    made = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "versions": versions()}
    html = _environment().get_template("report.html.j2").render(
        experiment=folder.name,
        beside_it=beside_it,
        findings=findings,
        systems=[
            _system(part, part.metrics, findings, beside[part.pipeline], (described or {}).get(part.pipeline, {}))
            | {"wrong": often_wrong((part.details or {}).get("wrong", ()), roots, folder)}
            for part in results if part.metrics
        ],
        anchored=anchored([(finding, by_pipeline[finding.pipeline]) for finding in findings]),
        others=[part for part in results if not part.metrics],
        corpora=ingest or {},
        counts=paper_counts(ingest, [part.metrics for part in results if part.metrics]),
        families={name: facts for name, facts in (features or {}).items() if facts.get("shards")},
        final=final,
        told=_told_by_files(results),
        made=made,
    )  # fmt: skip
    comparison = [_flat(row, ours) for pairs in beside.values() for row, ours in pairs]
    return Report(html, _summary(findings, results, made, beside_it), comparison)


def _figures(trained: Results, results: Sequence[Results]) -> list[Mapping[str, Any]]:
    """The metrics of a system's training, and behind them those of its sweeps."""
    swept = [figures for part in results if part.system == trained.system for figures in part.sweeps.values()]
    return [figures for figures in (trained.metrics, *swept) if figures]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("semiser.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": format_figure,
        "signed": lambda value: "–" if value is None else f"{value:+.3f}".replace("-", "−"),
        "p": format_p,
        "metric": metric_label,
        "counted": "{:,.10g}".format,
        "interval": format_interval,
        "system": system_name,
        "breakable": breakable,
        "rounded": rounded,
        "setting": lambda setting: setting.replace("/", ", ").replace("=", " "),
        "indented": lambda value: short_hashes(json.dumps(value, indent=1, ensure_ascii=False)),
        "option": describe_option,
        "hours": format_hours,
        "percent": lambda share: "–" if share is None else f"{100 * share:.0f} %",
    }
    return environment


def system_name(pipeline: str) -> str:
    """A pipeline as a heading: `train_mmmd` is MMMD, `mmmd_sweeps` MMMD sweeps."""
    first, *rest = pipeline.removeprefix("train_").split("_")
    return " ".join([NAMES.get(first, first), *rest])


def breakable(name: str) -> Markup:
    """A name that may break after its underscores and strokes, where a column is narrow."""
    return Markup(str(escape(name)).replace("_", "_<wbr>").replace("/", "/<wbr>"))


def rounded(cell: str) -> str:
    """A table's cell, a number with three decimals at most."""
    try:
        return f"{float(cell):.3f}".rstrip("0").rstrip(".") if cell else "–"
    except ValueError:
        return cell


def format_figure(value: float | None) -> str:
    """Three decimals, a dash where the figure is not defined."""
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def format_interval(ends: Sequence[float | None]) -> str:
    """`0.462 to 0.659`, a dash where it is not defined."""
    return "–" if None in ends else f"{format_figure(ends[0])} to {format_figure(ends[1])}"


@dataclass(frozen=True)
class Bar:
    """One variant's figure on the axis of its group: where mean and interval lie, in percent of the axis."""

    variant: str
    figures: Mapping[str, Any]
    mean: float
    low: float | None
    width: float | None
    best: bool


@dataclass(frozen=True)
class Group:
    """The variants that can be compared, the best first, with their figures on one axis.

    `against_best`: name, difference, entry of metrics.json, p after Holm's correction. `spread`: what `std` is over.
    `described`: variant, what the paper calls it, what it is. `folds`: of the protocol, with counts by role.
    """

    finding: Finding
    metrics: list[str]
    bars: list[Bar]
    axis: tuple[float, float]
    chance: float | None
    against_best: list[tuple[str, float, Mapping[str, Any], float | None]]
    spread: str
    described: list[tuple[str, str, str]]
    details: list[Detail]
    folds: list[Mapping[str, Any]]


def _told_by_files(results: Sequence[Results]) -> list[str]:
    """A sentence for every corpus whose classes can be told from what is no speech."""
    found = {}
    for part in results:
        protocol = (part.metrics or {}).get("protocol", {})
        for each in protocol.get("confounds", ()):
            if told := confounded(each):
                corpora = ", ".join(protocol.get("corpora", ())) or each["experiment"]
                found[corpora] = (
                    f"{corpora}: the class can be told from {' and from '.join(told)} ({say_confounds(each)})"
                )
    return list(found.values())


def _system(
    results: Results,
    metrics: Mapping[str, Any],
    findings: Sequence[Finding],
    beside: list[tuple[Published, Ours | None]],
    described: Mapping[str, str],
) -> dict[str, Any]:
    own = [finding for finding in findings if finding.pipeline == results.pipeline]
    called = {row.ours.split("/")[0]: row.variant for row, _ in beside if row.ours}
    return {
        "results": results,
        "paper": PAPERS.get(results.system),
        "groups": [_group(finding, metrics, results.details or {}, described, called) for finding in own],
        "beside": _tables(beside),
        "confounds": [
            (each, say_confounds(each)) for each in over_draws(metrics["protocol"].get("confounds", ())) if each["uar"]
        ],
        "protocol": describe_protocol(metrics["protocol"], next(iter(metrics["variants"]), "")),
    }


def _group(
    finding: Finding,
    metrics: Mapping[str, Any],
    details: Mapping[str, Any],
    described: Mapping[str, str],
    called: Mapping[str, str],
) -> Group:
    metric = finding.metric
    variants = {name: figures for name, figures in metrics["variants"].items() if task_of(name) == finding.setting}
    ranked = sorted(variants, key=lambda name: -(variants[name].get(metric, {}).get("mean") or -math.inf))
    ranked = [name for name in ranked if variants[name].get(metric, {}).get("mean") is not None]
    axis = _axis([variants[name][metric] for name in ranked], finding.chance)

    def place(value: float) -> float:
        return 100 * (value - axis[0]) / (axis[1] - axis[0])

    bars = []
    for name in ranked:
        low, high = (None if end is None else place(end) for end in variants[name][metric]["ci95"])
        width = None if low is None or high is None else high - low
        mean = place(variants[name][metric]["mean"])
        bars.append(Bar(name, variants[name], mean, low, width, name == finding.best))
    shown = [name for name in (*AVERAGES, *(name for name in variants[ranked[0]] if name.startswith("ccc/")))
             if name != metric and any(name in figures for figures in variants.values())]  # fmt: skip
    chance = None if finding.chance is None else place(finding.chance)
    protocol = protocol_of(metrics["protocol"], finding.best)
    plain = list(dict.fromkeys(name.split("/")[0] for name in ranked))
    return Group(
        finding=finding,
        metrics=shown,
        bars=bars,
        axis=axis,
        chance=chance,
        against_best=_against_best(finding, ranked, metrics),
        spread="seeds" if len(protocol.get("seeds") or ()) > 1 else "folds",
        described=[(name, called.get(name, ""), described[name]) for name in plain if name in described],
        details=show(details, ranked[:MOST_DETAILED]) if details else [],
        folds=[fold for fold in protocol.get("folds") or () if "utterances" in fold],
    )


def _axis(figures: list[Mapping[str, Any]], chance: float | None) -> tuple[float, float]:
    """Tenths around all means, intervals and the chance level."""
    values = [figure["mean"] for figure in figures]
    values += [end for figure in figures for end in figure["ci95"] if end is not None]
    values += [] if chance is None else [chance]
    return math.floor(10 * min(values)) / 10, max(math.ceil(10 * max(values)), math.floor(10 * min(values)) + 1) / 10


def _against_best(finding: Finding, ranked: list[str], metrics: Mapping[str, Any]) -> list:
    """Paired tests of the best against each other variant: name, difference, entry of metrics.json, corrected p."""
    paired, tests = metrics.get("paired", {}), []
    for name in ranked[1:]:
        if (found := difference(paired, finding.best, name, finding.metric)) is not None:
            ahead, behind = f"{finding.best} - {name}", f"{name} - {finding.best}"
            entry = (paired.get(ahead) or paired[behind])[finding.metric]
            ends = entry["ci95"] if ahead in paired else [None if end is None else -end for end in entry["ci95"][::-1]]
            tests.append((name, found[0], {**entry, "ci95": ends}))
    corrected = holm({name: entry["p"] for name, _, entry in tests if entry["p"] is not None})
    return [(*test, corrected.get(test[0])) for test in tests]


@dataclass(frozen=True)
class Cell:
    """A published number as printed and ours rounded like it, either None."""

    printed: str | None
    ours: str | None
    interval: str | None


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper on one corpus and task, ours below each number where we have one."""

    title: str
    corpus: str
    task: str
    ours_on: str
    comparable: str
    columns: list[str]
    rows: list[tuple[str, str, list[Cell]]]
    notes: list[str]


def _tables(beside: list[tuple[Published, Ours | None]]) -> list[PaperTable]:
    groups: dict[tuple[str, str, str], list] = {}
    for row, ours in beside:
        groups.setdefault((row.table, row.corpus, row.task), []).append((row, ours))
    return [_paper_table(key, pairs) for key, pairs in groups.items()]


def _paper_table(key: tuple[str, str, str], pairs: list[tuple[Published, Ours | None]]) -> PaperTable:
    metrics = list(dict.fromkeys(row.metric for row, _ in pairs))
    settings = list(dict.fromkeys(row.setting for row, _ in pairs))
    across = len(metrics) == 1 and len(settings) > 1 and all(settings)  # one figure: its settings are the columns
    shared = set.intersection(*(set(setting.split("/")) for setting in settings)) if across else set()

    def short(setting: str) -> str:
        return ", ".join(part.replace("=", " ") for part in setting.split("/") if part and part not in shared)

    columns = settings if across else metrics
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for row, ours in pairs:
        name = (row.variant, "" if across else short(row.setting))
        cells.setdefault(name, {})[row.setting if across else row.metric] = _cell(row, ours)
    found = [ours for _, ours in pairs if ours]
    classes = [ours.comparable for ours in found]
    return PaperTable(
        title=key[0],
        corpus=key[1],
        task=key[2],
        ours_on=", ".join(found[0].corpora) if found else "",
        comparable=classes[0] if classes else "",
        columns=[short(column) if across else metric_label(column) for column in columns],
        rows=[(*name, [of_row.get(column, Cell(None, None, None)) for column in columns])
              for name, of_row in cells.items()],
        notes=list(dict.fromkeys(row.note for row, _ in pairs if row.note)),
    )  # fmt: skip


def _cell(row: Published, ours: Ours | None) -> Cell:
    spread = "" if row.std is None else f" ± {100 * row.std:.2f}" if row.unit == "percent" else f" ± {row.std}"
    printed = f"{row.printed}{' %' if row.unit == 'percent' else ''}{spread}"
    if ours is None:
        return Cell(printed, None, None)
    factor, sign = (100, " %") if row.unit == "percent" else (1, "")
    decimals = 1 if row.unit == "percent" else 3
    ends = [None if end is None else f"{factor * end:.{decimals}f}" for end in (ours.low, ours.high)]
    interval = None if None in ends else f"{ends[0]} to {ends[1]}"
    return Cell(printed, f"{factor * ours.mean:.{decimals}f}{sign}", interval)


def _summary(
    findings: list[Finding], results: list[Results], made: Mapping[str, Any], beside_it: SideBySide | None
) -> dict[str, Any]:
    return {
        "made": made,
        **({"side_by_side": asdict(beside_it)} if beside_it else {}),
        "findings": [asdict(finding) | {"certainty": finding.certainty} for finding in findings],
        "pipelines": {
            part.pipeline: {
                "record": part.record,
                "figures": [picture.name for picture in part.pictures],
                "variants": list((part.metrics or {}).get("variants", ())),
            }
            for part in results
        },
    }


def paper_counts(ingest: Mapping[str, Any] | None, metrics: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Counts in the papers' tables beside those found: by ingest, and by a system that says `counts` in its protocol.

    Returns:
        Rows `table`, `corpus`, `what`, `published`, `found` and whether they are the `same`.
    """
    rows = [{"corpus": name, **row} for name, facts in (ingest or {}).items() for row in facts.get("papers", ())]
    rows += [row for found in metrics for row in found["protocol"].get("counts", ())]
    names = ("table", "corpus", "what", "published", "found")
    return [{name: row[name] for name in names} | {"same": row["published"] == row["found"]} for row in rows]


def _flat(row: Published, ours: Ours | None) -> dict[str, Any]:
    """A published number and ours in one row of report.csv, both as fractions of 1."""
    theirs = {name: getattr(row, name) for name in ("system", "table", "page", "corpus", "task", "variant", "setting")}
    return theirs | {
        "metric": row.metric,
        "published": row.value,
        "published_std": row.std,
        "ours": ours and ours.mean,
        "ours_ci95_low": ours and ours.low,
        "ours_ci95_high": ours and ours.high,
        "ours_variant": ours and ours.variant,
        "ours_corpora": ours and ", ".join(ours.corpora),
        "comparable": ours and ours.comparable,
        "note": row.note,
    }
