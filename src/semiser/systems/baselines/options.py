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
