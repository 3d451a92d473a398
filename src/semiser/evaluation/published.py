"""What the five papers report, as data: one CSV per paper, every number of their result tables as printed.

Columns: `system`; `table` and `page` of the paper (page empty where not known); `corpus` and `task`; `variant` as the
paper calls it; `setting` of the table's rows and columns, `option=value/...`; `metric` under our name; `value` and
`std` as printed, in `unit`; `ours`, the variant of this project that does the same, with the settings that it must
have; `note`.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO

COLUMNS = "system table page corpus task variant setting metric value unit std ours note".split()

PAPERS = {
    "mmmd": "Zhou et al., Inferring Emotion from Large-scale Internet Voice Data (AAAI 2021)",
    "avspnet": "Lu et al., Learning an Arousal-Valence Speech Front-End Network (AVEC 2018)",
    "began": "Pereira et al., Semi-supervised Model for Emotion Recognition in Speech (ICANN 2018)",
    "mssgan": "Liang et al., Semi-supervised Multimodal Emotion Recognition With Improved Wasserstein GANs (ACII 2019)",
    "cmkt": "Zhang et al., Combining cross-modal knowledge transfer and semi-supervised learning (KBS 2021)",
}
_ALIASES = {"omgemotion": "omg"}
_FACTOR = {"fraction": 1.0, "percent": 0.01, "points": 0.01, "count": 1.0}


@dataclass(frozen=True)
class Published:
    """One number of a paper.

    Attributes:
        system: key of `PAPERS`.
        table, page, corpus, task, variant, setting, metric, unit, ours, note: see the module.
        printed: the number as it is printed.
        value: as a fraction of 1, except counts.
        std: standard deviation likewise, None where the paper gives none.
    """

    system: str
    table: str
    page: str
    corpus: str
    task: str
    variant: str
    setting: str
    metric: str
    unit: str
    ours: str
    note: str
    printed: str
    value: float
    std: float | None


@cache
def read_published(system: str) -> tuple[Published, ...]:
    """Every number of a paper's tables, in their order; none for a system without a paper."""
    if system not in PAPERS:
        return ()
    table = files("semiser.systems") / system / "published.csv"
    return tuple(_parse(row) for row in csv.DictReader(StringIO(table.read_text(encoding="utf-8"))))


def plain_corpus(name: str) -> str:
    """A corpus's name by which it is the same however it is spelled: `EMO-DB` and `emodb`."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return _ALIASES.get(plain, plain)


def _parse(row: dict[str, str]) -> Published:
    factor = _FACTOR[row["unit"]]
    printed, std = row.pop("value"), row.pop("std")
    return Published(**row, printed=printed, value=float(printed) * factor, std=float(std) * factor if std else None)
