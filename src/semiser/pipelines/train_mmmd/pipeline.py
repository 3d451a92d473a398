"""MMMD: folds, the variants, and what they score."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_mmmd.nodes import evaluate_variants, make_mmmd_folds, plot_curves, train_mmd, train_svm

_DATA = ["mmmd_folds", "utterances", "is10", "params:train_mmmd", "params:training", "mmmd_models"]


def create_pipeline() -> Pipeline:
    """The train_mmmd pipeline; it starts from the feature tables."""
    return Pipeline(
        [
            Node(
                func=make_mmmd_folds,
                inputs=["utterances", "is10", "params:train_mmmd"],
                outputs="mmmd_folds",
                name="make_mmmd_folds",
            ),
            Node(func=train_svm, inputs=_DATA, outputs="svm_predictions", name="train_svm"),
            Node(func=train_mmd, inputs=_DATA, outputs=["mmd_predictions", "mmd_curves"], name="train_mmd"),
            Node(
                func=evaluate_variants,
                inputs=["mmmd_folds", "params:train_mmmd", "svm_predictions", "mmd_predictions"],
                outputs=["mmmd_metrics", "mmmd_table", "mmmd_confusion"],
                name="evaluate_mmmd",
            ),
            Node(func=plot_curves, inputs="mmd_curves", outputs="mmmd_curves_figure", name="plot_mmmd_curves"),
        ]
    )
