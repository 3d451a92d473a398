"""Proxy labels as tables: the medians and sums of the feature tables, scored against each utterance's baseline.

An utterance's baseline is its speaker in the episode of the programme that it was taken from, as in AV-SpNET's
background corpus (section 2.2.2); what of the two is not known does not part utterances.
"""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.features.proxy_labels import count_by_ties, proxy_arousal, proxy_valence
from semiser.options.proxies import ProxyOptions

if TYPE_CHECKING:  # its import loads pandas, which takes a second
    from pyarrow.dataset import Dataset

BASELINE = ("utterance_id", "corpus", "speaker_id", "programme", "episode")  # columns of `utterances`
_ID = pa.schema([("utterance_id", pa.string())])


def arousal_table(utterances: pa.Table, voice: "Dataset | None", options: ProxyOptions) -> pa.Table:
    """Proxy arousal of every utterance that has voice features, in the order of their ids.

    Args:
        utterances: the `utterances` table, of which the columns BASELINE are taken.
        voice: table of the family; without it the table is empty.
        options: what the baseline is.

    Returns:
        utterance_id, score in [-1, 1], label (`high`, `low`), reason where there is no score.
    """
    table = _joined(utterances, voice, ["pitch_hz", "intensity_db"])
    return _with_ids(table, proxy_arousal(table["pitch_hz"], table["intensity_db"], _baseline(table, options)))


def valence_table(utterances: pa.Table, valence: "Dataset | None", options: ProxyOptions) -> pa.Table:
    """Proxy valence, likewise from the `valence` family; labels are `positive` and `negative`.

    The metadata `by_ties` say in JSON how many of each there are by every reading of ties.
    """
    table = _joined(utterances, valence, ["valence_sum"])
    groups = _baseline(table, options)
    found = _with_ids(table, proxy_valence(table["valence_sum"], groups, options.ties))
    return found.replace_schema_metadata({"by_ties": json.dumps(count_by_ties(table["valence_sum"], groups))})


def summarise_proxy(table: pa.Table) -> dict[str, Any]:
    """Rows, label balance, deciles of the score, and why utterances have none; JSON-safe."""
    scores = table["score"].drop_null().to_numpy()
    by_ties = (table.schema.metadata or {}).get(b"by_ties")
    return {
        "rows": table.num_rows,
        "labels": _counts(table["label"]),
        **({"labels_by_ties": json.loads(by_ties)} if by_ties else {}),
        "deciles": [round(float(value), 4) for value in np.quantile(scores, np.linspace(0, 1, 11))]
        if len(scores)
        else [],
        "missing": _counts(table["reason"]),
    }


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(column.drop_null()).to_pylist()}


def _joined(utterances: pa.Table, table: "Dataset | None", columns: list[str]) -> pa.Table:
    """Columns of a feature table beside what a baseline needs."""
    about = utterances.select(BASELINE)
    if table is not None:
        features = table.to_table(columns=["utterance_id", *columns])
    else:
        features = pa.schema([("utterance_id", pa.string()), *((name, pa.float64()) for name in columns)]).empty_table()
    return features.join(about, "utterance_id").sort_by("utterance_id").combine_chunks()


def _baseline(table: pa.Table, options: ProxyOptions) -> pa.ChunkedArray:
    episode = pc.binary_join_element_wise(
        table["corpus"], table["programme"], table["episode"], "/", null_handling="emit_null"
    )
    known = pc.coalesce(table["speaker_id"], episode)
    if options.baseline == "speaker":
        return known
    both = pc.binary_join_element_wise(table["speaker_id"], episode, "\x1f", null_handling="emit_null")
    return pc.coalesce(both, known)


def _with_ids(table: pa.Table, labels: pa.Table) -> pa.Table:
    fields = pa.schema([*_ID, *labels.schema])
    return pa.table([table["utterance_id"], *labels.columns], schema=fields)
