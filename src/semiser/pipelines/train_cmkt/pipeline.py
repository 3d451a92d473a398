"""CMKT: folds, the nine variants of its Tables 3 to 5, what they score, and what became of the pseudo-labels."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_cmkt.nodes import (
    evaluate_variants,
    make_cmkt_folds,
    measure_pseudo_labels,
    plot_curves,
    variant_trainer,
)
from semiser.systems.cmkt.options import VARIANTS

_DATA = ["cmkt_folds", "utterances", "stft", "wav2vec", "fbank", "expression"]


def create_pipeline() -> Pipeline:
    """The train_cmkt pipeline; it starts from the feature tables."""
    trainers = [
        Node(
            func=variant_trainer(name),
            inputs=[*_DATA, "params:train_cmkt", "params:training", "cmkt_models"],
            outputs=[f"cmkt_{name}_predictions", f"cmkt_{name}_curves"],
            name=f"train_cmkt_{name}",
        )
        for name in VARIANTS
    ]
    curves = [f"cmkt_{name}_curves" for name in VARIANTS]
    return Pipeline(
        [
            Node(
                func=make_cmkt_folds,
                inputs=["utterances", "stft", "wav2vec", "fbank", "params:train_cmkt"],
                outputs="cmkt_folds",
                name="make_cmkt_folds",
            ),
            *trainers,
            Node(
                func=evaluate_variants,
                inputs=[
                    "cmkt_folds",
                    "utterances",
                    "expression",
                    "params:train_cmkt",
                    *(f"cmkt_{name}_predictions" for name in VARIANTS),
                ],
                outputs=["cmkt_metrics", "cmkt_table", "cmkt_confusion"],
                name="evaluate_cmkt",
            ),
            Node(func=plot_curves, inputs=curves, outputs="cmkt_curves_figure", name="plot_cmkt_curves"),
            Node(
                func=measure_pseudo_labels,
                inputs=["cmkt_folds", "cmkt_models", *curves],
                outputs=["cmkt_pseudo_labels", "cmkt_pseudo_labels_figure"],
                name="measure_cmkt_pseudo_labels",
            ),
        ]
    )
