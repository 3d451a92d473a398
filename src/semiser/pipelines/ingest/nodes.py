"""Nodes of ingest."""

from typing import Any

import pyarrow as pa

from semiser.options.ingest import IngestOptions


def ingest_corpora(options: IngestOptions) -> tuple[pa.Table, pa.Table, dict[str, Any]]:
    """Read all corpora into `utterances`, `quarantine` and `ingest_summary`."""
    from semiser.corpora.ingest import ingest

    found = ingest(options)
    return found.utterances, found.quarantine, found.summary
