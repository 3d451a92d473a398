"""`params:mmmd_sweeps`: the analyses of MMMD's Figure 5."""

from collections.abc import Iterator
from typing import Literal, get_args

from pydantic import Field

from semiser.options.base import Options
from semiser.systems.mmmd.options import MmmdOptions, TrainMmmdOptions, VariantName
from semiser.systems.on_vectors import FeatureSet

SweepName = Literal["unlabelled_weight", "temperature", "unlabelled_share", "modalities"]
SWEEPS: tuple[SweepName, ...] = get_args(SweepName)


class MmmdSweepsOptions(Options):
    """The `mmmd_sweeps` parameter group: one variant, one option changed at a time.

    Attributes:
        variant: the paper's is the epoch-wise one. `mmd`, which has no MixMatch, is swept over its modalities; the
            other sweeps then take `mmmd_without_acted`, which is mmd with MixMatch.
        epochs: of each training; None: as train_mmmd says.
        unlabelled_weight: values of lambda_U.
        temperature: values of T.
        unlabelled_share: shares of the unlabelled utterances.
        modalities: name of a setting of the feature contribution to its features.
    """

    variant: Literal["mmd", "mixmatch", "mmmd_without_acted", "mmmd_with_acted", "mmmd_epoch_wise"] = "mmmd_epoch_wise"
    epochs: int | None = Field(default=None, ge=1)
    unlabelled_weight: tuple[float, ...] = Field(default=(0, 1e-3, 1e-2, 1e-1, 1, 10), min_length=1)
    temperature: tuple[float, ...] = Field(default=(1.0, 0.7, 0.5, 0.3, 0.1), min_length=1)
    unlabelled_share: tuple[float, ...] = Field(default=(0, 0.25, 0.5, 1.0), min_length=1)
    modalities: dict[str, FeatureSet] = {
        "acoustic": FeatureSet(modalities=("acoustic",)),
        "text": FeatureSet(modalities=("text",)),
        "acoustic+text": FeatureSet(modalities=("acoustic", "text")),
        "acoustic+text+accent": FeatureSet(modalities=("acoustic", "text", "social"), social=("accent",)),
        "acoustic+text+topic": FeatureSet(modalities=("acoustic", "text", "social"), social=("query_topic",)),
        "acoustic+text+accent+topic": FeatureSet(modalities=("acoustic", "text", "social")),
    }

    def variant_of(self, sweep: SweepName) -> VariantName:
        """The variant that a sweep trains."""
        return "mmmd_without_acted" if self.variant == "mmd" and sweep != "modalities" else self.variant

    def settings(
        self, sweep: SweepName, train: TrainMmmdOptions
    ) -> Iterator[tuple[str, TrainMmmdOptions, FeatureSet | None]]:
        """Each setting of a sweep: its name, the options with it, and its features where they differ."""
        if sweep == "modalities":
            for name, chosen in self.modalities.items():
                yield name, train, chosen
        else:
            for value in getattr(self, sweep):
                changed = {
                    group: type(options)(**options.model_dump() | {sweep: value})
                    for group, options in (("mixmatch", train.mixmatch), ("mixmatch_acted", train.mixmatch_acted))
                    if options is not None
                }
                yield f"{value:g}", train.model_copy(update=changed), None

    def neural(self, sweep: SweepName, train: TrainMmmdOptions) -> MmmdOptions:
        """The options of a sweep's variant in a setting."""
        options = train.neural(self.variant_of(sweep))
        if self.epochs is None:
            return options
        return options.model_copy(update={"network": options.network.model_copy(update={"epochs": self.epochs})})
