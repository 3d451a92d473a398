"""Nodes of feature extraction: one per group of families that share a pass, then what is made from their tables."""

from typing import Any

import pyarrow as pa

from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.ingest import IngestOptions
from semiser.shards.utterances import UtteranceFile

Summary = dict[str, dict[str, Any]]


def extract_audio(
    utterances: UtteranceFile,
    ingested: Summary,
    ingest: IngestOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    store: str,
) -> tuple:
    """Every audio family, in shards: a receipt per family, which commits its table, and a summary.

    The summary of ingest stands for its table, here and below: the file is there when the summary is.
    """
    from semiser.features.registry import AUDIO, make_families

    return _extract(make_families(AUDIO, features), utterances, ingest, features, engine, store)


def make_word_vectors(
    utterances: UtteranceFile, ingested: Summary, features: FeaturesOptions, store: str
) -> dict[str, Any]:
    """Train word vectors on the transcripts, or load the user's; gives their card."""
    if "word2vec" not in features.active:
        return {}
    from semiser.features.word_vectors import make_word_vectors

    texts = utterances.read(["corpus", "utterance_id", "transcript", "language"])
    return make_word_vectors(texts, features.word2vec, f"{store}/word_vectors.arrow")


def extract_text(
    utterances: UtteranceFile,
    ingested: Summary,
    ingest: IngestOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    store: str,
    word_vectors: dict[str, Any],
) -> tuple:
    """Every text and social family, in shards: a receipt per family and a summary."""
    from semiser.features.registry import TEXT, make_families

    families = make_families(TEXT, features, {"word2vec": f"{store}/word_vectors.arrow"})
    return _extract(families, utterances, ingest, features, engine, store)


def extract_video(
    utterances: UtteranceFile,
    ingested: Summary,
    ingest: IngestOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    store: str,
    expression_network: dict[str, Any],
    dface_network: dict[str, Any],
) -> tuple:
    """Every face family, in shards: a receipt per family and a summary. The networks' cards stand for their weights."""
    from semiser.features.registry import VIDEO, make_families

    return _extract(make_families(VIDEO, features), utterances, ingest, features, engine, store)


def _extract(
    families: dict, utterances: UtteranceFile, ingest: IngestOptions, features: FeaturesOptions, engine: EngineOptions,
    store: str,
) -> tuple:  # fmt: skip
    from semiser.shards.engine import make_engine
    from semiser.shards.extract import extract_group, summarise

    roots = {name: corpus.root for name, corpus in ingest.active.items()}
    receipts = extract_group(families, store, utterances, roots, make_engine(engine), features.shards)
    return (*receipts, summarise(receipts))


def label_proxies(
    utterances: UtteranceFile, ingested: Summary, audio: Summary, text: Summary, store: str
) -> tuple[pa.Table, pa.Table]:
    """Proxy arousal from pitch and intensity, proxy valence from dictionaries, each against the speaker's baseline."""
    from semiser.features.proxy_tables import BASELINE, arousal_table, valence_table

    about = utterances.read(list(BASELINE))
    return arousal_table(about, audio["voice"], store), valence_table(about, text["valence"], store)


def summarise_features(
    audio: Summary, text: Summary, video: Summary, arousal: pa.Table, valence: pa.Table, store: str
) -> tuple[pa.Table, dict[str, Any]]:
    """The utterances that a family could not use, with the reasons; rows per family; deciles of the proxy labels."""
    from semiser.features.proxy_tables import summarise_proxy
    from semiser.shards.extract import quarantine

    families = audio | text | video
    proxies = {"proxy_arousal": summarise_proxy(arousal), "proxy_valence": summarise_proxy(valence)}
    return quarantine(store, families), families | proxies
