"""Options of the plain references."""

from typing import Literal

from pydantic import Field

from semiser.options.base import Options


class SvmOptions(Options):
    """Support vector machine with balanced class weights, the baseline.

    Attributes:
        kernel: of scikit-learn's SVC.
        c: penalty of errors, C.
        gamma: width of the RBF kernel; `scale` is 1 / (D * variance of the features).
    """

    kernel: Literal["rbf", "linear"] = "rbf"
    c: float = Field(default=10.0, gt=0)
    gamma: Literal["scale", "auto"] | float = "scale"


class LogisticOptions(Options):
    """Logistic regression with balanced class weights.

    Attributes:
        c: inverse of the penalty on squared weights.
        max_iterations: of the solver.
    """

    c: float = Field(default=0.01, gt=0)
    max_iterations: int = Field(default=1000, ge=1)


class KnnOptions(Options):
    """The nearest neighbours.

    Attributes:
        k: how many are asked.
    """

    k: int = Field(default=10, ge=1)


class SelfTrainingOptions(Options):
    """Logistic regression that labels for itself.

    Attributes:
        logistic: the classifier.
        threshold: probability from which a guess becomes a label.
        rounds: trainings at most.
    """

    logistic: LogisticOptions = LogisticOptions()
    threshold: float = Field(default=0.75, gt=0, lt=1)
    rounds: int = Field(default=10, ge=1)


class LabelSpreadingOptions(Options):
    """Labels that spread over a graph.

    Attributes:
        k: neighbours in the graph.
        alpha: share that an utterance takes from its neighbours; the rest is its own label.
        max_iterations: of spreading.
    """

    k: int = Field(default=10, ge=1)
    alpha: float = Field(default=0.2, gt=0, lt=1)
    max_iterations: int = Field(default=100, ge=1)
