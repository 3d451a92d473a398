"""The analyses of MMMD's Figure 5: lambda_U, T, amount of unlabelled data, feature contribution."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.mmmd_sweeps.nodes import evaluate_sweep, sweep_trainer
from semiser.pipelines.train_mmmd import create_pipeline as create_train_mmmd
from semiser.systems.mmmd.sweeps import SWEEPS

_DATA = ["mmmd_folds", "utterances", "is10", "word2vec", "social", "params:train_mmmd", "params:training"]


def create_pipeline() -> Pipeline:
    """The mmmd_sweeps pipeline; it starts from the feature tables, as train_mmmd does."""
    trainers = [
        Node(
            func=sweep_trainer(sweep),
            inputs=[*_DATA, "mmmd_sweeps_models", "params:mmmd_sweeps"],
            outputs=f"sweep_{sweep}_predictions",
            name=f"sweep_{sweep}",
        )
        for sweep in SWEEPS
    ]
    evaluations = [
        Node(
            func=evaluate_sweep,
            inputs=["mmmd_folds", f"sweep_{sweep}_predictions"],
            outputs=[f"sweep_{sweep}_table", f"sweep_{sweep}_figure"],
            name=f"evaluate_sweep_{sweep}",
        )
        for sweep in SWEEPS
    ]
    return create_train_mmmd().only_nodes("make_mmmd_folds") + Pipeline([*trainers, *evaluations])
