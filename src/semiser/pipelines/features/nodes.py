"""Nodes of feature extraction: one per group of families that share a pass, then what is made from their tables."""

import logging
from typing import Any

import pyarrow as pa

from semiser.corpora.options import IngestOptions
from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.places import PlacesOptions
from semiser.options.text_features import Word2VecOptions
from semiser.shards.utterances import UtteranceFile

Dataset = Any  # pyarrow.dataset.Dataset, whose import would load pandas
logger = logging.getLogger(__name__)
Summary = dict[str, dict[str, Any]]


def extract_audio(
    utterances: UtteranceFile,
    ingest: IngestOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    places: PlacesOptions,
) -> tuple:
    """Every audio family, in shards: a receipt per family, which commits its table, and a summary."""
    from semiser.features.registry import AUDIO, make_families

    return _extract(make_families(AUDIO, features), utterances, ingest, features, engine, places)


def make_word_vectors(utterances: UtteranceFile, features: FeaturesOptions, places: PlacesOptions) -> dict[str, Any]:
    """Train word vectors on the transcripts, or load the user's; gives their card."""
    if not isinstance(options := features.active.get("word2vec"), Word2VecOptions):
        return {}
    from semiser.features.word_vectors import FOLDER, make_word_vectors

    texts = utterances.read(["corpus", "utterance_id", "transcript", "language"])
    return make_word_vectors(texts, options, f"{places.features}/{FOLDER}")


def extract_text(
    utterances: UtteranceFile,
    ingest: IngestOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    places: PlacesOptions,
    word_vectors: dict[str, Any],
) -> tuple:
    """Every text and social family, in shards: a receipt per family and a summary."""
    from semiser.features.registry import TEXT, make_families
    from semiser.features.word_vectors import FOLDER, vectors_path

    vectors = word_vectors and vectors_path(f"{places.features}/{FOLDER}", word_vectors["key"])
    families = make_families(TEXT, features, {"word2vec": vectors})
    return _extract(families, utterances, ingest, features, engine, places)


def extract_video(
    utterances: UtteranceFile,
    ingest: IngestOptions,
    features: FeaturesOptions,
    engine: EngineOptions,
    places: PlacesOptions,
    expression_network: dict[str, Any],
    dface_network: dict[str, Any],
) -> tuple:
    """Every face family, in shards: a receipt per family and a summary. The networks' cards stand for their weights."""
    from semiser.features.registry import VIDEO, make_families, with_networks

    features = with_networks(features, {"expression": expression_network, "dface": dface_network})
    return _extract(make_families(VIDEO, features), utterances, ingest, features, engine, places)


def _extract(
    families: dict, utterances: UtteranceFile, ingest: IngestOptions, features: FeaturesOptions, engine: EngineOptions,
    places: PlacesOptions,
) -> tuple:  # fmt: skip
    from semiser.shards.engine import make_engine
    from semiser.shards.extract import extract_group, summarise
    from semiser.shards.plausible import beyond_lengths, refuse_rubbish

    roots = {name: corpus.root for name, corpus in ingest.active.items()}
    receipts = extract_group(families, places.features, utterances, roots, make_engine(engine), features.shards)
    summary = summarise(receipts, utterances)
    for name, corpora in beyond_lengths(filter(None, families.values()), utterances).items():
        for corpus, counts in corpora.items():
            summary[name]["corpora"].get(corpus, {}).update(counts)
    refuse_rubbish(summary, features.plausible)
    return (*receipts, summary)


def label_proxies(
    utterances: UtteranceFile, voice: Dataset | None, valence: Dataset | None, features: FeaturesOptions
) -> tuple[pa.Table, pa.Table]:
    """Proxy arousal from pitch and intensity, proxy valence from dictionaries, each against the speaker's baseline."""
    from semiser.features.proxy_tables import BASELINE, arousal_table, valence_table

    about = utterances.read(list(BASELINE))
    return arousal_table(about, voice, features.proxies), valence_table(about, valence, features.proxies)


def summarise_features(
    audio: Summary, text: Summary, video: Summary, arousal: pa.Table, valence: pa.Table, features: FeaturesOptions
) -> tuple[pa.Table, dict[str, Any]]:
    """The utterances that a family could not use, with the reasons; rows per family; deciles of the proxy labels."""
    from semiser.corpora.utterance import QUARANTINE_SCHEMA
    from semiser.features.proxy_tables import summarise_proxy
    from semiser.shards.plausible import implausible

    families = audio | text | video
    quarantine = [row for family in families.values() for row in family["unusable"]]
    counted = {name: family | {"unusable": len(family["unusable"])} for name, family in families.items()}
    for name, facts in counted.items():
        if facts["rows"] or facts["unusable"]:
            logger.info("%s: %d rows", name, facts["rows"])
        found = implausible(name, facts, features.plausible)
        for warning, said in found:
            logger.log(logging.WARNING if warning else logging.INFO, said)
        facts["implausible"] = [said for warning, said in found if warning]
    proxies = {"proxy_arousal": summarise_proxy(arousal), "proxy_valence": summarise_proxy(valence)}
    return pa.Table.from_pylist(quarantine, QUARANTINE_SCHEMA), counted | proxies
