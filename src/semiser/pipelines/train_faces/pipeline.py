"""Expression networks, trained on face images: the user's, or drawn faces."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_faces.nodes import train_face_networks


def create_pipeline() -> Pipeline:
    """The train_faces pipeline."""
    return Pipeline(
        [
            Node(
                func=train_face_networks,
                inputs=["params:train_faces", "params:training", "params:places"],
                outputs=["expression_network", "dface_network"],
                name="train_face_networks",
                tags=["video", "training"],
            )
        ]
    )
