"""The honest baseline beside every neural figure: a support vector machine on the same folds and scaling."""

import torch
from torch import Tensor

from semiser.data.vectors import FoldData
from semiser.systems.baselines.options import SvmOptions
from semiser.training.run import TrainingRun


def fit(data: FoldData, options: SvmOptions, run: TrainingRun) -> Tensor:
    """Train on the labelled part, score the test part.

    Args:
        data: the fold; validation and unlabelled rows are not used.
        options: kernel, C, gamma, class weights.
        run: its seed; the machine itself draws nothing.

    Returns:
        Softmax of the one-against-rest decision values, shape (tests, classes): an order of the classes whose largest
        is the prediction, not calibrated probabilities. A class without training row scores 0.
    """
    from sklearn.svm import SVC

    machine = SVC(
        kernel=options.kernel, C=options.c, gamma=options.gamma, class_weight="balanced", decision_function_shape="ovr"
    )
    x, y = data.x.numpy(force=True), data.y.numpy(force=True)
    train, test = data.rows["train"].numpy(force=True), data.rows["test"].numpy(force=True)
    machine.fit(x[train], y[train])
    decisions = torch.from_numpy(machine.decision_function(x[test]))
    if decisions.ndim == 1:  # two classes: one value, positive for the second
        decisions = torch.stack([-decisions, decisions], dim=1)
    scores = torch.zeros(len(test), len(data.classes), dtype=decisions.dtype)
    scores[:, machine.classes_] = decisions.softmax(dim=1)
    return scores
