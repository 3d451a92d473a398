"""Folds of several experiments in one table, each with its protocol."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.table import protocol_facts


def join_experiments(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of the folds of several experiments; its metadata `protocols` has the protocol of each by name."""
    protocols = {facts["experiment"]: facts for facts in map(protocol_facts, tables)}
    metadata = {"protocols": json.dumps(protocols, ensure_ascii=False)}
    return pa.concat_tables([table.replace_schema_metadata(None) for table in tables]).replace_schema_metadata(metadata)


def protocols_of(folds: pa.Table) -> dict[str, dict[str, Any]]:
    """The protocol of every experiment of a joined table, by its name."""
    return json.loads(folds.schema.metadata[b"protocols"])


def take_experiment(folds: pa.Table, experiment: str) -> pa.Table:
    """The folds of one experiment of a joined table, with its protocol.

    Raises:
        ValueError: the table has no such experiment.
    """
    protocols = protocols_of(folds)
    if experiment not in protocols:
        raise ValueError(f"the folds have no experiment {experiment!r}; there are {', '.join(protocols)}")
    metadata = {"protocol": json.dumps(protocols[experiment], ensure_ascii=False)}
    return folds.filter(pc.equal(folds["experiment"], experiment)).replace_schema_metadata(metadata)
