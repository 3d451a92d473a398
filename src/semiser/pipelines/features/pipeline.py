"""Ingest, the networks behind the face families, then every feature family that is switched on."""

from kedro.pipeline import Node, Pipeline

from semiser.features.registry import AUDIO, TEXT, VIDEO
from semiser.pipelines.features.nodes import (
    extract_audio,
    extract_text,
    extract_video,
    label_proxies,
    make_word_vectors,
    summarise_features,
)
from semiser.pipelines.ingest import create_pipeline as create_ingest
from semiser.pipelines.train_faces import create_pipeline as create_train_faces

_UTTERANCES = ["utterance_file", "ingest_summary"]
_SOURCES = [*_UTTERANCES, "params:ingest", "params:features", "params:engine", "feature_store"]


def create_pipeline() -> Pipeline:
    """The features pipeline; ingest and train_faces are part of it."""
    return (
        create_ingest()
        + create_train_faces()
        + Pipeline(
            [
                Node(func=extract_audio, inputs=_SOURCES, outputs=[*AUDIO, "audio_summary"], name="extract_audio"),
                Node(
                    func=make_word_vectors,
                    inputs=[*_UTTERANCES, "params:features", "feature_store"],
                    outputs="word_vectors",
                    name="make_word_vectors",
                ),
                Node(
                    func=extract_text,
                    inputs=[*_SOURCES, "word_vectors"],
                    outputs=[*TEXT, "text_summary"],
                    name="extract_text",
                ),
                Node(
                    func=extract_video,
                    inputs=[*_SOURCES, "expression_network", "dface_network"],
                    outputs=[*VIDEO, "video_summary"],
                    name="extract_video",
                ),
                Node(
                    func=label_proxies,
                    inputs=[*_UTTERANCES, "audio_summary", "text_summary", "feature_store"],
                    outputs=["proxy_arousal", "proxy_valence"],
                    name="label_proxies",
                ),
                Node(
                    func=summarise_features,
                    inputs=[
                        "audio_summary",
                        "text_summary",
                        "video_summary",
                        "proxy_arousal",
                        "proxy_valence",
                        "feature_store",
                    ],
                    outputs=["features_quarantine", "features_summary"],
                    name="summarise_features",
                ),
            ]
        )
    )
