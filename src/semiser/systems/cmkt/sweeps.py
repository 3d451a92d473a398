"""`params:cmkt_sweeps`: the analyses of CMKT's Figure 4."""

from collections.abc import Iterator
from typing import Literal, get_args

from pydantic import Field

from semiser.options.base import Options
from semiser.systems.cmkt.options import CmktOptions, TrainCmktOptions, VariantName

SweepName = Literal["epsilon", "alpha"]
SWEEPS: tuple[SweepName, ...] = get_args(SweepName)
VARIANT_OF: dict[SweepName, VariantName] = {"epsilon": "consistent_random", "alpha": "weighted_fusion"}
_TENTHS = tuple(number / 10 for number in range(11))


class CmktSweepsOptions(Options):
    """The `cmkt_sweeps` parameter group: one option of one fusion changed at a time.

    Attributes:
        epochs: of each training; None: as train_cmkt says.
        epsilon: values in `consistent_random` (Figure 4 (a)).
        alpha: values in `weighted_fusion` (Figure 4 (b)).
    """

    epochs: int | None = Field(default=None, ge=1)
    epsilon: tuple[float, ...] = Field(default=_TENTHS[:10], min_length=1)
    alpha: tuple[float, ...] = Field(default=_TENTHS, min_length=1)

    def settings(self, sweep: SweepName, train: TrainCmktOptions) -> Iterator[tuple[str, CmktOptions]]:
        """Each setting of a sweep: its name, and the options of the variant with it."""
        for value in getattr(self, sweep):
            options = TrainCmktOptions(**train.model_dump() | {sweep: value}).neural(VARIANT_OF[sweep])
            if self.epochs is not None:
                optimisation = options.optimisation.model_copy(update={"epochs": self.epochs})
                options = options.model_copy(update={"optimisation": optimisation})
            yield f"{value:g}", options
