"""The ablations of MSSGAN's section V: amount of unlabelled data, and how it is normalised."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.mssgan_sweeps.nodes import ablation_evaluator, ablation_trainer
from semiser.pipelines.train_mssgan import create_pipeline as create_train_mssgan
from semiser.systems.mssgan.sweeps import SWEEPS

_DATA = ["mssgan_folds", "utterances", "fbank", "fft", "dface", "params:train_mssgan", "params:training"]


def create_pipeline() -> Pipeline:
    """The mssgan_sweeps pipeline; it starts from the feature tables, as train_mssgan does."""
    trainers = [
        Node(
            func=ablation_trainer(sweep),
            inputs=[*_DATA, "mssgan_sweeps_models", "params:mssgan_sweeps"],
            outputs=f"ablation_{sweep}_predictions",
            name=f"ablate_{sweep}",
        )
        for sweep in SWEEPS
    ]
    evaluations = [
        Node(
            func=ablation_evaluator(sweep),
            inputs=["mssgan_folds", f"ablation_{sweep}_predictions", "params:train_mssgan", "params:mssgan_sweeps"],
            outputs=[f"ablation_{sweep}_table", f"ablation_{sweep}_figure", f"ablation_{sweep}_confusion"],
            name=f"evaluate_{sweep}",
        )
        for sweep in SWEEPS
    ]
    return create_train_mssgan().only_nodes("make_mssgan_folds") + Pipeline([*trainers, *evaluations])
