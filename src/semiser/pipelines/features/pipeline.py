"""Ingest, the networks behind the face families, then every feature family that is switched on."""

from kedro.pipeline import Node, Pipeline

from semiser.features.registry import AUDIO, TEXT, VIDEO, table_name
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

_SOURCES = ["utterances", "params:ingest", "params:features", "params:engine", "params:places"]


def create_pipeline() -> Pipeline:
    """The features pipeline; ingest and train_faces are part of it."""
    return (
        create_ingest()
        + create_train_faces()
        + Pipeline(
            [
                Node(
                    func=extract_audio,
                    inputs=_SOURCES,
                    outputs=[*map(table_name, AUDIO), "audio_summary"],
                    name="extract_audio",
                    tags="audio",
                ),
                Node(
                    func=make_word_vectors,
                    inputs=["utterances", "params:features", "params:places"],
                    outputs="word_vectors",
                    name="make_word_vectors",
                    tags="text",
                ),
                Node(
                    func=extract_text,
                    inputs=[*_SOURCES, "word_vectors"],
                    outputs=[*map(table_name, TEXT), "text_summary"],
                    name="extract_text",
                    tags="text",
                ),
                Node(
                    func=extract_video,
                    inputs=[*_SOURCES, "expression_network", "dface_network"],
                    outputs=[*map(table_name, VIDEO), "video_summary"],
                    name="extract_video",
                    tags="video",
                ),
                Node(
                    func=label_proxies,
                    inputs=["utterances", table_name("voice"), table_name("valence"), "params:features"],
                    outputs=["proxy_arousal", "proxy_valence"],
                    name="label_proxies",
                    tags=["audio", "text"],
                ),
                Node(
                    func=summarise_features,
                    inputs=[
                        "audio_summary",
                        "text_summary",
                        "video_summary",
                        "proxy_arousal",
                        "proxy_valence",
                        "params:features",
                    ],
                    outputs=["features_quarantine", "features_summary"],
                    name="summarise_features",
                    tags=["audio", "text", "video"],
                ),
            ]
        )
    )
