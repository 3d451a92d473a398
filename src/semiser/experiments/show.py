"""Runs, comparisons and what can go, as lines for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

from semiser.experiments.clean import MISSED, Removable
from semiser.experiments.compare import Comparison, Difference
from semiser.experiments.records import Headline, Record, read_records
from semiser.experiments.tree import Tree
from semiser.reporting.findings import format_p, metric_label

HASH_DIGITS = 12


def show_runs(tree: Tree, experiment: str | None = None) -> Iterator[str]:
    """All runs, oldest first, each with its command below.

    Raises:
        ValueError: there is no such experiment.
    """
    known = tree.experiments()
    if experiment is not None and experiment not in known:
        raise ValueError(f"no experiment {experiment}: there are {', '.join(known) or 'none yet'}")
    names = known if experiment is None else [experiment]
    found = [record for name in names for record in read_records(tree.reporting / name)]
    records = sorted(found, key=lambda record: record.start)
    if not records:
        yield "no run is recorded yet"
        return
    rows: list[tuple[str, ...]] = [("run", "experiment", "state", "took", "options", "best")]
    rows += [_row(record) for record in records]
    yield from _table(rows)
    yield ""
    yield from (f"{record.id}  {record.command}" for record in records)


def _row(record: Record) -> tuple[str, ...]:
    took = "-" if record.end is None else _duration((record.end - record.start).total_seconds())
    best = [f"{name}: {_headline(best)}" for name, result in record.results.items() for best in result.headlines]
    shown = "; ".join(best[:2]) + f"; and {len(best) - 2} more" * (len(best) > 2)
    return (
        record.id,
        record.experiment,
        record.state,
        took,
        record.options_hash[:HASH_DIGITS],
        shown or record.error or "-",
    )


def _headline(best: Headline) -> str:
    interval = "" if None in best.ci95 else " ({:.3f} to {:.3f})".format(*best.ci95)
    return f"{best.variant} {metric_label(best.metric)} {best.mean:.3f}{interval}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def show_comparison(found: Comparison) -> Iterator[str]:
    """Which options differ, and the paired differences."""
    for name, record in (("A", found.a), ("B", found.b)):
        yield f"{name}  {record.id} of {record.experiment}: {record.command}"
    yield ""
    if found.options:
        yield from _table([("option", "A", "B"), *((path, _value(a), _value(b)) for path, a, b in found.options)])
    else:
        yield "no option differs in the groups that both took"
    for group, run in found.groups:
        yield f"{group}: only {'A' if run == found.a.id else 'B'} took these options"
    yield ""
    if found.differences:
        rows = [("pipeline", "variant", "figure", "A - B", "95 % interval", "p", "test", "utterances", "compared on")]
        yield from _table(rows + [row for difference in found.differences for row in _differences(difference)])
        yield "p is two-sided and not corrected for several comparisons; docs/evaluation.md says what the tests are"
    for pipeline, variant, reason in found.left_out:
        yield f"{pipeline} {variant}: not compared, {reason}"
    if not (found.differences or found.left_out):
        yield "they have no variant in common"


def _differences(found: Difference) -> list[tuple[str, ...]]:
    shown = [name for name in found.metrics if name == "uar" or name.startswith("ccc/")] or list(found.metrics)
    return [
        (found.pipeline, found.variant, metric_label(name), *_figures(found.metrics[name]), found.on) for name in shown
    ]


def _figures(entry: dict[str, Any]) -> tuple[str, ...]:
    difference = "-" if entry["difference"] is None else f"{entry['difference']:+.3f}"
    interval = "-" if None in entry["ci95"] else "{:+.3f} to {:+.3f}".format(*entry["ci95"])
    return difference, interval, format_p(entry["p"]).removeprefix("= "), entry["test"], str(entry["utterances"])


def _value(value: Any) -> str:
    return "null" if value is None else str(value)


def show_removable(parts: Sequence[Removable], removed: bool) -> Iterator[str]:
    """What can go, or what has gone, with its size."""
    if not parts:
        yield "nothing can go"
        return
    yield from _table([("removed" if removed else "name", "size", "what"), *_removable_rows(parts)])
    if not removed:
        yield ""
        kinds = dict.fromkeys(part.kind for part in parts)
        yield from (f"{kind}: {MISSED[kind]}" for kind in kinds if kind in MISSED)
        yield "nothing was removed; `kedro semiser clean --remove <name>` removes what it names"


def _removable_rows(parts: Sequence[Removable]) -> list[tuple[str, ...]]:
    return [(part.name, _bytes(part.size), part.what) for part in parts]


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
