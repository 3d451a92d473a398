"""MMMD: folds, the variants, and what they score."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_mmmd.nodes import (
    evaluate_variants,
    make_mmmd_folds,
    neural_trainer,
    plot_curves,
    train_svm,
)
from semiser.systems.mmmd.options import VARIANTS

_FEATURES = ["utterances", "is10", "word2vec", "social"]
_DATA = ["mmmd_folds", *_FEATURES, "params:train_mmmd", "params:training", "mmmd_models"]
_NEURAL = [name for name in VARIANTS if name != "svm"]


def create_pipeline() -> Pipeline:
    """The train_mmmd pipeline; it starts from the feature tables."""
    trainers = [
        Node(
            func=neural_trainer(name),
            inputs=_DATA,
            outputs=[f"{name}_predictions", f"{name}_curves"],
            name=f"train_{name}",
        )
        for name in _NEURAL
    ]
    return Pipeline(
        [
            Node(
                func=make_mmmd_folds,
                inputs=[*_FEATURES, "params:train_mmmd"],
                outputs="mmmd_folds",
                name="make_mmmd_folds",
            ),
            Node(func=train_svm, inputs=_DATA, outputs="svm_predictions", name="train_svm"),
            *trainers,
            Node(
                func=evaluate_variants,
                inputs=["mmmd_folds", "params:train_mmmd", *(f"{name}_predictions" for name in VARIANTS)],
                outputs=["mmmd_metrics", "mmmd_table", "mmmd_confusion"],
                name="evaluate_mmmd",
            ),
            Node(
                func=plot_curves,
                inputs=[f"{name}_curves" for name in _NEURAL],
                outputs="mmmd_curves_figure",
                name="plot_mmmd_curves",
            ),
        ]
    )
