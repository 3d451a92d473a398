"""What the five papers say about options, as data: one CSV per paper, and beside it what they leave open.

Columns: `env`, the published experiment that the row is for, empty where it is for all of the system's; `option`, its
dotted path in the parameters; `value` as JSON; `source`, the section of the paper, or `ours`; `note`, with `ours` the
reason. An option may have both: the paper's value, and that of ours with the reason why it differs.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Any

OURS = "ours"
# The experiments of each paper that there is an env for; `base` where the user brings the corpora.
PUBLISHED_ENVS = {
    "mmmd": ("mmmd_ivd", "mmmd_iemocap"),
    "avspnet": ("avspnet_iemocap", "avspnet_nnime"),
    "began": ("began_savee", "began_omg", "began_emodb_librispeech"),
    "mssgan": ("mssgan",),
    "cmkt": ("cmkt_ch_sims", "cmkt_iemocap"),
}


@dataclass(frozen=True)
class Hyperparameter:
    """A row of a table: see the module."""

    env: str
    option: str
    value: Any
    source: str
    note: str


@dataclass(frozen=True)
class Compared:
    """An option of a published experiment beside the paper's.

    Attributes:
        option: dotted path in the parameters.
        value: that the experiment runs with.
        paper: what the paper says, None where it says nothing.
        note: where it says so and, where the value is another one or the paper is silent, why.
        fault: what is wrong with the table or the value; empty where nothing is.
    """

    option: str
    value: Any
    paper: Hyperparameter | None
    note: str
    fault: str


@cache
def read_hyperparameters(system: str) -> tuple[Hyperparameter, ...]:
    """The rows of a system's table, in their order."""
    table = files("semiser.systems") / system / "hyperparameters.csv"
    rows = csv.DictReader(StringIO(table.read_text(encoding="utf-8")))
    return tuple(Hyperparameter(**row | {"value": json.loads(row["value"])}) for row in rows)


def compare_options(system: str, env: str, options: Mapping[str, Any]) -> list[Compared]:
    """Every option of a system's table beside what an experiment runs with.

    Args:
        system: name.
        env: one of its `PUBLISHED_ENVS`.
        options: dotted path to value, as `semiser.effective.effective_options` gives them.
    """
    rows = [row for row in read_hyperparameters(system) if row.env in ("", env)]
    return [
        _compare(option, options, [row for row in rows if row.option == option])
        for option in dict.fromkeys(row.option for row in rows)
    ]


def _compare(option: str, options: Mapping[str, Any], rows: list[Hyperparameter]) -> Compared:
    """An option by its rows: at most one from the paper and one of ours."""
    paper, ours = ([row for row in rows if (row.source == OURS) == is_ours] for is_ours in (False, True))
    given = paper[0] if paper else None
    if option not in options:
        return Compared(option, None, given, "", "no such option")
    value = options[option]
    note = "; ".join(filter(None, [f"{row.source}: {row.note}" if row.note else row.source for row in rows]))
    return Compared(option, value, given, note, _fault(value, paper, ours))


def _fault(value: Any, paper: list[Hyperparameter], ours: list[Hyperparameter]) -> str:
    if len(paper) > 1 or len(ours) > 1:
        return "the table says it twice"
    if not all(row.note for row in ours):
        return "ours, but no reason is given"
    if paper and paper[0].value == value:
        return "it is the paper's, but the table has a reason why not" if ours else ""
    if not ours:
        return f"the paper has {paper[0].value}, and no reason is given"
    return "" if ours[0].value == value else f"the table has {ours[0].value} as ours"
