"""The experiment's counts beside those of the paper's Table 1: utterances, segments, hours and labels.

Hours are those of segments, 810 ms each, as the paper counts them (62,288 segments are 14.01 h). What is to be like the
paper's can be seen before anything is trained; IEMOCAP's valence adds up to 5,541 there, and its labels are printed as
they are.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TABLE, SEGMENT_S = "AV-SpNET, Table 1", 0.81


@cache
def read_counts() -> dict[tuple[str, str], float]:
    """Corpus and what is counted to the number, as printed."""
    lines = (files("semiser.systems.avspnet") / "counts.csv").read_text(encoding="utf-8").splitlines()
    return {(row["corpus"], row["what"]): float(row["count"]) for row in csv.DictReader(lines)}


def counts_beside(found: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """Rows `corpus`, `table`, `what`, `published`, `found` of the corpora that the paper has, in its order."""
    corpora = {corpus for corpus, _ in found}
    return [
        {"corpus": corpus, "table": TABLE, "what": what, "published": count, "found": found.get((corpus, what))}
        for (corpus, what), count in read_counts().items()
        if corpus in corpora
    ]


def count_segments(table: "pa.dataset.Dataset", utterances: Mapping[str, pa.Array]) -> dict[tuple[str, str], float]:
    """Utterances, segments and hours of corpora.

    Args:
        table: of `segments`, a row each.
        utterances: corpus to the ids that are counted.
    """
    ids = table.to_table(columns=["utterance_id"])["utterance_id"]
    found: dict[tuple[str, str], float] = {}
    for corpus, names in utterances.items():
        own = ids.filter(pc.is_in(ids, names))
        found[corpus, "utterances"] = len(pc.unique(own))
        found[corpus, "segments"] = len(own)
        found[corpus, "hours"] = round(len(own) * SEGMENT_S / 3600, 2)
    return found
