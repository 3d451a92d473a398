"""Nodes of feature extraction: one per group of families that share a pass."""

from typing import Any

import pyarrow as pa

from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.ingest import IngestOptions
from semiser.shards.store import Receipt

Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas when pipelines are registered


def extract_audio(
    utterances: pa.Table, ingest: IngestOptions, features: FeaturesOptions, engine: EngineOptions, store: str
) -> list[Receipt]:
    """Every audio family of every utterance, in shards; a receipt per family, which commits its table."""
    from semiser.features.registry import AUDIO, make_families
    from semiser.shards.engine import make_engine
    from semiser.shards.extract import extract_group

    families = make_families(AUDIO, features)
    roots = {name: corpus.root for name, corpus in ingest.active.items()}
    return extract_group(families, store, utterances, roots, make_engine(engine), features.shards)


def summarise_features(is10: Dataset, store: str) -> tuple[pa.Table, dict[str, Any]]:
    """The utterances that a family could not use, with the reasons, and rows per family."""
    from semiser.shards.extract import summarise
    from semiser.shards.store import ShardedTable

    return summarise({"is10": ShardedTable(f"{store}/is10").manifest()})
