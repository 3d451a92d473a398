"""Our figures beside the published ones, each with the corpus that it was obtained on.

A published row names the variant of ours that does the same (`ours`, with the settings that it must have). A figure of
another corpus stands beside it for orientation and is called what it is: it reproduces nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from semiser.evaluation.published import Published, plain_corpus, read_published
from semiser.reporting.protocol import protocol_of

SAME, OTHER_CLASSES, ELSEWHERE = "same corpus", "same corpus, other classes", "another corpus"
_OF_THE_PAPER = "published"  # the option set of that name where a system has several


@dataclass(frozen=True)
class Ours:
    """Our figure for a published one.

    Attributes:
        variant: name in metrics.json.
        mean, low, high: figure and 95 % interval.
        corpora: it was obtained on.
        comparable: `same corpus`, `same corpus, other classes`, `another corpus`.
    """

    variant: str
    mean: float
    low: float | None
    high: float | None
    corpora: tuple[str, ...]
    comparable: str


def compare(system: str, metrics: Iterable[Mapping[str, Any]]) -> list[tuple[Published, Ours | None]]:
    """Every published number of a system, with ours where we have one.

    Args:
        system: name.
        metrics: of its training and of its sweeps; the first that has a figure counts.
    """
    known = [
        (variant, figures, protocol_of(found["protocol"], variant))
        for found in metrics
        for variant, figures in found["variants"].items()
    ]
    return [(row, _ours(row, known) if row.ours else None) for row in read_published(system)]


def _ours(row: Published, known: Iterable[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> Ours | None:
    for variant, figures, protocol in known:
        figure = figures.get(row.metric)
        if figure and figure["mean"] is not None and _is_that(variant, row.ours, protocol):
            corpora, (low, high) = tuple(protocol.get("corpora") or ()), figure["ci95"]
            return Ours(variant, figure["mean"], low, high, corpora, _comparable(row, corpora, protocol))
    return None


def _is_that(variant: str, wanted: str, protocol: Mapping[str, Any]) -> bool:
    """Whether a variant has the wanted name and settings; what its name does not say, the protocol may."""
    name, own = _parse(variant)
    wanted_name, settings = _parse(wanted)
    further = {value for key, value in own.items() if key not in settings}
    if name != wanted_name or further - {_OF_THE_PAPER}:
        return False
    return all(_same(own.get(key, _of_protocol(key, protocol)), value) for key, value in settings.items())


def _parse(name: str) -> tuple[str, dict[str, str]]:
    first, *settings = name.split("/")
    return first, dict(setting.split("=", 1) for setting in settings if "=" in setting)


def _of_protocol(key: str, protocol: Mapping[str, Any]) -> Any:
    """A setting that all variants share: `share` is the label budget's, `task` the target."""
    if key == "share":
        return (protocol.get("label_budget") or {}).get("share")
    if key == "task":
        return protocol.get("task", protocol.get("target"))
    return protocol.get(key)


def _same(found: Any, wanted: str) -> bool:
    if isinstance(found, list | tuple):
        return set(found) == set(wanted.split("+"))
    try:
        return float(found) == float(wanted)
    except (TypeError, ValueError):
        return found is not None and set(str(found).split("+")) == set(wanted.split("+"))


def _comparable(row: Published, corpora: tuple[str, ...], protocol: Mapping[str, Any]) -> str:
    if len(corpora) != 1 or plain_corpus(corpora[0]) != plain_corpus(row.corpus):
        return ELSEWHERE
    classes = re.match(r"(\d+)-class", row.task)
    if classes and protocol.get("classes") and int(classes[1]) != len(protocol["classes"]):
        return OTHER_CLASSES
    return SAME
