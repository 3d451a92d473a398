"""`params:train_mmmd`: experiment and variants of MMMD (Zhou et al., AAAI 2021)."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from semiser.options.base import Options, names_of
from semiser.systems.baselines.options import SvmOptions
from semiser.systems.on_vectors import OnVectorsOptions

PublishedName = Literal[
    "svm", "dnn", "sae", "mixmatch", "mmd", "mmmd_without_acted", "mmmd_with_acted", "mmmd_epoch_wise"
]
GuardedName = Literal[
    "mixmatch_guarded", "mmmd_guarded", "softmatch_guarded", "softmatch_half", "mmmd_half", "dnn_members", "mmd_members"
]
OwnName = Literal[GuardedName, "mixmatch_aligned", "mmmd_aligned", "softmatch", "mmmd_softmatch"]
VariantName = Literal[PublishedName, OwnName]
PUBLISHED: tuple[PublishedName, ...] = get_args(PublishedName)
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
Guess = Literal["path", "joint", "others"]
Alignment = Literal["none", "labelled"]
_OF_ONE_PATH = ("dnn", "sae", "mixmatch", "mixmatch_aligned", "softmatch")
_HALVES = ("softmatch_half", "mmmd_half")
NEED_ACTED = ("mmmd_with_acted", "mmmd_epoch_wise")


class MmdOptions(Options):
    """A network of local classifiers and a global one, and how it is trained: MMD, or with one joint path a DNN.

    Attributes:
        grouping: how the columns of openSMILE's sets are split into paths (`semiser.systems.mmmd.paths`), where any
            other family is one path; `joint` makes one path of all columns of all modalities.
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
        ema_decay: of an exponential moving average of the weights, which then predicts; 0: none.
        select: `last` keeps the weights of the last epoch, `validation` those of the epoch with the best UAR on the
            validation part.
    """

    grouping: Literal["family", "descriptor", "single", "joint"] = "family"
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
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    select: Literal["last", "validation"] = "last"


class MixMatchOptions(Options):
    """MixMatch over a network (Eq. 7 to 17).

    Attributes:
        epochs: passes of the variants with MixMatch, whose epochs are longer; None: those of the network.
        copies: K, noisy copies of each unlabelled utterance (Eq. 7).
        noise: standard deviation of the Gaussian noise of Augment on standardised features (Eq. 13, 14).
        guess: `path` guesses and sharpens in each path by itself, as the paper does; `joint` takes the weighted
            prediction of all classifiers, sharpened, as the guess of each; `others` teaches each path by the mean of
            the other paths and the global classifier, and the global classifier by the mean of the paths.
        temperature: T of Sharpen (Eq. 8).
        alignment: `labelled` scales guesses before they are sharpened, so that over the steps each class is guessed as
            often as it is labelled (distribution alignment, Berthelot et al., ReMixMatch, ICLR 2020); `none`, as the
            paper has it. It is for unlabelled speech in which the classes are about as frequent as in the labelled.
        partners: what an utterance is mixed with: `all`, labelled or not (W of Eq. 15, as the paper has it), or `own`,
            labelled ones with labelled ones and unlabelled ones with unlabelled ones, so that no guess is part of L_X.
        alpha: of Beta(alpha, alpha) (Eq. 9).
        mix_acted: whether X = V_t^L + V_e is mixed, as in the paper, or V_t^L alone.
        unlabelled_weight: lambda_U (Eq. 22); it belongs to a squared error averaged over classes.
        ramp: share of the training over which lambda_U rises from 0 in a line; 0: it is there from the first step.
        unlabelled_share: of the unlabelled utterances, for the analysis of their amount; shares are nested.
    """

    epochs: int | None = Field(default=None, ge=1)
    copies: int = Field(default=2, ge=1)
    noise: float = Field(default=0.5, ge=0)
    guess: Guess = "path"
    temperature: float = Field(default=0.3, gt=0, le=1)
    alignment: Alignment = "none"
    partners: Literal["all", "own"] = "all"
    alpha: float = Field(default=0.75, gt=0)
    mix_acted: bool = True
    unlabelled_weight: float = Field(default=0.01, ge=0)
    ramp: float = Field(default=0.0, ge=0, le=1)
    unlabelled_share: float = Field(default=1.0, ge=0, le=1)


class ConsistencyOptions(Options):
    """Consistency on corrupted vectors (`semiser.systems.mmmd.consistency`).

    Every step takes labelled utterances and as many unlabelled ones. The network guesses the class of an unlabelled one
    from its vector as it is, and learns to say the same of a corrupted vector, as far as the guess counts.

    Attributes:
        epochs: passes of the variants with it; None: those of the network.
        noise: standard deviation of the Gaussian noise on the standardised features of the corrupted vector.
        swapped: share of the columns that the corrupted vector has from another utterance of the speaker; one-hot
            vectors have none.
        run: neighbouring columns that are swapped together; 42 are a descriptor in IS10.
        guess: of which classifiers a guess is, as `MixMatchOptions.guess`.
        alignment: as `MixMatchOptions.alignment`.
        weighing: how much a guess counts: `soft`, less the further its confidence lies below the mean (SoftMatch);
            `by_class`, all or nothing, by a threshold that is lower for classes that are seldom guessed (FreeMatch);
            `relative`, all or nothing, by the confidence in labelled utterances (AdaMatch); `even`, all alike.
        temperature: of a guess as a target; 0 makes it a class.
        debiased: subtract the same loss of the labelled utterances, taken as if unlabelled, so that its mean is right
            however wrong the guesses are (Schmutz et al., DeFixMatch, ICLR 2023).
        unlabelled_weight: of the loss of unlabelled utterances.
        ramp: share of the training over which it rises from 0 in a line.
        ema_decay: of an exponential moving average of the weights, which guesses and predicts; 0: the network itself.
    """

    epochs: int | None = Field(default=None, ge=1)
    noise: float = Field(default=1.0, ge=0)
    swapped: float = Field(default=0.3, ge=0, le=1)
    run: int = Field(default=1, ge=1)
    guess: Guess = "path"
    alignment: Alignment = "labelled"
    weighing: Literal["soft", "by_class", "relative", "even"] = "soft"
    temperature: float = Field(default=0.5, ge=0, le=1)
    debiased: bool = False
    unlabelled_weight: float = Field(default=1.0, ge=0)
    ramp: float = Field(default=0.3, ge=0, le=1)
    ema_decay: float = Field(default=0.0, ge=0, lt=1)


class SaeOptions(Options):
    """Pre-training as a stacked denoising autoencoder on labelled and unlabelled V_t.

    Attributes:
        epochs: passes for each hidden layer.
        learning_rate: of Adam.
        noise: standard deviation of the Gaussian noise that is to be removed.
    """

    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    noise: float = Field(default=0.5, ge=0)


class MmmdOptions(Options):
    """One neural variant: what `semiser.systems.mmmd.fit` takes.

    Attributes:
        network: its classifiers and their supervised training.
        mixmatch: None does without.
        consistency: None does without; with neither, labels alone are learnt from.
        sae: None does without pre-training.
        acted: whether V_e takes part: `none`, in `random` order with V_t^L, or `first` in every epoch.
        acted_weight: of L_Ve (Eq. 18, 22), where V_e is taken first.
    """

    network: MmdOptions = MmdOptions()
    mixmatch: MixMatchOptions | None = None
    # a variant without it has the key that it had before there was such an option
    consistency: ConsistencyOptions | None = Field(default=None, exclude_if=lambda value: value is None)
    sae: SaeOptions | None = None
    acted: Literal["none", "random", "first"] = "none"
    acted_weight: float = Field(default=1.0, ge=0)


class GuardOptions(Options):
    """How unlabelled speech is weighed (`semiser.systems.mmmd.guarded`).

    Attributes:
        parts: into which the labelled utterances are dealt; for each, a network of each kind is trained without it.
            0: none is held out, one network of each kind is trained, and the share is the one nearest to one half.
        shares: of the semi-supervised networks in the prediction, of which one is taken.
        caution: standard errors by which a share must be better than one nearer to one half.
    """

    parts: int = Field(default=5, ge=0)
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(default=(0, 0.25, 0.5, 0.75, 1), min_length=1)
    caution: float = Field(default=0.5, ge=0)

    @field_validator("parts")
    @classmethod
    def _one_part_would_hold_out_all(cls, parts: int) -> int:
        if parts == 1:
            raise ValueError("one part would hold out all labels: give 2 or more, or 0 to hold out none")
        return parts


class GuardedOptions(Options):
    """One guarded variant: what `semiser.systems.mmmd.guarded.fit` takes.

    Attributes:
        supervised: the networks that are trained on labels alone.
        semi_supervised: the others; None: there are none.
        guard: how they are weighed.
    """

    supervised: MmmdOptions
    semi_supervised: MmmdOptions | None = None
    guard: GuardOptions = GuardOptions()


class TrainMmmdOptions(OnVectorsOptions):
    """The `train_mmmd` parameter group.

    Attributes:
        variants: which are trained; the others give an empty table. `all`: all of the paper, or where `folds.acted`
            names no corpus all of these that need none.
        svm: options of the baseline.
        dnn: network of dnn, sae, mixmatch and softmatch.
        mmd: network of mmd and of all mmmd.
        mixmatch: of mixmatch and of the three mmmd.
        mixmatch_acted: of the two mmmd with acted utterances, where these need their own; None: as `mixmatch`.
        aligned: of the variants that are ours: mixmatch_aligned, mmmd_aligned, and both guarded ones.
        guard: of the guarded variants, and of the members.
        softmatch: of softmatch and mmmd_softmatch, and of the halves and guarded variants that have one of them.
        sae: pre-training of sae.
        acted_weight: of L_Ve in mmmd_epoch_wise; the paper's is 1.
    """

    variants: Annotated[tuple[VariantName, ...], names_of(VariantName)] = Field(default=("svm", "mmd"), min_length=1)
    svm: SvmOptions = SvmOptions()
    dnn: MmdOptions = MmdOptions(grouping="joint", local_loss_weight=0, local_prediction_weight=0)
    mmd: MmdOptions = MmdOptions()
    mixmatch: MixMatchOptions = MixMatchOptions()
    mixmatch_acted: MixMatchOptions | None = None
    aligned: MixMatchOptions = MixMatchOptions(temperature=0.5, alignment="labelled", guess="joint")
    guard: GuardOptions = GuardOptions()
    softmatch: ConsistencyOptions = ConsistencyOptions()
    sae: SaeOptions = SaeOptions()
    acted_weight: float = Field(default=1.0, ge=0)
    everything: ClassVar[tuple[str, ...]] = PUBLISHED  # that `variants: all` can mean

    def neural(self, variant: VariantName) -> MmmdOptions:
        """The options of a neural variant by its name (Table 1 of the paper)."""
        acted = self.mixmatch_acted or self.mixmatch
        parts: dict[str, dict[str, Any]] = {
            "dnn": {},
            "sae": {"sae": self.sae},
            "mixmatch": {"mixmatch": self.mixmatch},
            "mmd": {},
            "mmmd_without_acted": {"mixmatch": self.mixmatch},
            "mmmd_with_acted": {"mixmatch": acted, "acted": "random"},
            "mmmd_epoch_wise": {"mixmatch": acted, "acted": "first", "acted_weight": self.acted_weight},
            "mixmatch_aligned": {"mixmatch": self.aligned},
            "mmmd_aligned": {"mixmatch": self.aligned},
            "softmatch": {"consistency": self.softmatch},
            "mmmd_softmatch": {"consistency": self.softmatch},
        }
        network = self.dnn if variant in _OF_ONE_PATH else self.mmd
        method = parts[variant].get("mixmatch") or parts[variant].get("consistency")
        if method and method.epochs:
            network = network.model_copy(update={"epochs": method.epochs})
        if isinstance(method, ConsistencyOptions) and method.ema_decay:
            network = network.model_copy(update={"ema_decay": method.ema_decay})
        return MmmdOptions(network=network, **parts[variant])

    def guarded(self, variant: VariantName) -> GuardedOptions | None:
        """The options of a variant of several networks by its name; None for those of one network."""
        kinds: dict[str, tuple[VariantName, VariantName | None]] = {
            "mixmatch_guarded": ("dnn", "mixmatch_aligned"),
            "mmmd_guarded": ("mmd", "mmmd_aligned"),
            "softmatch_guarded": ("dnn", "softmatch"),
            "softmatch_half": ("dnn", "softmatch"),
            "mmmd_half": ("mmd", "mmmd_softmatch"),
            "dnn_members": ("dnn", None),
            "mmd_members": ("mmd", None),
        }
        if variant not in kinds:
            return None
        supervised, other = kinds[variant]
        guard = GuardOptions(parts=0, shares=(0.5,)) if variant in _HALVES else self.guard
        return GuardedOptions(
            supervised=self.neural(supervised), semi_supervised=other and self.neural(other), guard=guard
        )

    @model_validator(mode="before")
    @classmethod
    def _all_means_what_the_corpora_allow(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("variants") == "all":
            folds = values.get("folds")
            acted = folds.get("acted") if isinstance(folds, dict) else getattr(folds, "acted", None)
            return values | {"variants": [name for name in cls.everything if acted or name not in NEED_ACTED]}
        return values

    @model_validator(mode="after")
    def _selection_has_a_validation_part(self) -> "TrainMmmdOptions":
        split = self.folds.protocol.kind == "official_split" and self.folds.protocol.validation
        for name, network in (("mmd", self.mmd), ("dnn", self.dnn)):
            if network.select == "validation" and self.folds.validation.kind == "none" and not split:
                raise ValueError(
                    f"{name}.select is `validation`, but folds.validation is `none`: there is nothing to select by"
                )
        return self

    @model_validator(mode="after")
    def _acted_variants_have_an_acted_corpus(self) -> "TrainMmmdOptions":
        named = [name for name in NEED_ACTED if name in self.variants]
        if named and not self.folds.acted:
            raise ValueError(
                f"variants names {', '.join(named)}, but folds.acted names no corpus: name one with its emotions, or "
                "leave these variants out"
            )
        return self
