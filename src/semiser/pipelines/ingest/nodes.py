"""Nodes of ingest."""

from typing import Any

import pyarrow as pa

from semiser.corpora.options import IngestOptions


def ingest_corpora(options: IngestOptions) -> tuple[pa.RecordBatchReader, pa.RecordBatchReader, dict[str, Any]]:
    """Read all corpora into `utterances` and `quarantine`, which are saved in batches, and `ingest_summary`."""
    from semiser.corpora.ingest import ingest

    found = ingest(options)
    return found.utterance_batches(), found.quarantine_batches(), found.summary
