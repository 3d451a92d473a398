"""Published figures of a corpus beside the best of ours on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from semiser.evaluation.anchors import Anchor, anchors_on
from semiser.reporting.findings import Finding
from semiser.reporting.protocol import protocol_of
from semiser.reporting.words import describe_folds

METRICS = ("uar", "wa", "macro_f1")  # that anchors have


@dataclass(frozen=True)
class Line:
    """A figure, ours or published.

    Attributes:
        method, source, protocol: of it; the source is empty where it is ours.
        classes: their number, None where not known.
        labels: share of the training labels that were seen, None where several budgets are averaged.
        figures: metric to value, of `METRICS`.
        note: on it.
    """

    method: str
    source: str
    protocol: str
    classes: int | None
    labels: float | None
    figures: Mapping[str, float | None]
    note: str = ""


@dataclass(frozen=True)
class Anchored:
    """A corpus's figures: those with speakers apart, ours among them, and others that compare with none of them."""

    corpus: str
    apart: list[Line]
    others: list[tuple[str, Line]]


def anchored(findings: Sequence[tuple[Finding, Mapping[str, Any]]]) -> list[Anchored]:
    """A table for every corpus that was tested alone and of which something is published.

    Args:
        findings: the best of each task and label budget, with the metrics.json that it is from. One whose test speakers
            are trained on stands in no table.
    """
    corpora = dict.fromkeys(finding.corpora[0] for finding, _ in findings if len(finding.corpora) == 1)
    found = []
    for corpus in corpora:
        published = anchors_on(corpus)
        ours = [_ours(finding, metrics) for finding, metrics in findings if finding.corpora == (corpus,)]
        apart = [line for line in ours if line] + [_line(anchor) for anchor in published if anchor.speakers == "apart"]
        others: list[tuple[str, Line]] = [
            (anchor.speakers, _line(anchor)) for anchor in published if anchor.speakers != "apart"
        ]
        if published:
            found.append(Anchored(corpus, apart, others))
    return found


def _ours(finding: Finding, metrics: Mapping[str, Any]) -> Line | None:
    protocol = protocol_of(metrics["protocol"], finding.best)
    if protocol.get("speaker_dependent") or finding.metric != "uar":
        return None
    figures = metrics["variants"][finding.best]
    return Line(
        method=f"{finding.pipeline.removeprefix('train_')}: {finding.best}",
        source="",
        protocol=describe_folds(protocol.get("protocol"), (protocol.get("test") or {}).get("folds")),
        classes=len(protocol.get("classes") or ()) or None,
        labels=(protocol.get("label_budget") or {}).get("share"),
        figures={name: figures.get(name, {}).get("mean") for name in METRICS},
        note="the best here of all that were trained" if finding.second else "",
    )


def _line(anchor: Anchor) -> Line:
    heard = f"; unlabelled: {anchor.unlabelled}" if anchor.unlabelled else ""
    return Line(
        method=anchor.method,
        source=anchor.source,
        protocol=f"{anchor.protocol}{heard}",
        classes=anchor.classes,
        labels=anchor.labels,
        figures={name: anchor.value if anchor.metric == name else None for name in METRICS},
        note=anchor.note,
    )
