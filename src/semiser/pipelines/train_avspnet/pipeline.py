"""AV-SpNET: folds, front ends, recognition on them, and what they score."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.train_avspnet.nodes import (
    draw_reconstructions,
    evaluate_avspnet,
    make_avspnet_folds,
    plot_curves,
    pretrain_front_ends,
    variant_trainer,
)
from semiser.systems.avspnet.options import VARIANTS

_OPTIONS = "params:train_avspnet"
_SPEECH = ["utterances", "segments"]
_DATA = ["avspnet_folds", *_SPEECH, "avspnet_front_ends", _OPTIONS, "params:training", "avspnet_models"]
_BACKGROUND = [*_SPEECH, "proxy_arousal", "proxy_valence", "avspnet_folds", _OPTIONS, "params:training"]


def create_pipeline() -> Pipeline:
    """The train_avspnet pipeline; it starts from the tables of segments and proxy labels."""
    trainers = [
        Node(
            func=variant_trainer(name),
            inputs=_DATA,
            outputs=[f"avspnet_on_{name}_predictions", f"avspnet_on_{name}_curves"],
            name=f"train_on_{name}",
        )
        for name in VARIANTS
    ]
    return Pipeline(
        [
            Node(
                func=make_avspnet_folds,
                inputs=[*_SPEECH, _OPTIONS],
                outputs="avspnet_folds",
                name="make_avspnet_folds",
            ),
            Node(
                func=pretrain_front_ends,
                inputs=[*_BACKGROUND, "avspnet_models"],
                outputs="avspnet_front_ends",
                name="pretrain_front_ends",
            ),
            *trainers,
            Node(
                func=evaluate_avspnet,
                inputs=[
                    "avspnet_folds",
                    "avspnet_front_ends",
                    _OPTIONS,
                    *(f"avspnet_on_{name}_predictions" for name in VARIANTS),
                ],
                outputs=["avspnet_metrics", "avspnet_table", "avspnet_confusion", "avspnet_shares_figure"],
                name="evaluate_avspnet",
            ),
            Node(
                func=plot_curves,
                inputs=["avspnet_front_ends", _OPTIONS, *(f"avspnet_on_{name}_curves" for name in VARIANTS)],
                outputs="avspnet_curves_figure",
                name="plot_avspnet_curves",
            ),
            Node(
                func=draw_reconstructions,
                inputs=[*_SPEECH, "avspnet_front_ends", "avspnet_models"],
                outputs="avspnet_reconstructions",
                name="draw_reconstructions",
            ),
        ]
    )
