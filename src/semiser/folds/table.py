"""The table of folds: its schema, its roles, the protocol that travels with it, its hash.

`label` is what training may see: the class of train, acted, validation and test rows, null for unlabelled ones.
`true_label` is the class of every row whose class is known, hidden or not. It is there to measure the precision of
pseudo-labels afterwards, and is never read in training.

Names are dictionary-encoded, utterances among them: a row and fold takes 24 bytes in memory, however long its id. What
a kernel of Arrow wants as strings, such as the values of `is_in`, is cast (`ids_of`).
"""

import hashlib
import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.coded import split_names, to_numpy

ROLES = ("train", "unlabelled", "validation", "test", "acted")
TRAIN, UNLABELLED, VALIDATION, TEST, ACTED = range(len(ROLES))  # codes of ROLES

_NAMES = pa.dictionary(pa.int32(), pa.string())
FOLDS_SCHEMA = pa.schema(
    [
        ("experiment", _NAMES),
        ("fold", pa.int32()),
        ("utterance_id", _NAMES),
        ("role", _NAMES),
        ("label", _NAMES),
        ("true_label", _NAMES),
    ]
)


def ids_of(folds: pa.Table) -> pa.Array:
    """The utterances of a folds table, each once, as strings."""
    return pc.cast(pc.unique(folds["utterance_id"]), pa.string())


def with_strings(folds: pa.Table) -> pa.Table:
    """The same table with strings in the place of dictionaries, for tools that know none."""
    kinds = [
        (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in folds.schema
    ]
    return folds.cast(pa.schema(kinds, folds.schema.metadata))


def protocol_facts(folds: pa.Table) -> dict:
    """The protocol that `make_folds` stored in the table's metadata; an empty dictionary where there is none."""
    return json.loads((folds.schema.metadata or {}).get(b"protocol", b"{}"))


def folds_hash(folds: pa.Table) -> str:
    """SHA-256 of the content of a folds table, whatever the order of its rows, its chunks and its metadata.

    Returns:
        64 hexadecimal digits.
    """
    digests = []
    for _, _, fold in each_fold(folds.select(FOLDS_SCHEMA.names)):
        columns = [pc.fill_null(pc.cast(column, pa.string()), "\x00") for column in fold.columns]
        lines = pc.binary_join_element_wise(*columns, "\x1f")
        ordered = lines.take(pc.sort_indices(lines)).to_pylist()
        digests.append(hashlib.sha256("\n".join(ordered).encode()).hexdigest())
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def each_fold(folds: pa.Table) -> Iterator[tuple[str, int, pa.Table]]:
    """Experiment, number and rows of every fold, in the order of experiments and numbers."""
    names, indices = split_names(folds["experiment"])
    codes, numbers = to_numpy(indices), folds["fold"].to_numpy()
    for experiment, code in sorted((name, code) for code, name in enumerate(names.to_pylist())):
        inside = codes == code
        for number in np.unique(numbers[inside]).tolist():
            rows = np.flatnonzero(inside & (numbers == number))
            whole = rows[-1] - rows[0] + 1 == len(rows)  # as they are made: no copy
            yield experiment, number, folds.slice(rows[0], len(rows)) if whole else folds.take(rows)


def count_left_out(before: pa.Table, after: pa.Table, reason: str) -> list[dict]:
    """Rows for a protocol's `left_out`: the utterances of every corpus that are in the one table and not in the other.

    Args:
        before, after: tables with `corpus`.
        reason: why they are left out.
    """
    counts = [dict(zip(*(part.to_pylist() for part in t["corpus"].value_counts().flatten()), strict=True))
              for t in (before, after)]  # fmt: skip
    gone = {name: count - counts[1].get(name, 0) for name, count in counts[0].items()}
    return [{"corpus": name, "reason": reason, "utterances": count} for name, count in gone.items() if count]


def with_left_out(folds: pa.Table, rows: list[dict]) -> pa.Table:
    """The folds with further rows in their protocol's `left_out`."""
    facts = protocol_facts(folds)
    facts["left_out"] = facts["left_out"] + rows
    return folds.replace_schema_metadata({"protocol": json.dumps(facts, ensure_ascii=False)})
