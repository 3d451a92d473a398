"""`params:train_baselines`: the plain references on any features."""

from typing import Literal, get_args

from pydantic import Field

from semiser.systems.baselines.options import (
    KnnOptions,
    LabelSpreadingOptions,
    LogisticOptions,
    SelfTrainingOptions,
    SvmOptions,
)
from semiser.systems.mmmd.options import MmdOptions
from semiser.systems.on_vectors import OnVectorsOptions

VariantName = Literal["svm", "linear_svm", "logistic", "knn", "mlp", "self_training", "label_spreading"]
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)


class TrainBaselinesOptions(OnVectorsOptions):
    """The `train_baselines` parameter group.

    Attributes:
        variants: which are trained.
        svm: of the machine with an RBF kernel.
        linear_svm: of the one without.
        logistic, knn: on labels alone.
        mlp: a small network, that of MMMD's `dnn`.
        self_training, label_spreading: with unlabelled utterances.
    """

    variants: tuple[VariantName, ...] = Field(default=VARIANTS, min_length=1)
    svm: SvmOptions = SvmOptions()
    linear_svm: SvmOptions = SvmOptions(kernel="linear", c=0.01)
    logistic: LogisticOptions = LogisticOptions()
    knn: KnnOptions = KnnOptions()
    mlp: MmdOptions = MmdOptions(grouping="joint", local_loss_weight=0, local_prediction_weight=0)
    self_training: SelfTrainingOptions = SelfTrainingOptions()
    label_spreading: LabelSpreadingOptions = LabelSpreadingOptions()
