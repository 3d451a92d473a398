"""`params:train_mmmd`: experiment and variants of MMMD (Zhou et al., AAAI 2021)."""

from typing import Literal

from pydantic import Field, model_validator

from semiser.options.base import Options
from semiser.options.folds import FoldOptions
from semiser.options.training import ScalingOptions


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


class MmdOptions(Options):
    """MMD, the supervised multi-path network.

    Attributes:
        grouping: how IS10's columns are split into acoustic paths (`semiser.features.is10_paths`).
        hidden: units of the two hidden layers of every local classifier.
        pooled: d of compact bilinear pooling, used from two modalities on.
        epochs: passes over the training part.
        batch_size: utterances per step.
        learning_rate: of Adam at the start.
        schedule: `cosine` lets the learning rate fall to 0 over the run, `constant` keeps it.
        input_noise: standard deviation of Gaussian noise added to the standardised features in training.
        hidden_dropout: dropout after each hidden layer.
        weight_decay: decoupled, as AdamW's.
        balanced: weigh each utterance's losses by n / (C n_k), n_k being the training utterances of its class.
        local_loss_weight: weight of the sum of the local classifiers' losses; the global loss has weight 1.
        local_prediction_weight: share of the local classifiers' mean probability in the prediction; the global
            classifier has the rest.
        select: `last` keeps the weights of the last epoch, `validation` those of the epoch with the best UAR on the
            validation part.
    """

    grouping: Literal["family", "descriptor", "single"] = "family"
    hidden: tuple[int, int] = (128, 64)
    pooled: int = Field(default=2048, ge=1)
    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["constant", "cosine"] = "constant"
    input_noise: float = Field(default=0.0, ge=0)
    hidden_dropout: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    balanced: bool = False
    local_loss_weight: float = Field(default=1.0, ge=0)
    local_prediction_weight: float = Field(default=0.5, ge=0, le=1)
    select: Literal["last", "validation"] = "last"


class TrainMmmdOptions(Options):
    """The `train_mmmd` parameter group.

    Attributes:
        folds: who is trained on, validated and tested.
        scaling: how features are standardised.
        svm, mmd: options of the variants.
    """

    folds: FoldOptions
    scaling: ScalingOptions = ScalingOptions()
    svm: SvmOptions = SvmOptions()
    mmd: MmdOptions = MmdOptions()

    @model_validator(mode="after")
    def _selection_has_a_validation_part(self) -> "TrainMmmdOptions":
        split = self.folds.protocol.kind == "official_split" and self.folds.protocol.validation
        if self.mmd.select == "validation" and self.folds.validation.kind == "none" and not split:
            raise ValueError(
                "mmd.select is `validation`, but folds.validation is `none`: there is nothing to select by"
            )
        return self
