"""Expression networks, trained on face images: the user's, or drawn faces."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_faces.nodes import train_dface_network, train_expression_network

_INPUTS = ["params:train_faces", "params:training", "params:places"]


def create_pipeline() -> Pipeline:
    """The train_faces pipeline."""
    return Pipeline(
        [
            Node(
                func=train_expression_network,
                inputs=_INPUTS,
                outputs="expression_network",
                name="train_expression_network",
                tags=["video", "training"],
            ),
            Node(
                func=train_dface_network,
                inputs=_INPUTS,
                outputs="dface_network",
                name="train_dface_network",
                tags=["video", "training"],
            ),
        ]
    )
