"""Ingest, then every feature family that is switched on."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.features.nodes import extract_audio, summarise_features
from semiser.pipelines.ingest import create_pipeline as create_ingest


def create_pipeline() -> Pipeline:
    """The features pipeline, ingest included."""
    return create_ingest() + Pipeline(
        [
            Node(
                func=extract_audio,
                inputs=["utterances", "params:ingest", "params:features", "params:engine", "feature_store"],
                outputs=["is10"],
                name="extract_audio",
            ),
            Node(
                func=summarise_features,
                inputs=["is10", "feature_store"],
                outputs=["features_quarantine", "features_summary"],
                name="summarise_features",
            ),
        ]
    )
