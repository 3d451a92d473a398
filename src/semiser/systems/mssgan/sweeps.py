"""`params:mssgan_sweeps`: the ablations of MSSGAN's section V."""

from collections.abc import Iterator
from typing import Literal, get_args

from pydantic import Field

from semiser.options.base import Options
from semiser.options.training import UnlabelledScaling
from semiser.systems.mssgan.options import FeatureSet, MssganOptions, Setting, TrainMssganOptions, VariantName

SweepName = Literal["quantity", "normalisation"]
SWEEPS: tuple[SweepName, ...] = get_args(SweepName)


class WhereOptions(Options):
    """The setting of train_mssgan that an ablation is made in.

    Attributes:
        task: one of its tasks.
        features: one of its feature sets; two modalities make it MSSGAN, one SSGAN.
    """

    task: str
    features: FeatureSet


class MssganSweepsOptions(Options):
    """The `mssgan_sweeps` parameter group: one option changed at a time; folds and all else are train_mssgan's.

    Attributes:
        epochs: of each training; None: as train_mssgan says.
        quantity: where the amount of unlabelled data is varied (Figure 6).
        unlabelled_samples: the amounts; 0 is the supervised baseline.
        normalisation: where the scaling of the unlabelled corpora is varied (Figures 7 and 8).
        unlabelled_scaling: its strategies, see `semiser.data.scaling`.
    """

    epochs: int | None = Field(default=None, ge=1)
    quantity: WhereOptions = WhereOptions(task="valence", features="fbank+dface")
    unlabelled_samples: tuple[int, ...] = Field(default=(0, 5_000, 10_000, 15_000, 20_000, 25_000), min_length=1)
    normalisation: WhereOptions = WhereOptions(task="valence", features="dface")
    unlabelled_scaling: tuple[UnlabelledScaling, ...] = Field(
        default=("none", "self", "shift", "combine"), min_length=1
    )

    def setting(self, sweep: SweepName, train: TrainMssganOptions) -> Setting:
        """Where a sweep is made.

        Raises:
            ValueError: train_mssgan has no such setting, thus no folds of it.
        """
        where = getattr(self, sweep)
        setting = Setting(where.task, where.features)
        if setting not in train.settings:
            known = ", ".join(found.suffix for found in train.settings)
            raise ValueError(
                f"mssgan_sweeps.{sweep} is {setting.suffix}, but train_mssgan has {known}; name one of them"
            )
        return setting

    def variants(self, sweep: SweepName, train: TrainMssganOptions) -> Iterator[tuple[str, Setting, MssganOptions]]:
        """Each value of a sweep: the training's name, its setting, and the system's options."""
        setting = self.setting(sweep, train)
        single = len(setting.columns) == 1
        gan: VariantName = "ssgan" if single else "mssgan"
        supervised: VariantName = "fsbase" if single else "mfsbase"
        name = f"{gan}/{setting.suffix}"
        if sweep == "quantity":
            for count in self.unlabelled_samples:
                changed = train.model_copy(update={"unlabelled_samples": count})
                system = changed.system(gan if count else supervised)
                yield f"{name}/unlabelled_samples={count}", setting, self._shortened(system)
        else:
            for how in self.unlabelled_scaling:
                scaled = setting._replace(unlabelled_scaling=how)
                yield f"{name}/unlabelled_scaling={how}", scaled, self._shortened(train.system(gan))

    def _shortened(self, system: MssganOptions) -> MssganOptions:
        if self.epochs is None:
            return system
        return system.model_copy(
            update={"optimisation": system.optimisation.model_copy(update={"epochs": self.epochs})}
        )
