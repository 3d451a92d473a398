"""`params:train_began`: encoder, classifier, protocol and variants of the adversarial autoencoder system."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from semiser.card import Inside
from semiser.folds.options import FoldOptions
from semiser.options.base import Options, names_of
from semiser.options.training import ScalingOptions, SystemOptions
from semiser.options.tuning import TuneOptions
from semiser.systems.baselines.options import SvmOptions

VariantName = Literal["svm", "no_encoder", "random_encoder", "from_scratch", "began", "began_paper_form"]
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
DEFAULT_VARIANTS: tuple[VariantName, ...] = ("svm", "no_encoder", "random_encoder", "from_scratch", "began")

Task = Literal["emotion", "dimensions"]
DIMENSIONS = ("arousal", "valence")


class BeganNetworkOptions(Options):
    """Autoencoder and generator of BEGAN (arXiv 1703.10717, Figure 1).

    Attributes:
        filters: n; the encoder has n, 2n, 3n, ... from stage to stage, the decoder n in all.
        code: length of the code h and of the noise z.
        convolutions: 3 x 3 convolutions of each stage before it is halved, or after it is doubled.
        fold: neighbouring bins and frames that become channels at the input and are unfolded at the output. Nothing is
            lost, and everything behind is smaller by their product: (1, 1) is the paper's network.
        smallest: bins and frames below which a dimension is not halved.
    """

    filters: int = Field(default=64, ge=1)
    code: int = Field(default=64, ge=1)
    convolutions: int = Field(default=2, ge=1)
    fold: tuple[int, int] = (1, 1)
    smallest: tuple[int, int] = (8, 8)


class EncoderOptions(Options):
    """BEGAN's training; the defaults are the paper's (section 3.3).

    Attributes:
        network: autoencoder and generator.
        gamma: diversity ratio, E[L(G(z))] / E[L(x)] at equilibrium.
        lambda_k: step of k_t.
        learning_rate: of both Adam optimisers.
        epochs: passes over the unlabelled chunks.
        batch_size: chunks per step, and as much noise for each of D and G.
        log_every_steps: steps whose mean is a point of the curves.
        block_rows: chunks that are shuffled with each other (`semiser.data.stream`).
    """

    network: BeganNetworkOptions = BeganNetworkOptions()
    gamma: float = Field(default=0.7, ge=0, le=1)
    lambda_k: float = Field(default=1e-3, ge=0)
    learning_rate: float = Field(default=5e-5, gt=0)
    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=16, ge=1)
    log_every_steps: int = Field(default=25, ge=1)
    block_rows: int = Field(default=8192, ge=1)


class CepstrumOptions(Options):
    """Cepstra of a feature map: each channel's bins in mel bands, then a cosine transform over the bands.

    Attributes:
        bands: of equal width on the mel scale from 0 Hz to the highest bin.
        coefficients: the first so many of the transform; they are less correlated than bins, and few.
    """

    bands: int = Field(default=16, ge=2)
    coefficients: int = Field(default=12, ge=1)

    @model_validator(mode="after")
    def _has_as_many(self) -> Self:
        if self.coefficients > self.bands:
            raise ValueError(f"coefficients={self.coefficients} must be at most bands={self.bands}")
        return self


Statistic = Literal["mean", "deviation", "maximum", "change"]


class ClassifierOptions(Options):
    """The supervised part: convolutional layers on the encoder's feature map, and how they are trained.

    Attributes:
        filters: of each convolutional layer; they may be none.
        kernel: bins and frames of a convolution.
        pool: `frames` takes statistics over time, `all` over bins and time, `none` leaves all values.
        statistics: mean, (standard) deviation, maximum, and change, the mean absolute difference of neighbours.
        standardise: the pooled values, by their mean and deviation over the training chunks before the first step.
        hidden: units of each fully connected layer between the pooled values and the last, linear layer; with eLU.
        dropout: after each convolution.
        output_dropout: before the hidden layers and the last, linear layer.
        input_noise: standard deviation of Gaussian noise added to the standardised input in training.
        epochs, batch_size: passes over the training chunks, and chunks per step.
        learning_rate: of AdamW at the start; it falls to 0 as a cosine.
        weight_decay: decoupled.
        balanced: weigh each chunk's loss by n / (C n_k), n_k being the training chunks of its class.
        dimension_loss: of the head for arousal and valence: `ccc` is 1 - CCC over the batch, `mse` the squared error;
            mean over the dimensions.
        select: `last` keeps the weights of the last epoch, `validation` those of the epoch with the best UAR (mean CCC)
            on the validation part.
    """

    filters: tuple[int, ...] = (64,)
    kernel: int = Field(default=3, ge=1)
    pool: Literal["frames", "all", "none"] = "frames"
    statistics: tuple[Statistic, ...] = Field(default=("mean", "deviation", "maximum"), min_length=1)
    standardise: bool = False
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = ()
    dropout: float = Field(default=0.5, ge=0, lt=1)
    output_dropout: float = Field(default=0.0, ge=0, lt=1)
    input_noise: float = Field(default=0.0, ge=0)
    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=16, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    balanced: bool = True
    dimension_loss: Literal["ccc", "mse"] = "ccc"
    select: Literal["last", "validation"] = "last"


class BeganFitOptions(Options):
    """One training of a classifier: what `semiser.systems.began.classifier.fit` takes.

    Attributes:
        classifier: network and training.
        task: what its output is: `emotion`: a softmax over the classes; `dimensions`: a unit each for arousal and
            valence.
        encoder: None where the data are feature maps of a frozen encoder, or chunks as maps of one channel; else the
            data are chunks, and an encoder of this kind is trained with the classifier, from random weights.
        stage: whose map is used, after so many downsamplings; None: the last.
        cepstrum: of the map, which the classifier then gets in its place; None: the map itself.
        frozen: folder of the frozen encoder below the experiment's models; None where there is none: with `encoder` the
            encoder is the network's own, without it there is no encoder at all.
        shape: channels, bins (or coefficients) and frames of the feature maps, or bins and frames of the chunks.
    """

    classifier: ClassifierOptions = ClassifierOptions()
    task: Task = "emotion"
    encoder: BeganNetworkOptions | None = None
    stage: int | None = Field(default=None, ge=0)
    cepstrum: CepstrumOptions | None = None
    frozen: Inside | None = None
    shape: tuple[int, ...]


class TrainBeganOptions(SystemOptions):
    """The `train_began` parameter group.

    Attributes:
        folds: who is trained on, validated and tested; BEGAN learns from the chunks of `unlabelled_corpora`.
        scaling: how the inputs of the classifiers are standardised: feature maps by channel and bin, chunks by bin.
        tasks: what is predicted; arousal and valence go under `<variant>/task=dimensions`.
        variants: which are trained; the others give empty tables. `began_paper_form` is for experiments whose `stage`,
            `cepstrum` and `classifier` are not the paper's: it stands beside them.
        encoder: BEGAN.
        stage: whose feature map the classifier gets, after so many downsamplings; None: the last.
        cepstrum: of the map, which the classifier gets in its place; None: the map itself.
        classifier: of the frozen encoders, for the emotions.
        dimensions: of the frozen encoders, for arousal and valence; None: as `classifier`.
        from_scratch: of the encoder that is trained with its classifier.
        paper_form: of `began_paper_form`, on the last map as it is.
        svm: of the baseline on IS10, emotions alone.
        tune: a study that replaces values of `classifier`; None: the values are taken as they are.
    """

    folds: FoldOptions
    scaling: ScalingOptions = ScalingOptions(strategy="speaker")
    tasks: tuple[Task, ...] = Field(default=("emotion",), min_length=1)
    variants: Annotated[tuple[VariantName, ...], names_of(VariantName)] = Field(default=DEFAULT_VARIANTS, min_length=1)
    encoder: EncoderOptions = EncoderOptions()
    stage: int | None = Field(default=None, ge=0)
    cepstrum: CepstrumOptions | None = None
    classifier: ClassifierOptions = ClassifierOptions()
    dimensions: ClassifierOptions | None = None
    from_scratch: ClassifierOptions = ClassifierOptions()
    paper_form: ClassifierOptions = ClassifierOptions()
    svm: SvmOptions = SvmOptions()
    tune: TuneOptions | None = None

    def families(self) -> tuple[str, ...]:
        """The feature families that the trainings need."""
        return ("chunks", "is10") if "svm" in self.variants else ("chunks",)

    def fit_options(self, task: Task, shape: tuple[int, ...], frozen: str | None) -> BeganFitOptions:
        """The options of a classifier for a task.

        Args:
            task: emotion or dimensions.
            shape: of a feature map, or of a chunk as a map of one channel.
            frozen: folder of the frozen encoder; None: there is none.
        """
        how = self.dimensions or self.classifier if task == "dimensions" else self.classifier
        return BeganFitOptions(
            classifier=how, frozen=frozen, task=task, stage=self.stage, cepstrum=self.cepstrum, shape=shape
        )

    def from_scratch_options(self, task: Task, shape: tuple[int, ...]) -> BeganFitOptions:
        """The options of an encoder that is trained with its classifier on chunks of a shape."""
        return BeganFitOptions(
            classifier=self.from_scratch, encoder=self.encoder.network, task=task, stage=self.stage,
            cepstrum=self.cepstrum, shape=shape,
        )  # fmt: skip

    @property
    def in_paper_form(self) -> "TrainBeganOptions":
        """The same with the paper's classifier: convolutional layers on the encoder's last map."""
        form = {"stage": None, "cepstrum": None, "classifier": self.paper_form, "dimensions": None}
        return self.model_copy(update=form)

    def tuned(self, found: dict[str, Any]) -> "TrainBeganOptions":
        """The options with a study's values in `classifier`."""
        classifier = ClassifierOptions(**self.classifier.model_dump() | found)
        return self.model_copy(update={"classifier": classifier})

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.folds.acted:
            raise ValueError("folds.acted: train_began has no acted role; name the corpus in corpora")
        if len(set(self.tasks)) < len(self.tasks) or "emotion" not in self.tasks:
            raise ValueError(f"tasks must be emotion, or emotion and dimensions, not {', '.join(self.tasks)}")
        if unknown := sorted(set(self.tune.space if self.tune else ()) - set(ClassifierOptions.model_fields)):
            raise ValueError(
                f"tune.space names {', '.join(unknown)}, which classifier has not: it has "
                f"{', '.join(ClassifierOptions.model_fields)}"
            )
        if self.tune and "began" not in self.variants:
            raise ValueError(
                "tune: the study tunes the classifier on BEGAN's encoder, but variants does not name began"
            )
        split = self.folds.protocol.kind == "official_split" and self.folds.protocol.validation
        if self.folds.validation.kind == "none" and not split:
            named = [name for name in ("classifier", "dimensions", "from_scratch", "paper_form")
                     if (how := getattr(self, name)) and how.select == "validation"]  # fmt: skip
            if named or self.tune:
                raise ValueError(
                    f"{(named or ['tune'])[0]} needs validation data to choose by, but folds.validation is `none`"
                )
        return self
