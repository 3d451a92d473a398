"""The analyses of CMKT's Figure 4: epsilon of Consistent & Random, alpha of Weighted Fusion."""

from kedro.pipeline import Node, Pipeline

from semiser.pipelines.cmkt_sweeps.nodes import evaluate_sweep, sweep_trainer
from semiser.pipelines.train_cmkt import create_pipeline as create_train_cmkt
from semiser.systems.cmkt.sweeps import SWEEPS

_DATA = ["cmkt_folds", "utterances", "stft", "wav2vec", "fbank", "expression", "params:train_cmkt", "params:training"]


def create_pipeline() -> Pipeline:
    """The cmkt_sweeps pipeline; it starts from the feature tables, as train_cmkt does."""
    trainers = [
        Node(
            func=sweep_trainer(sweep),
            inputs=[*_DATA, "cmkt_sweeps_models", "params:cmkt_sweeps"],
            outputs=f"cmkt_sweep_{sweep}_predictions",
            name=f"sweep_cmkt_{sweep}",
        )
        for sweep in SWEEPS
    ]
    evaluations = [
        Node(
            func=evaluate_sweep,
            inputs=["cmkt_folds", "utterances", "expression", "params:train_cmkt", f"cmkt_sweep_{sweep}_predictions"],
            outputs=[f"cmkt_sweep_{sweep}_metrics", f"cmkt_sweep_{sweep}_table", f"cmkt_sweep_{sweep}_figure"],
            name=f"evaluate_cmkt_sweep_{sweep}",
        )
        for sweep in SWEEPS
    ]
    return create_train_cmkt().only_nodes("make_cmkt_folds") + Pipeline([*trainers, *evaluations])
