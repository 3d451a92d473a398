"""`params:train_avspnet`: front ends, recognition and experiments of AV-SpNET (Lu et al., AVEC 2018)."""

from typing import Annotated, Final, Literal, NamedTuple, Self, get_args

from pydantic import Field, model_validator

from semiser.folds.options import (
    FoldOptions,
    KFold,
    LabelBudget,
    Levels,
    NoValidation,
    Protocol,
    SpeakerMean,
    Validation,
)
from semiser.options.base import Options, names_of
from semiser.options.modalities import SegmentFamily
from semiser.options.training import ScalingOptions, SystemOptions

FrontEndName = Literal[
    "random",
    "proxy_arousal",
    "proxy_valence",
    "autoencoder",
    "autoencoder_then_arousal",
    "autoencoder_then_valence",
    "avspnet_arousal",
    "avspnet_valence",
    "random_mel",
    "proxy_arousal_mel",
    "avspnet_arousal_mel",
]
VariantName = Literal[FrontEndName, "random_end_to_end"]
FRONT_ENDS: tuple[FrontEndName, ...] = get_args(FrontEndName)
END_TO_END: Final = "random_end_to_end"  # R as the abstract has it: random weights, all of them trained on the target
VARIANTS: tuple[VariantName, ...] = (*FRONT_ENDS, END_TO_END)
MEL = "_mel"  # end of the name of a front end of ours: the paper's on a mel axis
PUBLISHED: tuple[VariantName, ...] = tuple(name for name in VARIANTS if not name.endswith(MEL))
Proxy = Literal["arousal", "valence"]
PROXIES: tuple[Proxy, ...] = get_args(Proxy)
Reduction = Literal["sum", "mean"]
Layer = Literal["dense", "maps", "statistics"]  # of a front end


class Recipe(NamedTuple):
    """How a front end of Table 2 comes to be.

    Attributes:
        reconstruction: whether it learns to reconstruct its input.
        proxy: the proxy label that it learns, None: none.
        initial: the front end whose encoder it starts from, None: random weights.
        mel: whether its input has the mel axis of the options, ours, in place of bins of equal width.
    """

    reconstruction: bool
    proxy: Proxy | None
    initial: FrontEndName | None = None
    mel: bool = False

    @property
    def trained(self) -> bool:
        """Whether anything is learnt."""
        return self.reconstruction or self.proxy is not None


RECIPES: dict[FrontEndName, Recipe] = {
    "random": Recipe(False, None),  # R
    "proxy_arousal": Recipe(False, "arousal"),  # W_a
    "proxy_valence": Recipe(False, "valence"),  # W_v
    "autoencoder": Recipe(True, None),  # AE
    "autoencoder_then_arousal": Recipe(False, "arousal", "autoencoder"),  # W_AE_a
    "autoencoder_then_valence": Recipe(False, "valence", "autoencoder"),  # W_AE_v
    "avspnet_arousal": Recipe(True, "arousal"),  # AV-SpNET_a
    "avspnet_valence": Recipe(True, "valence"),  # AV-SpNET_v
    "random_mel": Recipe(False, None, mel=True),
    "proxy_arousal_mel": Recipe(False, "arousal", mel=True),
    "avspnet_arousal_mel": Recipe(True, "arousal", mel=True),
}


class MelAxisOptions(Options):
    """The frequency axis of the front ends of ours; the paper's are bins of 20 Hz.

    Attributes:
        bands: triangles of equal width on HTK's mel scale, from 0 Hz to the cutoff of `segments`.
        coefficients: of the cosine transform over the bands, the first so many; None: the bands themselves.
    """

    bands: int = Field(default=40, ge=1)
    coefficients: int | None = Field(default=None, ge=1)

    @property
    def size(self) -> int:
        """Values of a frame."""
        return self.coefficients or self.bands

    @model_validator(mode="after")
    def _has_as_many(self) -> Self:
        if self.size > self.bands:
            raise ValueError(f"coefficients={self.coefficients} must be at most bands={self.bands}")
        return self


class AvspnetNetworkOptions(Options):
    """The front-end network; the defaults are the paper's (section 3.1.1).

    Attributes:
        kernels: of every convolution.
        pool: side and stride of the max pooling.
        dense: units of the encoder's fully connected layer.
        latent: units of the reconstruction head's latent layer.
        proxy_hidden: units of the proxy head's hidden layers.
    """

    kernels: int = Field(default=32, ge=1)
    pool: int = Field(default=3, ge=2)
    dense: int = Field(default=1024, ge=1)
    latent: int = Field(default=256, ge=1)
    proxy_hidden: tuple[int, ...] = (512, 128)


class PretrainingOptions(Options):
    """How a front end is trained on the background corpora.

    Attributes:
        alpha: balance of L = alpha L_m + (1 - alpha) L_x (Eq. 7), of the avspnet variants.
        reduction: `mean` takes L_m (Eq. 5) as the mean over segments, bins and frames, and L_x (Eq. 6) over segments;
            `sum` takes both as they are printed, with which L_m has as many more terms as a segment has values.
        learning_rate: of Adam.
        batch_size: segments per step.
        epochs: passes over the background.
        held_out_share: of the background's utterances, which are not trained on; the curves show their losses.
        scaling: segments are standardised per bin: `background` by the background's statistics, or `speaker` by each
            speaker's own (its corpus's, where the speaker is unknown), on targets too, which is transductive.
        calibrate_random: whether the batch norm of a front end that learns nothing takes its statistics from one pass
            over the background, as those of the others come from it; otherwise they stay 0 and 1.
        precision: as Lightning Fabric names it; None: `training.precision`. Embeddings are always 32-bit.
        block_rows: segments that are shuffled with each other; two blocks are held in memory.
    """

    alpha: float = Field(default=0.5, gt=0, lt=1)
    reduction: Reduction = "mean"
    learning_rate: float = Field(default=1e-3, gt=0)
    batch_size: int = Field(default=32, ge=2)
    epochs: int = Field(default=10, ge=1)
    held_out_share: float = Field(default=0.05, gt=0, lt=1)
    scaling: Literal["background", "speaker"] = "background"
    calibrate_random: bool = True
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None
    block_rows: int = Field(default=2048, ge=1)


class RecognitionOptions(Options):
    """The recognition network on a front end; the defaults are the paper's, epochs and dropout aside.

    Attributes:
        front_end: what it takes: the `maps` of the encoder's convolutions, flattened, as section 2.3 stacks three
            layers on them; the encoder's `dense` layer, the first of the three, frozen like them; or, ours, the
            `statistics` of the maps over time, mean and deviation, which do not know when something was said.
        hidden: units of its hidden layers; the paper's are (1024, 512, 128), with `dense` (512, 128).
        dropout: before the output layer.
        reduction: of the cross entropy over a batch: `sum` as Eq. 6 is printed, or `mean`. A step of SGD is as many
            times larger with a sum as the batch has segments.
        optimiser: `sgd`, without momentum, or `adam`.
        learning_rate: of the optimiser.
        batch_size: segments per step.
        epochs: passes over the labelled segments.
        scaling: how the network's input is standardised in each fold; None leaves it as it is.
    """

    front_end: Layer = "maps"
    hidden: tuple[int, ...] = (1024, 512, 128)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    reduction: Reduction = "sum"
    optimiser: Literal["sgd", "adam"] = "sgd"
    learning_rate: float = Field(default=1e-5, gt=0)
    batch_size: int = Field(default=32, ge=1)
    epochs: int = Field(default=30, ge=1)
    scaling: ScalingOptions | None = None


class EndToEndOptions(Options):
    """A recognition network that is trained together with its encoder, from random weights.

    Attributes:
        network: of the encoder.
        recognition: what stands on it, and how both are trained.
        size: bins and frames of a segment.
    """

    network: AvspnetNetworkOptions
    recognition: RecognitionOptions
    size: tuple[int, int]


class BackgroundOptions(Options):
    """What the front ends are trained on.

    Attributes:
        corpora: names in `utterances`; their labels are not read.
        transductive: declares that the background has speakers who are tested. Without it that is refused: a front
            end that has heard a test speaker, labelled or not, is not speaker-independent.
    """

    corpora: list[str] = Field(min_length=1)
    transductive: bool = False


class TaskOptions(Options):
    """What is recognised.

    Attributes:
        corpora: that are trained on and tested; None: those of the experiment.
        target: column of `utterances` with the class or the number.
        discretise: how numbers become classes.
        merges: class to class, applied first.
        classes: in their order; None: all that are found, sorted.
    """

    corpora: list[str] | None = None
    target: str = "emotion"
    discretise: Annotated[Levels | SpeakerMean, Field(discriminator="kind")] | None = None
    merges: dict[str, str] = Field(default_factory=dict)
    classes: list[str] | None = Field(default=None, min_length=2)


def _published() -> dict[str, RecognitionOptions | None]:
    return {"published": RecognitionOptions()}


class TrainAvspnetOptions(SystemOptions):
    """The `train_avspnet` parameter group.

    Attributes:
        background: corpora of the front ends.
        corpora: targets, trained on and tested.
        input: family of segments or frames; `segments` is the paper's. Frames are cut into segments that follow each
            other; an utterance with fewer frames than a segment repeats its last one.
        input_frames: of a segment that is cut from frames; those of `segments` and `chunks` have their own size.
        overlapping: what becomes of an utterance during which someone else of its dialogue speaks: `leave_out`, as the
            paper does with IEMOCAP (2.1.2), or `keep`. It is known where `utterances` has times in the dialogue.
        tasks: name to what is recognised; null switches one off.
        shares: of each fold's labels that are trained on; smaller ones are parts of larger ones.
        protocol: who is tested.
        validation: who is kept apart from training; nothing here selects by them.
        seed: of the folds.
        variants: front ends that are compared, and `random_end_to_end`; the others give empty tables. Those whose names
            end in `_mel` are ours.
        mel: the frequency axis of the front ends whose names end in `_mel`; they need the input `segments`.
        network: of the front ends.
        pretraining: of the front ends.
        front_end_seeds: how often each front end is trained; recognition with the n-th of `training.seeds` takes the
            n-th of them, beginning again when they are through. `random` has one for every seed of `training`.
        recognition: name to an option set of the recognition network; null switches one off.
    """

    background: BackgroundOptions
    corpora: list[str] = Field(min_length=1)
    input: SegmentFamily = "segments"
    input_frames: int = Field(default=80, ge=1)
    overlapping: Literal["leave_out", "keep"] = "leave_out"
    tasks: dict[str, TaskOptions | None] = Field(min_length=1)
    shares: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(0.25, 0.5, 0.75, 1.0), min_length=1)
    protocol: Protocol = KFold(k=5, group="speaker")
    validation: Validation = NoValidation()
    seed: int = Field(default=0, ge=0)
    variants: Annotated[tuple[VariantName, ...], names_of(VariantName)] = Field(default=PUBLISHED, min_length=1)
    mel: MelAxisOptions = MelAxisOptions()
    network: AvspnetNetworkOptions = AvspnetNetworkOptions()
    pretraining: PretrainingOptions = PretrainingOptions()
    front_end_seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    recognition: dict[str, RecognitionOptions | None] = Field(default_factory=_published)

    def fold_options(self, task: str, share: float) -> FoldOptions:
        """Folds of one task with that share of the labels; test parts are the same for all shares."""
        wanted = self.tasks[task]
        assert wanted, f"{task} is switched off"
        return FoldOptions(
            experiment=experiment_name(task, share),
            corpora=wanted.corpora or self.corpora,
            protocol=self.protocol,
            validation=self.validation,
            label_budget=LabelBudget(share=share),
            seed=self.seed,
            **wanted.model_dump(exclude={"corpora"}),
        )

    @property
    def active_tasks(self) -> list[str]:
        """Names of the tasks that are switched on."""
        return [name for name, task in self.tasks.items() if task is not None]

    @property
    def active_recognition(self) -> dict[str, RecognitionOptions]:
        """The option sets that are switched on."""
        return {name: options for name, options in self.recognition.items() if options is not None}

    @property
    def front_ends(self) -> list[FrontEndName]:
        """The front ends that are needed, each after the one that it starts from."""
        asked = [name for name in FRONT_ENDS if name in self.variants]
        needed = {*asked, *(before for name in asked if (before := RECIPES[name].initial))}
        return sorted(needed, key=lambda name: (RECIPES[name].initial is not None, FRONT_ENDS.index(name)))

    @property
    def settings(self) -> list[tuple[str, float, str]]:
        """Every option set of the recognition with every task and share of the labels: (task, share, option set)."""
        sets, tasks = self.active_recognition, self.active_tasks
        return [(task, share, name) for name in sets for task in tasks for share in self.shares]

    def families(self) -> tuple[str, ...]:
        """The feature families that the trainings need: segments, and what the proxies are made of."""
        family_of = {"arousal": "voice", "valence": "valence"}
        proxies = {RECIPES[front_end].proxy for front_end in self.front_ends}
        return (self.input, *(family for proxy, family in family_of.items() if proxy in proxies))

    def key(self, variant: str, task: str, share: float, recognition: str) -> str:
        """Name of a variant with its settings, in metrics, predictions and folders of models."""
        name = f"{variant}/{experiment_name(task, share)}"
        return f"{name}/recognition={recognition}" if len(self.active_recognition) > 1 else name

    @model_validator(mode="after")
    def _a_mel_axis_is_made_of_segments(self) -> Self:
        if self.input != "segments" and (named := [name for name in self.variants if name.endswith(MEL)]):
            raise ValueError(
                f"variants {', '.join(named)} have a mel axis, which is made of `segments`, but input is {self.input}: "
                "leave them out, or set input to segments"
            )
        return self

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if not self.active_tasks:
            raise ValueError("tasks: all are null; give at least one")
        if not self.active_recognition:
            raise ValueError("recognition: all option sets are null; give at least one")
        for task in self.active_tasks:
            self.fold_options(task, self.shares[0])  # what is wrong with it comes up here and not in the middle
        return self


def experiment_name(task: str, share: float) -> str:
    """Name of a task with a share of the labels in the `folds` table."""
    return f"task={task}/share={share:g}"
