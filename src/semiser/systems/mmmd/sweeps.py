"""`params:mmmd_sweeps`: the analyses of MMMD's Figure 5."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from semiser.options.base import Options
from semiser.options.modalities import ATTRIBUTES, SocialAttribute, feature_columns
from semiser.systems.mmmd.options import MmmdOptions, TrainMmmdOptions

SweepName = Literal["unlabelled_weight", "temperature", "unlabelled_share", "features"]
SWEEPS: tuple[SweepName, ...] = SweepName.__args__


class FeatureSet(Options):
    """One setting of the feature contribution.

    Attributes:
        modalities: which take part.
        social: the attributes, where social is one of them.
    """

    modalities: tuple[str, ...] = Field(min_length=1)
    social: tuple[SocialAttribute, ...] = ATTRIBUTES

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns that are read, in the order in which they stand side by side."""
        return feature_columns(self.modalities, self.social)


class MmmdSweepsOptions(Options):
    """The `mmmd_sweeps` parameter group: one variant, one option changed at a time.

    Attributes:
        variant: with MixMatch; the paper's is the epoch-wise one.
        epochs: of each training; None: as train_mmmd says.
        unlabelled_weight: values of lambda_U.
        temperature: values of T.
        unlabelled_share: shares of the unlabelled utterances.
        features: name of a setting to its features.
    """

    variant: Literal["mixmatch", "mmmd_without_acted", "mmmd_with_acted", "mmmd_epoch_wise"] = "mmmd_epoch_wise"
    epochs: int | None = Field(default=None, ge=1)
    unlabelled_weight: tuple[float, ...] = Field(default=(0, 1e-3, 1e-2, 1e-1, 1, 10), min_length=1)
    temperature: tuple[float, ...] = Field(default=(1.0, 0.7, 0.5, 0.3, 0.1), min_length=1)
    unlabelled_share: tuple[float, ...] = Field(default=(0, 0.25, 0.5, 1.0), min_length=1)
    features: dict[str, FeatureSet] = {
        "A": FeatureSet(modalities=("acoustic",)),
        "T": FeatureSet(modalities=("text",)),
        "T+A": FeatureSet(modalities=("acoustic", "text")),
        "T+A+accent": FeatureSet(modalities=("acoustic", "text", "social"), social=("accent",)),
        "T+A+topic": FeatureSet(modalities=("acoustic", "text", "social"), social=("query_topic",)),
        "T+A+accent+topic": FeatureSet(modalities=("acoustic", "text", "social")),
    }

    def settings(
        self, sweep: SweepName, train: TrainMmmdOptions
    ) -> Iterator[tuple[str, TrainMmmdOptions, FeatureSet | None]]:
        """Each setting of a sweep: its name, the options with it, and its features where they differ."""
        if sweep == "features":
            for name, chosen in self.features.items():
                yield name, train, chosen
        else:
            for value in getattr(self, sweep):
                changed = {
                    group: type(options)(**options.model_dump() | {sweep: value})
                    for group, options in (("mixmatch", train.mixmatch), ("mixmatch_acted", train.mixmatch_acted))
                    if options is not None
                }
                yield f"{value:g}", train.model_copy(update=changed), None

    def neural(self, train: TrainMmmdOptions) -> MmmdOptions:
        """The variant's options in a setting."""
        options = train.neural(self.variant)
        if self.epochs is None:
            return options
        return options.model_copy(update={"network": options.network.model_copy(update={"epochs": self.epochs})})
