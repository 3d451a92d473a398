"""MSSGAN: folds, the variants in all their settings, and what they score."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_mssgan.nodes import (
    evaluate_mssgan,
    make_mssgan_folds,
    plot_mssgan_curves,
    variant_trainer,
)
from semiser.systems.mssgan.options import VARIANTS

_FEATURES = ["utterances", "fbank", "fft", "dface"]
_DATA = ["mssgan_folds", *_FEATURES, "params:train_mssgan", "params:training", "mssgan_models"]


def create_pipeline() -> Pipeline:
    """The train_mssgan pipeline; it starts from the feature tables."""
    trainers = [
        Node(
            func=variant_trainer(name),
            inputs=_DATA,
            outputs=[f"{name}_predictions", f"{name}_curves"],
            name=f"train_{name}",
        )
        for name in VARIANTS
    ]
    return Pipeline(
        [
            Node(
                func=make_mssgan_folds,
                inputs=[*_FEATURES, "params:train_mssgan"],
                outputs="mssgan_folds",
                name="make_mssgan_folds",
            ),
            *trainers,
            Node(
                func=evaluate_mssgan,
                inputs=[
                    "mssgan_folds",
                    "utterances",
                    "params:train_mssgan",
                    *(f"{name}_predictions" for name in VARIANTS),
                ],
                outputs=["mssgan_metrics", "mssgan_table", "mssgan_confusion", "mssgan_faces"],
                name="evaluate_mssgan",
            ),
            Node(
                func=plot_mssgan_curves,
                inputs=[f"{name}_curves" for name in VARIANTS],
                outputs="mssgan_curves_figure",
                name="plot_mssgan_curves",
            ),
        ]
    )
