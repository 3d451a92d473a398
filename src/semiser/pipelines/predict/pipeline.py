"""Emotion of new speech, by a model that was trained before."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.predict.nodes import predict_input


def create_pipeline() -> Pipeline:
    """The predict pipeline; it needs a card and an input, and no other pipeline's data."""
    return Pipeline(
        [
            Node(
                func=predict_input,
                inputs=["params:predict", "params:features", "params:engine", "params:places"],
                outputs=["input_predictions", "input_predictions_table"],
                name="predict_input",
            )
        ]
    )
