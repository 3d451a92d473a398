"""Which variant scored best on what, and how sure that is: the report's first lines.

Variants are compared where they solve the same task with the same labels: within one metrics.json, and there within one
value of the settings `task` and `share` in their names. All else in a name (features, temperature) belongs to what is
compared. Picking the best of many and testing it afterwards flatters it, so its p values against all others are
corrected by Holm's method (1979).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from semiser.evaluation.significance import LEVEL, holm
from semiser.reporting.protocol import protocol_of

FEW_UNITS = 10  # below, a percentile interval is too narrow
METRICS = {
    "uar": "UAR",
    "wa": "WA",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "macro_f1_uar_map": "F1 of UAR and MAP",
    "validation_uar": "UAR of the validation part",
    "uar_gap": "UAR, test less validation",
}
_OF_THE_TASK = ("task", "share")
_UNITS = re.compile(r"resamples of (\d+) units \((\w+)")


@dataclass(frozen=True)
class Finding:
    """The best of the variants that can be compared.

    Attributes:
        pipeline: whose metrics these are.
        corpora: that were tested on.
        setting: the task and the share of labels, as in the variants' names; may be empty.
        metric: key of the figure that decides: `uar`, else the first concordance.
        best: its variant.
        mean, ci95: its figure.
        chance: what guessing scores, None where that is not defined.
        second: the next best variant, None where there is one alone.
        lead: how much the best is ahead of it.
        p: of that difference, not corrected; None where it was not tested.
        ahead_of: variants that it is significantly ahead of after the correction.
        others: number of variants that it was tested against.
        untested: number of further variants, that it was not tested against.
        units: number of independent units (speakers), None where not known.
        unit: what they are.
        demo: whether every corpus is part of the demo.
        smallest_p: what the p of these tests can be at least, for the number of units; None where not known.
    """

    pipeline: str
    corpora: tuple[str, ...]
    setting: str
    metric: str
    best: str
    mean: float
    ci95: tuple[float | None, float | None]
    chance: float | None
    second: str | None
    lead: float | None
    p: float | None
    ahead_of: tuple[str, ...]
    others: int
    untested: int
    units: int | None
    unit: str
    demo: bool
    smallest_p: float | None = None

    @property
    def certainty(self) -> str:
        """How sure the first place is, in a sentence."""
        if self.second is None:
            return "There is no other variant to compare with."
        if not self.others:
            return "The best was not tested against the others."
        if len(self.ahead_of) == self.others:
            over = _listed(self.ahead_of) if self.untested else "every other variant"
            return f"The lead is significant over {over}{self._correction}.{self._untested}"
        if self.ahead_of:
            over = f"{_listed(self.ahead_of)}{self._correction}, not over the others"
            return f"The lead is significant over {over}{' that were tested' * bool(self.untested)}.{self._untested}"
        rest = "the other variant" if self.others == 1 else f"any of the {self.others} other variants"
        if self.untested:
            rest = f"the {self.others} that it was tested against"
        chance = f"Not sure: the lead is not significant over {rest}{self._correction} and may be chance."
        return f"{chance}{self._out_of_reach}{self._untested}"

    @property
    def _out_of_reach(self) -> str:
        if self.smallest_p is None or self.others * self.smallest_p < LEVEL:
            return ""
        return (
            f" It could not be: with {self.units} {self.unit}s p is {self.smallest_p:.2g} at least, and "
            f"{self.others} comparisons ask for one below {LEVEL / self.others:.2g}."
        )

    @property
    def _untested(self) -> str:
        return f" It was not tested against the {self.untested} others." if self.untested else ""

    @property
    def _correction(self) -> str:
        if self.others == 1:
            return ""
        return f" (5 % level, {self.others} comparisons, Holm's correction)"

    @property
    def caution(self) -> str:
        """What to keep in mind about the interval; empty where nothing is."""
        if self.units is None or self.units >= FEW_UNITS:
            return ""
        return (
            f"Only {self.units} {self.unit}s were tested: the interval is too narrow, and a real lead is easily missed."
        )


def find_best(pipeline: str, metrics: Mapping[str, Any]) -> list[Finding]:
    """The best variant of every group that can be compared, in the order of metrics.json."""
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    for variant, figures in metrics["variants"].items():
        groups[task_of(variant)][variant] = figures
    found = []
    for setting, variants in groups.items():
        metric = deciding_metric(variants)
        ranked = sorted(
            (name for name in variants if _mean(variants[name], metric) is not None),
            key=lambda name: -variants[name][metric]["mean"],
        )
        if ranked:
            protocol = protocol_of(metrics["protocol"], ranked[0])
            found.append(_finding(pipeline, protocol, metrics.get("paired", {}), setting, metric, variants, ranked))
    return found


def _finding(
    pipeline: str, protocol: Mapping, paired: Mapping, setting: str, metric: str, variants: Mapping, ranked: list[str]
) -> Finding:
    best, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    tests = {name: test for name in ranked[1:] if (test := difference(paired, best, name, metric))}
    corrected = holm({name: p for name, (_, p) in tests.items() if p is not None})
    ahead_of = tuple(name for name in ranked[1:] if corrected.get(name, 1.0) < LEVEL and tests[name][0] > 0)
    lead, p = tests.get(second, (None, None)) if second else (None, None)
    if second and lead is None:
        lead = variants[best][metric]["mean"] - variants[second][metric]["mean"]
    units = _UNITS.search(protocol.get("statistics", {}).get("ci95", ""))
    corpora = tuple(protocol.get("corpora") or ())
    classes = len(protocol.get("classes") or ())
    return Finding(
        pipeline=pipeline,
        corpora=corpora,
        setting=setting,
        metric=metric,
        best=best,
        mean=variants[best][metric]["mean"],
        ci95=tuple(variants[best][metric]["ci95"]),
        chance=1 / classes if metric == "uar" and classes else None,
        second=second,
        lead=lead,
        p=p,
        ahead_of=ahead_of,
        others=(others := sum(p is not None for _, p in tests.values())),
        untested=len(ranked) - 1 - others,
        units=int(units[1]) if units else None,
        unit=units[2] if units else "",
        demo=bool(corpora) and all(name.startswith("demo") for name in corpora),
        smallest_p=smallest_p(paired, best, ranked[1:], metric),
    )


def task_of(variant: str) -> str:
    """The settings of a variant's name that say what is solved: `task=emotion/share=0.25`."""
    settings = [part for part in variant.split("/")[1:] if part.split("=")[0] in _OF_THE_TASK]
    return "/".join(settings)


def deciding_metric(variants: Mapping[str, Mapping[str, Any]]) -> str:
    """`uar` where a variant has it, else the first concordance, else the first figure."""
    names = [name for figures in variants.values() for name in figures]
    return next((name for name in names if name == "uar"), None) or next(
        (name for name in names if name.startswith("ccc/")), names[0]
    )


def difference(paired: Mapping[str, Any], a: str, b: str, metric: str) -> tuple[float, float | None] | None:
    """Difference a - b of a figure and its p, from either direction of the pair; None where it was not tested."""
    for name, sign in ((f"{a} - {b}", 1), (f"{b} - {a}", -1)):
        entry = paired.get(name, {}).get(metric)
        if entry and entry["difference"] is not None:
            return sign * entry["difference"], entry["p"]
    return None


def smallest_p(paired: Mapping[str, Any], best: str, others: Iterable[str], metric: str) -> float | None:
    """What the p of the best against the others can be at least: the largest of these; None where nothing says."""
    names = [f"{a} - {b}" for name in others for a, b in ((best, name), (name, best))]
    known = [paired.get(name, {}).get(metric, {}).get("smallest_p") for name in names]
    return max((p for p in known if p is not None), default=None)


def metric_label(name: str) -> str:
    """A figure's name in full: `f1/anger` becomes `F1 anger`."""
    kind, _, of = name.partition("/")
    return f"{ {'f1': 'F1', 'ccc': 'CCC'}.get(kind, kind) } {of}" if of else METRICS.get(name, name)


def format_p(p: float | None) -> str:
    """`= 0.042`, `< 0.001`; `not tested` where there is none."""
    return "not tested" if p is None else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _mean(figures: Mapping[str, Any], metric: str) -> float | None:
    return figures.get(metric, {}).get("mean")


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
