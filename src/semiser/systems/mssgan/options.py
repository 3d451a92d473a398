"""`params:train_mssgan`: experiment and variants of MSSGAN (Liang, Chen and Jin, ACII 2019)."""

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Self, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from semiser.folds.options import FoldOptions, Level, Levels
from semiser.options.base import Options, names_of
from semiser.options.modalities import FRAME_FAMILIES
from semiser.options.training import ScalingOptions, SystemOptions, UnlabelledScaling

VariantName = Literal["fsbase", "mfsbase", "ssbase", "ssgan", "mssgan"]
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
FACES = "dface"  # the column of faces
FEATURE_SETS = ("fbank", "fft", "dface", "fbank+dface", "fft+dface")  # the paper's
MULTIMODAL: tuple[VariantName, ...] = ("mfsbase", "mssgan")


def _check_features(features: str) -> str:
    """A feature set: frames of sound, faces, or both in this order.

    Raises:
        ValueError: it is another; the message says what fits.
    """
    voices = [name for name in features.split("+") if name in FRAME_FAMILIES]
    if features not in (FACES, *voices, *(f"{name}+{FACES}" for name in voices)):
        raise ValueError(
            f"features names {features}, of which no crops are cut: they are of frames of sound, one of "
            f"{', '.join(FRAME_FAMILIES)}; of faces, {FACES}; or of both, such as fbank+{FACES}"
        )
    return features


FeatureSet = Annotated[str, AfterValidator(_check_features)]

# Section IV-A: low is [1, 2], medium (2, 4), high [4, 5].
THREE_POINTS = Levels(
    levels=[
        Level(name="low", up_to=2),
        Level(name="medium", up_to=4, inclusive=False),
        Level(name="high", up_to=5),
    ]
)


class CropOptions(Options):
    """What of an utterance the networks see.

    Attributes:
        frames: width of a crop in frames of 10 ms.
        kept_frames: frames around the utterance's middle that are read; training draws its crops from them, validation
            and test take the middle. As many as `frames`: every crop is the middle one. A shorter utterance repeats its
            first and last frame.
        frames_averaged, bands_averaged: so many neighbouring frames, and bands of audio, become one: smaller maps for
            a CPU. The paper's are 1.
    """

    frames: int = Field(default=128, ge=16)
    kept_frames: int = Field(default=128, ge=16)
    frames_averaged: int = Field(default=1, ge=1)
    bands_averaged: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.kept_frames < self.frames:
            raise ValueError(f"kept_frames must be at least frames = {self.frames}, not {self.kept_frames}")
        for name in ("frames", "kept_frames"):
            if getattr(self, name) % self.frames_averaged:
                raise ValueError(f"{name} must be a multiple of frames_averaged = {self.frames_averaged}")
        return self


class CtGanOptions(Options):
    """Generator and discriminator of one modality (section IV-B).

    Attributes:
        noise: values of the random vector z.
        generator_channels: of the maps in G, the first being that which z is projected to.
        discriminator_channels: of the maps in D.
        kernel: side of all filters, odd; their stride is 2.
        dropout: after each convolution of D.
    """

    noise: int = Field(default=100, ge=1)
    generator_channels: tuple[int, ...] = Field(default=(512, 256, 128, 64), min_length=1)
    discriminator_channels: tuple[int, ...] = Field(default=(128, 256, 512, 1024), min_length=1)
    kernel: int = Field(default=5, ge=3)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that a convolution of stride 2 halves a map, not {kernel}")
        return kernel


class OptimisationOptions(Options):
    """How long and how fast a variant learns.

    Attributes:
        epochs: N of Algorithm 1.
        batches: M of Algorithm 1, steps of an epoch; None: one pass over the larger of the labelled and the unlabelled
            part, for all variants alike, so that they take the same number of steps.
        batch_size: labelled samples per step, as many unlabelled ones, and as many generated ones.
        learning_rate: of Adam.
        beta1: decay of Adam's first moment; 0.5 as DCGAN and CT-GAN have it.
        balanced: weigh the supervised loss of an utterance by n / (K n_k); the paper does not.
        select: `validation` keeps the weights with the best UAR on the validation part, `last` those of the last epoch.
    """

    epochs: int = Field(default=50, ge=1)
    batches: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    balanced: bool = False
    select: Literal["validation", "last"] = "validation"


class GanOptions(Options):
    """The adversarial part (Eq. 4 to 7).

    Attributes:
        consistency_weight: lambda of Eq. 4 and 6.
        hidden_factor: weight of the second-to-last layer in the consistency term; its authors' scripts differ.
        margin: M of the consistency term; what is below it costs nothing.
        discriminator_steps: S_D.
        generator_steps: S_G.
    """

    consistency_weight: float = Field(default=1.0, ge=0)
    hidden_factor: float = Field(default=0.1, ge=0)
    margin: float = Field(default=0.0, ge=0)
    discriminator_steps: int = Field(default=1, ge=1)
    generator_steps: int = Field(default=1, ge=1)


class SelfTrainingOptions(Options):
    """SSBase: the supervised baseline labels the unlabelled samples, and learns from the ones it is sure of.

    Attributes:
        confidence: smallest probability of the likeliest class with which a sample is added.
        epochs: of the fine-tuning.
        learning_rate: of the fine-tuning; None: as before.
    """

    confidence: float = Field(default=0.9, gt=0, le=1)
    epochs: int = Field(default=10, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)


class MssganOptions(Options):
    """One variant: what `semiser.systems.mssgan.fit` takes.

    Attributes:
        network, crop, optimisation: as in the experiment.
        gan: None trains the discriminators alone, on labels.
        self_training: None does without.
        unlabelled_samples: how many unlabelled samples are used; a smaller draw is part of a larger one. None: all.
    """

    network: CtGanOptions = CtGanOptions()
    crop: CropOptions = CropOptions()
    optimisation: OptimisationOptions = OptimisationOptions()
    gan: GanOptions | None = None
    self_training: SelfTrainingOptions | None = None
    unlabelled_samples: int | None = Field(default=None, ge=0)


class TaskOptions(Options):
    """What is to be told of an utterance.

    Attributes:
        target: column of `utterances`: a number, or a class.
        votes: column with every annotator's number: the target is the mean of their one-hot levels, the class its
            largest, and a tie counts for each of its classes. None: the class of `target` alone.
        discretise: how numbers become classes.
        merges: class to class, applied first.
        classes: in their order; None: the levels, or every class found.
    """

    target: str
    votes: str | None = None
    discretise: Levels | None = None
    merges: dict[str, str] | None = None
    classes: list[str] | None = None

    @property
    def vote_levels(self) -> Levels:
        """The levels that votes make, which a task with votes has."""
        assert self.discretise
        return self.discretise

    @model_validator(mode="after")
    def _votes_have_levels(self) -> Self:
        if self.votes and not self.discretise:
            raise ValueError(f"votes {self.votes!r} are numbers: discretise must say which levels they make")
        if self.votes and self.merges:
            raise ValueError("merges cannot go with votes: name the levels as the classes are to be called")
        return self


TASKS: dict[str, TaskOptions | None] = {
    "arousal": TaskOptions(target="arousal", votes="arousal_votes", discretise=THREE_POINTS),
    "valence": TaskOptions(target="valence", votes="valence_votes", discretise=THREE_POINTS),
}


class Setting(NamedTuple):
    """A task on a set of features: what has folds of its own.

    Attributes:
        task, features: names.
        unlabelled_scaling: of an ablation; None: as the options say.
    """

    task: str
    features: FeatureSet
    unlabelled_scaling: UnlabelledScaling | None = None

    @property
    def suffix(self) -> str:
        """As it stands in the names of variants and experiments."""
        return f"task={self.task}/features={self.features}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature tables' columns, a modality each."""
        return tuple(self.features.split("+"))


class TrainMssganOptions(SystemOptions):
    """The `train_mssgan` parameter group.

    Attributes:
        folds: who is trained on, validated and tested; target, classes and merges come from the tasks.
        tasks: name to what is to be told; None switches one off.
        features: feature sets, one or two modalities each: any family of frames of sound, faces (`dface`), or both
            joined by `+`, which needs frames of sound every 10 ms. The paper's are the default.
        variants: which are trained: fsbase, ssbase, ssgan on one modality, mfsbase, mssgan on two.
        scaling: how features are standardised, band by band.
        crop, network, optimisation: of all variants.
        gan: of ssgan and mssgan.
        gan_optimisation: of ssgan and mssgan, where they need their own; None: as `optimisation`.
        self_training: of ssbase.
        unlabelled_samples: of ssbase, ssgan and mssgan; None: all. The paper's tables have 20,000. Where there are
            fewer, that is an error.
        drop_faceless: whether unlabelled samples without a face take part in no setting, as in section IV-B, where a
            setting has faces; otherwise they take part in those of the voice.
    """

    folds: FoldOptions
    tasks: dict[str, TaskOptions | None] = Field(default=TASKS, min_length=1)
    features: tuple[FeatureSet, ...] = Field(default=FEATURE_SETS, min_length=1)
    variants: Annotated[tuple[VariantName, ...], names_of(VariantName)] = Field(default=VARIANTS, min_length=1)
    scaling: ScalingOptions = ScalingOptions()
    crop: CropOptions = CropOptions()
    network: CtGanOptions = CtGanOptions()
    optimisation: OptimisationOptions = OptimisationOptions()
    gan: GanOptions = GanOptions()
    gan_optimisation: OptimisationOptions | None = None
    self_training: SelfTrainingOptions = SelfTrainingOptions()
    unlabelled_samples: int | None = Field(default=None, ge=0)
    drop_faceless: bool = True

    @property
    def drops_faceless(self) -> bool:
        """Whether a face is asked of unlabelled samples in every setting: none is where no setting sees faces."""
        return self.drop_faceless and any(FACES in setting.columns for setting in self.settings)

    def uses_unlabelled(self, setting: Setting) -> bool:
        """Whether a variant that learns from unlabelled samples is trained in a setting."""
        names: tuple[VariantName, ...] = ("mssgan",) if len(setting.columns) > 1 else ("ssbase", "ssgan")
        return bool({*names} & {*self.variants})

    @property
    def settings(self) -> list[Setting]:
        """Every task on every feature set."""
        tasks = [name for name, task in self.tasks.items() if task is not None]
        return [Setting(task, features) for task in tasks for features in self.features]

    def families(self) -> tuple[str, ...]:
        """The feature families that the trainings need."""
        return tuple(dict.fromkeys(column for setting in self.settings for column in setting.columns))

    def settings_of(self, variant: VariantName) -> Iterator[Setting]:
        """The settings that a variant is trained in; none where it is switched off."""
        if variant in self.variants:
            modalities = 2 if variant in MULTIMODAL else 1
            yield from (setting for setting in self.settings if len(setting.columns) == modalities)

    def task(self, setting: Setting) -> TaskOptions:
        """The task of a setting."""
        found = self.tasks[setting.task]
        assert found, f"{setting.task} is switched off"
        return found

    def task_folds(self, setting: Setting) -> FoldOptions:
        """The folds of a setting; where the task has votes, over classes that stand in its target column."""
        task = self.task(setting)
        given = {
            "experiment": f"{self.folds.experiment}/{setting.suffix}",
            "target": task.target,
            "discretise": None if task.votes else task.discretise,
            "merges": task.merges or {},
            "classes": task.vote_levels.names if task.votes else task.classes,
        }
        return FoldOptions(**self.folds.model_dump() | given)

    def system(self, variant: VariantName) -> MssganOptions:
        """The options of a variant by its name (section IV-D)."""
        gan = variant in ("ssgan", "mssgan")
        return MssganOptions(
            network=self.network,
            crop=self.crop,
            optimisation=self.gan_optimisation or self.optimisation if gan else self.optimisation,
            gan=self.gan if gan else None,
            self_training=self.self_training if variant == "ssbase" else None,
            unlabelled_samples=self.unlabelled_samples,
        )

    @model_validator(mode="after")
    def _selection_has_a_validation_part(self) -> Self:
        split = self.folds.protocol.kind == "official_split" and self.folds.protocol.validation
        if self.folds.validation.kind != "none" or split:
            return self
        for name, optimisation in (("optimisation", self.optimisation), ("gan_optimisation", self.gan_optimisation)):
            if optimisation and optimisation.select == "validation":
                raise ValueError(
                    f"{name}.select is `validation`, but folds.validation is `none`: there is nothing to select by"
                )
        return self

    @model_validator(mode="after")
    def _something_is_trained(self) -> Self:
        if not any(True for variant in self.variants for _ in self.settings_of(variant)):
            raise ValueError(
                f"nothing to train: variants {', '.join(self.variants)} do not go with features "
                f"{', '.join(self.features)} (fsbase, ssbase, ssgan take one modality, mfsbase and mssgan two) and the "
                "tasks that are switched on"
            )
        return self
