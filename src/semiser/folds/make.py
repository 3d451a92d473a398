"""Folds as data: one table says which utterance plays which role in which fold, and a check refuses leaks."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from semiser.folds.coded import ABSENT, encode_column
from semiser.folds.leakage import check_folds
from semiser.folds.official import parts_of
from semiser.folds.options import FoldOptions, OfficialSplit
from semiser.folds.protocols import each_test_part
from semiser.folds.roles import complete_roles
from semiser.folds.selection import Rows, select_rows
from semiser.folds.table import FOLDS_SCHEMA, ROLES, UNLABELLED, folds_hash, protocol_facts

__all__ = ["FOLDS_SCHEMA", "ROLES", "check_folds", "folds_hash", "make_folds", "protocol_facts"]


def make_folds(utterances: pa.Table, options: FoldOptions, everyone: pa.Table | None = None) -> pa.Table:
    """The folds of one experiment, checked by `check_folds`.

    Args:
        utterances: table with `utterance_id`, `corpus`, the target column, and those of `speaker_id`, `session_id`,
            `dialogue_id` and `split` that the protocol needs; its order does not matter.
        options: protocol, classes, budget and seed.
        everyone: table of all utterances, of which a speaker's mean is taken where numbers become classes by it; None:
            of `utterances`.

    Returns:
        A table of `FOLDS_SCHEMA`, a chunk per fold. Its metadata `protocol` (see `protocol_facts`) says in JSON what
        the figures obtained on these folds mean: corpora, classes, protocol, and what was left out and why.

    Raises:
        ValueError: a corpus, a split, labels, speakers or sessions that the protocol needs are missing, or the folds
            do not pass the check.
    """
    rows, left_out = select_rows(utterances, options, everyone)
    constant = _constant_columns(rows, options.experiment)
    pa.default_memory_pool().release_unused()  # what the choice of rows took for a moment
    tables, described = [], []
    for fold, part in enumerate(each_test_part(rows, options)):
        roles = complete_roles(rows, part, options, fold)
        tables.append(_fold_table(rows, constant, roles, fold))
        across = dict(zip(("trained_on", "tested_on"), part.corpora, strict=True)) if part.corpora else {}
        described.append({"fold": fold, "test": part.name, **across, **_role_counts(rows, roles)})
    facts = _facts(rows, options, left_out, described)
    table = pa.concat_tables(tables).replace_schema_metadata({"protocol": json.dumps(facts, ensure_ascii=False)})
    check_folds(table, utterances, options)
    return table


def _constant_columns(rows: Rows, experiment: str) -> dict[str, pa.DictionaryArray]:
    """What no fold changes: for every row its experiment, utterance and class."""
    everyone = np.arange(len(rows.table))
    return {
        "experiment": _named(np.zeros(len(everyone)), [experiment]),
        "utterance_id": _named(everyone, rows.table["utterance_id"].combine_chunks()),
        "true_label": _named(rows.label.codes, rows.label.names),
    }


def _fold_table(rows: Rows, constant: Mapping[str, pa.DictionaryArray], roles: np.ndarray, fold: int) -> pa.Table:
    inside = np.flatnonzero(roles != ABSENT)
    role = roles[inside]
    label = np.where(role == UNLABELLED, ABSENT, rows.label.codes[inside])
    columns = {
        **(constant if len(inside) == len(roles) else {name: each.take(inside) for name, each in constant.items()}),
        "fold": pa.array(np.full(len(inside), fold, np.int32)),
        "role": _named(role, ROLES),
        "label": _named(label, rows.label.names),
    }
    return pa.table({name: columns[name] for name in FOLDS_SCHEMA.names}, schema=FOLDS_SCHEMA)


def _named(codes: np.ndarray, names: pa.Array | Sequence[str]) -> pa.DictionaryArray:
    names = names if isinstance(names, pa.Array) else pa.array(names, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes == ABSENT), names)


def _role_counts(rows: Rows, roles: np.ndarray) -> dict:
    counts = {name: int(np.sum(roles == code)) for code, name in enumerate(ROLES)}
    kept_apart = (roles == ABSENT) & ~rows.labelled
    return {"utterances": counts, "unlabelled_kept_apart": int(kept_apart.sum())}


def _facts(rows: Rows, options: FoldOptions, left_out: list[dict], described: list[dict]) -> dict:
    settings = options.model_dump(mode="json")
    if isinstance(options.protocol, OfficialSplit):
        left_out = left_out + _outside_split(rows, options.protocol)
    return {
        **{name: settings[name] for name in ("experiment", "target", "discretise", "merges", "protocol", "validation",
                                             "label_budget", "transductive", "seed")},
        "corpora": {name: _corpus_facts(rows, name) for name in options.corpora},
        "unlabelled_corpora": {name: _corpus_facts(rows, name) for name in options.unlabelled_corpora},
        "acted_corpora": {
            acted.corpus: _corpus_facts(rows, acted.corpus) | {"emotions": acted.emotions} for acted in options.acted
        },
        "classes": rows.label.names,
        "speaker_dependent": options.speaker_dependent,
        "left_out": left_out,
        "folds": described,
    }  # fmt: skip


def _corpus_facts(rows: Rows, corpus: str) -> dict:
    inside = rows.corpus.codes == rows.corpus.names.index(corpus)
    labels = np.bincount(rows.label.codes[inside] + 1, minlength=len(rows.label.names) + 1)
    speakers = rows.speaker.codes[inside]
    return {
        "utterances": int(inside.sum()),
        "labelled": int(labels[1:].sum()),
        "per_class": dict(zip(rows.label.names, labels[1:].tolist(), strict=True)),
        "speakers": len(np.setdiff1d(speakers, [ABSENT])),
        "without_speaker": int(np.sum(speakers == ABSENT)),
    }


def _outside_split(rows: Rows, protocol: OfficialSplit) -> list[dict]:
    named = {protocol.train, protocol.validation, protocol.test}
    split = encode_column(rows.table, "split")
    used = [code for code, name in enumerate(split.names) if named & set(parts_of(name).values())]
    outside = rows.labelled & ~np.isin(split.codes, used)
    counts = np.bincount(rows.corpus.codes[outside], minlength=len(rows.corpus.names))
    return [
        {"corpus": name, "reason": "labelled, but in none of the splits of the protocol", "utterances": int(count)}
        for name, count in zip(rows.corpus.names, counts, strict=True)
        if count
    ]
