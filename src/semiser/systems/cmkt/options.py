"""`params:train_cmkt`: experiment and variants of CMKT (Zhang et al., Knowledge-Based Systems 2021)."""

from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import Field, model_validator

from semiser.folds.options import FoldOptions
from semiser.options.base import Options, names_of
from semiser.options.modalities import FrameFamily
from semiser.options.training import SystemOptions

VariantName = Literal[
    "supervised",
    "fixmatch",
    "pi_model",
    "temporal_ensembling",
    "dcmkt",
    "dcmkt_finetuned",
    "cmkt_labels",
    "consistent_random",
    "weighted_fusion",
    "supervised_unmasked",
    "fixmatch_unmasked",
    "pi_model_unmasked",
    "temporal_ensembling_unmasked",
    "softmatch_unmasked",
]
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
UNMASKED = "_unmasked"  # end of the name of a variant of ours: the paper's without SpecAugment
PUBLISHED: tuple[VariantName, ...] = tuple(name for name in VARIANTS if not name.endswith(UNMASKED))

# Expression to class: the paper's Table 2, and its choice of four of EmoVoxCeleb's emotions (Section 4.4).
SENTIMENT_MAP = {
    "neutral": "neutral",
    "surprise": "positive",
    "happiness": "positive",
    "fear": "negative",
    "sadness": "negative",
    "anger": "negative",
    "disgust": "negative",
}
FOUR_EMOTIONS_MAP = {name: name for name in ("anger", "happiness", "neutral", "sadness")}
CLASS_MAPS = {"sentiment": SENTIMENT_MAP, "four_emotions": FOUR_EMOTIONS_MAP}


class TransformerOptions(Options):
    """The network M of Eq. 2; blocks, heads and hidden size by default as published, the rest as Vaswani et al.

    Attributes:
        blocks: of the encoder.
        heads: of self-attention in each.
        hidden: size of the embedding; an input of another width is projected to it.
        feedforward: units of each block's feed-forward layer.
        mlp: units of the hidden layer of the MLP after the pooling.
        dropout: of every linear mapping.
        norm_first: normalise before attention and feed-forward layer, which trains more stably, or after them.
    """

    blocks: int = Field(default=8, ge=1)
    heads: int = Field(default=8, ge=1)
    hidden: int = Field(default=512, ge=1)
    feedforward: int = Field(default=2048, ge=1)
    mlp: int = Field(default=512, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    norm_first: bool = True

    @model_validator(mode="after")
    def _heads_share_the_embedding(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden must be a multiple of 2 * heads = {2 * self.heads}, not {self.hidden}")
        return self


class SpecAugmentOptions(Options):
    """SA of Eq. 4: bands and stretches of time that are masked (Park et al. 2019), without time warping.

    Attributes:
        band_masks: m_F.
        band_share: F, the widest mask, as a share of the bands; 27 of 80 in the LibriSpeech policies.
        time_masks: m_T.
        time_share: T, the longest mask, as a share of the utterance's own frames: their p.
    """

    band_masks: int = Field(default=2, ge=0)
    band_share: float = Field(default=0.34, ge=0, le=1)
    time_masks: int = Field(default=2, ge=0)
    time_share: float = Field(default=0.2, ge=0, le=1)


class OptimisationOptions(Options):
    """Adamax and its schedule as published.

    Attributes:
        epochs: of the training.
        epoch_steps: steps of an epoch; None: as many as the larger of labelled and unlabelled set has batches, in
            every variant, so that all take as many steps.
        batch_size: of the labelled and of the unlabelled batch.
        learning_rate: reached at the end of the warm-up.
        first_learning_rate: of the first epoch.
        warmup_epochs: over which the rate rises in equal steps.
        decay: what the rate is divided by,
        decay_epochs: every so many epochs after the warm-up.
        clip_norm: largest 2-norm of the gradient.
    """

    epochs: int = Field(default=50, ge=1)
    epoch_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=0.01, gt=0)
    first_learning_rate: float = Field(default=0.0025, gt=0)
    warmup_epochs: int = Field(default=4, ge=0)
    decay: float = Field(default=1.17, ge=1)
    decay_epochs: int = Field(default=4, ge=1)
    clip_norm: float = Field(default=1.0, gt=0)


class ConsistentRandom(Options):
    """FF_1 (Eq. 5 to 7): visual pseudo-labels that agree with the audio one, and a random share of the others.

    Attributes:
        epsilon: share of the others; 1 takes all, which is adding data with CMKT pseudo-labels (Table 4).
    """

    kind: Literal["consistent_random"] = "consistent_random"
    epsilon: float = Field(default=0.5, ge=0, le=1)

    @property
    def needs_visual(self) -> bool:
        """Whether an utterance without visual knowledge is of no use."""
        return True

    @property
    def needs_audio(self) -> bool:
        """Whether M guesses."""
        return self.epsilon < 1


class WeightedFusion(Options):
    """FF_2 (Eq. 8, 9): the weighted sum of both distributions where it is confident.

    Attributes:
        alpha: weight of the audio distribution; 1 is FixMatch (Eq. 4).
        threshold: tau.
    """

    kind: Literal["weighted_fusion"] = "weighted_fusion"
    alpha: float = Field(default=0.2, ge=0, le=1)
    threshold: float = Field(default=0.9, ge=0, lt=1)

    @property
    def needs_visual(self) -> bool:
        """Whether an utterance without visual knowledge is of no use."""
        return self.alpha < 1

    @property
    def needs_audio(self) -> bool:
        """Whether M guesses."""
        return self.alpha > 0


class PiModel(Options):
    """Consistency of two noisy passes (Laine and Aila, ICLR 2017, Algorithm 1).

    Attributes:
        weight: w_max of the squared error, a mean over classes and the whole batch.
        ramp: share of the training over which the weight rises as exp(-5 (1 - T)^2); 80 of their 300 epochs.
    """

    kind: Literal["pi_model"] = "pi_model"
    weight: float = Field(default=100.0, ge=0)
    ramp: float = Field(default=80 / 300, ge=0, le=1)
    needs_visual: Literal[False] = False


class TemporalEnsembling(Options):
    """Consistency with the moving average of an utterance's earlier predictions (ibid., Algorithm 2).

    Attributes:
        weight, ramp: as of the Pi-model.
        momentum: of the average.
    """

    kind: Literal["temporal_ensembling"] = "temporal_ensembling"
    weight: float = Field(default=30.0, ge=0)
    ramp: float = Field(default=80 / 300, ge=0, le=1)
    momentum: float = Field(default=0.6, ge=0, lt=1)
    needs_visual: Literal[False] = False


class SoftMatch(Options):
    """Guesses as they are, weighed, on utterances with bands of another one (`semiser.systems.cmkt.soft`); ours.

    Attributes:
        swapped: share of the bands that are another utterance's.
        run: neighbouring bands that are swapped together.
        temperature: of a guess as a target.
        weight: lambda of the loss of unlabelled utterances.
        ramp: share of the training over which it rises from 0 in a line.
        pace: at which the running figures of the guesses follow a batch.
        ema_decay: of an exponential moving average of the weights, which guesses; 0: the network itself.
    """

    kind: Literal["softmatch"] = "softmatch"
    swapped: float = Field(default=0.3, ge=0, le=1)
    run: int = Field(default=5, ge=1)
    temperature: float = Field(default=0.5, gt=0, le=1)
    weight: float = Field(default=1.0, ge=0)
    ramp: float = Field(default=0.3, ge=0, le=1)
    pace: float = Field(default=0.01, gt=0, le=1)
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    needs_visual: Literal[False] = False


Unlabelled = Annotated[
    ConsistentRandom | WeightedFusion | PiModel | TemporalEnsembling | SoftMatch, Field(discriminator="kind")
]  # what is done with unlabelled utterances


class CmktOptions(Options):
    """One variant: what `semiser.systems.cmkt.fit` takes.

    Attributes:
        network: M.
        augment: SA.
        optimisation: of the training.
        labelled: whether labelled utterances take part in it.
        unlabelled: what is done with unlabelled ones; None: nothing.
        unlabelled_weight: lambda (Eq. 1) of a pseudo-label's loss.
        finetune: a second training on labelled utterances alone; None: none.
        select: `last` keeps the weights of the last epoch, `validation` those of the epoch with the best UAR on the
            validation part.
    """

    network: TransformerOptions = TransformerOptions()
    augment: SpecAugmentOptions = SpecAugmentOptions()
    optimisation: OptimisationOptions = OptimisationOptions()
    labelled: bool = True
    unlabelled: Unlabelled | None = None
    unlabelled_weight: float = Field(default=0.1, ge=0)
    finetune: OptimisationOptions | None = None
    select: Literal["last", "validation"] = "last"


class FaceKnowledge(Options):
    """p_v from a face network.

    Attributes:
        kind: `expression`, the feature table, or `published`, the column `visual_probabilities` of `utterances`, for a
            corpus that comes with a face network's probabilities (EmoVoxCeleb).
    """

    kind: Literal["expression", "published"] = "expression"


class SimulatedKnowledge(Options):
    """p_v made from the true labels, for a corpus without faces: NO result of a cross-modal transfer.

    Attributes:
        inconsistency: share of utterances whose visual class is another than the true one, drawn evenly among the
            others; 51.81 % of CH-SIMS's clips are labelled differently by voice and by face (Fig. 1).
        confidence: range from which the probability of the visual class is drawn; the rest goes to the others at
            random.
        seed: of the draws.
    """

    kind: Literal["simulated"]
    inconsistency: float = Field(default=0.5181, ge=0, le=1)
    confidence: tuple[float, float] = (0.5, 1.0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _the_drawn_class_is_the_most_probable(self) -> Self:
        low, high = self.confidence
        if not 0.5 <= low <= high <= 1:
            raise ValueError(f"confidence must be a range within 0.5 to 1, not {low:g} to {high:g}")
        return self


Knowledge = Annotated[FaceKnowledge | SimulatedKnowledge, Field(discriminator="kind")]


class TrainCmktOptions(SystemOptions):
    """The `train_cmkt` parameter group; defaults as published where the paper says them.

    Attributes:
        folds: who is trained on, validated and tested, and whose audio is unlabelled.
        input: a family of frames; `stft` and `wav2vec` are the paper's, the others (up to 555 frames) ours. Of
            `speech_encoder` it takes the frames (`features.speech_encoder.pooling: frames`).
        scaling: `none` takes features as extracted, `speaker` standardises each band with each speaker's own mean and
            deviation, which is transductive.
        pool_frames: frames that are averaged into one before the network; 1 keeps them all.
        memory_mib: samples held in memory; where all of the experiment's take more, those that are unlabelled in
            every fold are read from the shards block by block.
        block_rows: utterances of such a block; two are held at a time.
        visual: visual knowledge; None where no variant needs it.
        unlabelled_with_knowledge: whether X^U is the utterances that have visual knowledge, for every variant, as in
            the paper, which selects them before it compares; false gives variants that need none all utterances.
        class_map: expression to class of the experiment, or the name of a published map: `sentiment` (Table 2) or
            `four_emotions` (Section 4.4). An utterance whose most probable expression has no class counts as one
            without visual knowledge. Simulated knowledge needs no map.
        variants: which are trained; the others give an empty table. Those whose names end in `_unmasked` are ours.
        network, augment, optimisation, select: of all variants.
        unlabelled_weight: lambda of `fixmatch`, `cmkt_labels` and both fusions.
        epsilon: of `consistent_random`.
        alpha: of `weighted_fusion`.
        threshold: tau of `fixmatch` and `weighted_fusion`.
        pi_model, temporal_ensembling: the two baselines.
        softmatch: of `softmatch_unmasked`.
        finetune: the second training of `dcmkt_finetuned`; None: as `optimisation`.
    """

    folds: FoldOptions
    input: FrameFamily = "stft"
    scaling: Literal["none", "speaker"] = "none"
    pool_frames: int = Field(default=1, ge=1)
    memory_mib: int = Field(default=4096, ge=0)
    block_rows: int = Field(default=2048, ge=1)
    visual: Knowledge | None = FaceKnowledge()
    unlabelled_with_knowledge: bool = False
    class_map: Literal["sentiment", "four_emotions"] | dict[str, str] = "sentiment"
    variants: Annotated[tuple[VariantName, ...], names_of(VariantName)] = Field(default=PUBLISHED, min_length=1)
    network: TransformerOptions = TransformerOptions()
    augment: SpecAugmentOptions = SpecAugmentOptions()
    optimisation: OptimisationOptions = OptimisationOptions()
    select: Literal["last", "validation"] = "last"
    unlabelled_weight: float = Field(default=0.1, ge=0)
    epsilon: float = Field(default=0.5, ge=0, le=1)
    alpha: float = Field(default=0.2, ge=0, le=1)
    threshold: float = Field(default=0.9, ge=0, lt=1)
    pi_model: PiModel = PiModel()
    temporal_ensembling: TemporalEnsembling = TemporalEnsembling()
    softmatch: SoftMatch = SoftMatch()
    finetune: OptimisationOptions | None = None

    @property
    def class_of_expression(self) -> dict[str, str]:
        """`class_map` as a table."""
        return self.class_map if isinstance(self.class_map, dict) else CLASS_MAPS[self.class_map]

    def families(self) -> tuple[str, ...]:
        """The feature families that the trainings need."""
        return (self.input, "expression") if self.visual == FaceKnowledge(kind="expression") else (self.input,)

    def neural(self, variant: VariantName) -> CmktOptions:
        """The options of a variant by its name (Tables 3 to 5)."""
        if variant.endswith(UNMASKED):
            masked = self.neural(cast(VariantName, variant.removesuffix(UNMASKED)))
            unmasked = masked.augment.model_copy(update={"band_masks": 0, "time_masks": 0})
            return masked.model_copy(update={"augment": unmasked})
        visual_alone: dict[str, Any] = {
            "labelled": False,
            "unlabelled": ConsistentRandom(epsilon=1),
            "unlabelled_weight": 1.0,
        }
        parts: dict[str, dict[str, Any]] = {
            "supervised": {},
            "fixmatch": {"unlabelled": WeightedFusion(alpha=1, threshold=self.threshold)},
            "pi_model": {"unlabelled": self.pi_model},
            "temporal_ensembling": {"unlabelled": self.temporal_ensembling},
            "softmatch": {"unlabelled": self.softmatch},
            "dcmkt": visual_alone,
            "dcmkt_finetuned": visual_alone | {"finetune": self.finetune or self.optimisation},
            "cmkt_labels": {"unlabelled": ConsistentRandom(epsilon=1)},
            "consistent_random": {"unlabelled": ConsistentRandom(epsilon=self.epsilon)},
            "weighted_fusion": {"unlabelled": WeightedFusion(alpha=self.alpha, threshold=self.threshold)},
        }
        shared = {name: getattr(self, name)
                  for name in ("network", "augment", "optimisation", "select", "unlabelled_weight")}  # fmt: skip
        return CmktOptions(**shared | parts[variant])

    @model_validator(mode="after")
    def _selection_has_a_validation_part(self) -> Self:
        split = self.folds.protocol.kind == "official_split" and self.folds.protocol.validation
        if self.select == "validation" and self.folds.validation.kind == "none" and not split:
            raise ValueError("select is `validation`, but folds.validation is `none`: there is nothing to select by")
        return self

    @model_validator(mode="after")
    def _visual_variants_have_knowledge(self) -> Self:
        options = {name: self.neural(name).unlabelled for name in self.variants}
        needing = [name for name, how in options.items() if how and how.needs_visual]
        if needing and self.visual is None:
            raise ValueError(f"variants {', '.join(needing)} need visual knowledge, but visual is null: give its kind")
        return self

    @model_validator(mode="after")
    def _there_is_knowledge_to_choose_by(self) -> Self:
        if self.unlabelled_with_knowledge and self.visual is None:
            raise ValueError("unlabelled_with_knowledge is true, but visual is null: give the kind of the knowledge")
        return self

    @model_validator(mode="after")
    def _classes_of_the_map_are_those_of_the_experiment(self) -> Self:
        unknown = sorted(set(self.class_of_expression.values()) - set(self.folds.classes or []))
        if isinstance(self.visual, FaceKnowledge) and self.folds.classes and unknown:
            raise ValueError(
                f"class_map maps to {', '.join(unknown)}, which is none of folds.classes {self.folds.classes}; give "
                "the map that belongs to the classes"
            )
        return self
