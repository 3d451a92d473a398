"""Published figures of corpora, as data: what others score there, and whether their speakers are apart.

`anchors.csv` has `source`; `corpus` and the number of its `classes`; `protocol`; `speakers`: `apart` where no speaker
is in training and test, `shared` where some are, `not checked` where nobody looked; `method`; `labels`, the share of
the training labels that were seen; `unlabelled`, what was heard without labels; `metric` under our name; `value`, a
fraction; `note`. The tables of the five papers that the systems follow are not here but in `published.csv` of each.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Literal, cast

from semiser.evaluation.published import plain_corpus

Speakers = Literal["apart", "shared", "not checked"]


@dataclass(frozen=True)
class Anchor:
    """A published figure; see the module.

    Attributes:
        classes: None where not known.
    """

    source: str
    corpus: str
    classes: int | None
    protocol: str
    speakers: Speakers
    method: str
    labels: float
    unlabelled: str
    metric: str
    value: float
    note: str


@cache
def read_anchors() -> tuple[Anchor, ...]:
    """All of them, in their order."""
    text = (files("semiser.evaluation") / "anchors.csv").read_text(encoding="utf-8")
    return tuple(map(_parse, csv.DictReader(StringIO(text))))


def anchors_on(corpus: str) -> tuple[Anchor, ...]:
    """Those of a corpus by its name, however it is spelled."""
    return tuple(anchor for anchor in read_anchors() if plain_corpus(anchor.corpus) == plain_corpus(corpus))


def _parse(row: dict[str, str]) -> Anchor:
    return Anchor(
        source=row["source"],
        corpus=row["corpus"],
        classes=int(row["classes"]) if row["classes"] else None,
        protocol=row["protocol"],
        speakers=cast(Speakers, row["speakers"]),
        method=row["method"],
        labels=float(row["labels"]),
        unlabelled=row["unlabelled"],
        metric=row["metric"],
        value=float(row["value"]),
        note=row["note"],
    )
