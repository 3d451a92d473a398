"""BEGAN and the classifiers on its encoder: folds, the encoder, the variants, and what they score."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_began.nodes import (
    evaluate_began,
    make_began_folds,
    neural_trainer,
    plot_began_curves,
    plot_began_encoder,
    train_began_encoder,
    train_began_svm,
    tune_began,
)
from semiser.systems.began.options import VARIANTS

_OPTIONS = ["params:train_began", "params:training", "began_models"]
_DATA = ["began_folds", "utterances", "chunks", "began_encoder"]
_NEURAL = [name for name in VARIANTS if name != "svm"]


def create_pipeline() -> Pipeline:
    """The train_began pipeline; it starts from the feature tables."""
    trainers = [
        Node(
            func=neural_trainer(name),
            inputs=[*_DATA, "began_study", *_OPTIONS],
            outputs=[f"{_prefixed(name)}_{kind}" for kind in ("predictions", "dimensions", "curves")],
            name=f"train_{_prefixed(name)}",
        )
        for name in _NEURAL
    ]
    predictions = [f"{_prefixed(name)}_predictions" for name in VARIANTS]
    dimensions = [f"{_prefixed(name)}_dimensions" for name in _NEURAL]
    return Pipeline(
        [
            Node(
                func=make_began_folds,
                inputs=["utterances", "chunks", "is10", "params:train_began"],
                outputs="began_folds",
                name="make_began_folds",
            ),
            Node(
                func=train_began_encoder,
                inputs=["began_folds", "chunks", *_OPTIONS],
                outputs=["began_encoder", "began_encoder_curves"],
                name="train_began_encoder",
            ),
            Node(func=tune_began, inputs=[*_DATA, *_OPTIONS], outputs="began_study", name="tune_began"),
            Node(
                func=train_began_svm,
                inputs=["began_folds", "utterances", "is10", *_OPTIONS],
                outputs="began_svm_predictions",
                name="train_began_svm",
            ),
            *trainers,
            Node(
                func=evaluate_began,
                inputs=["began_folds", "began_encoder", "began_study", "params:train_began", *predictions, *dimensions],
                outputs=["began_metrics", "began_table", "began_confusion"],
                name="evaluate_began",
            ),
            Node(
                func=plot_began_curves,
                inputs=[f"{_prefixed(name)}_curves" for name in _NEURAL],
                outputs="began_curves_figure",
                name="plot_began_curves",
            ),
            Node(
                func=plot_began_encoder,
                inputs=["began_folds", "chunks", "began_encoder", "began_encoder_curves", "began_models"],
                outputs=["began_encoder_figure", "began_chunks_figure"],
                name="plot_began_encoder",
            ),
        ]
    )


def _prefixed(variant: str) -> str:
    """The variant in names of data and nodes, of which other pipelines have some too."""
    return variant if variant == "began" else f"began_{variant}"
