"""Emotion of new speech, by a model that was trained before."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.predict.nodes import predict_input
from semiser.systems.system import system_names


def create_pipeline() -> Pipeline:
    """The predict pipeline: what the experiment has trained, and an input."""
    parameters = [f"params:{group}" for group in ("predict", "features", "engine", "places")]
    models = [f"train_{name}_{kind}" for name in system_names() for kind in ("models", "final")]
    trained = ["expression_network", "dface_network", *models]
    return Pipeline(
        [
            Node(
                func=predict_input,
                inputs=[*parameters, *trained],
                outputs=["input_predictions", "input_predictions_table"],
                name="predict_input",
            )
        ]
    )
