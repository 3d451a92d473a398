"""Options of an experiment's folds: who is tested, who selects the model, and which labels may be seen."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from semiser.options.base import Options


def _as_list(value: Any) -> Any:
    return value.split("+") if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(_as_list)]  # a command line may say `casia` or `casia+emodb`


class LeaveOneSpeakerOut(Options):
    """Every speaker of the target corpora is the test part once.

    Attributes:
        held_out: only these speakers are tested in turn; None: all of them.
    """

    kind: Literal["leave_one_speaker_out"] = "leave_one_speaker_out"
    held_out: list[str] | None = None


class LeaveOneSessionOut(Options):
    """Every session of the target corpora is the test part once.

    Attributes:
        held_out: only these sessions are tested in turn; None: all of them.
    """

    kind: Literal["leave_one_session_out"] = "leave_one_session_out"
    held_out: list[str] | None = None


class KFold(Options):
    """The groups, shuffled by the seed, are dealt into `k` test parts.

    Attributes:
        k: test parts.
        group: what is dealt. `partners` are the speakers who share a dialogue, directly or through others, so that no
            conversation is trained on and tested; `utterance` is speaker-dependent.
    """

    kind: Literal["k_fold"] = "k_fold"
    k: int = Field(default=5, ge=2)
    group: Literal["speaker", "partners", "session", "utterance"] = "speaker"


class SpeakerDependentShare(Options):
    """Inside each speaker and class, `train_share` of the utterances train and the others test; a fold per repeat.

    Attributes:
        train_share: share of the utterances that train.
        repeats: draws, each a fold.
    """

    kind: Literal["speaker_dependent_share"] = "speaker_dependent_share"
    train_share: float = Field(default=0.6, gt=0, lt=1)
    repeats: int = Field(default=10, ge=1)


class OfficialSplit(Options):
    """The corpus's own fold: names of its splits as they stand in the column `split`.

    Where a corpus has several folds of its own, the column names the parts of each, `1:train 2:test`, and so many folds
    are made.

    Attributes:
        train: name of the part that trains.
        validation: name of the part that selects the model; None where the corpus has none, or where the validation of
            the folds is to cut one out of training.
        test: name of the part that is tested.
        speaker_dependent: declares that the corpus's own split shares speakers between its parts.
    """

    kind: Literal["official_split"] = "official_split"
    train: str = "train"
    validation: str | None = None
    test: str = "test"
    speaker_dependent: bool = False


class CrossCorpus(Options):
    """Every corpus trains alone and every other one is tested: all ordered pairs, in the classes that all of them have.

    The speakers of the tested corpus are dealt into parts of which one is tested, so that the others may be heard
    without labels. Speakers of the tested corpus never give a label.

    Attributes:
        parts: of the tested corpus's speakers, a fold each; every speaker is tested once by every training corpus.
        hear_tested: whether the tested corpus's other speakers are unlabelled utterances; false keeps them out.
    """

    kind: Literal["cross_corpus"] = "cross_corpus"
    parts: int = Field(default=2, ge=2)
    hear_tested: bool = False


class NoValidation(Options):
    """No validation part (beside an official one)."""

    kind: Literal["none"] = "none"


class ValidationSpeakers(Options):
    """The `count` training speakers that follow the test speakers in sorted order, cyclically.

    Attributes:
        count: speakers that select the model.
    """

    kind: Literal["speakers"] = "speakers"
    count: int = Field(default=1, ge=1)


class HeldOutSpeakers(Options):
    """`count` speakers of the held-out group, drawn by the seed, select the model; its others are tested.

    The protocol of MSSGAN (ACII 2019, section IV): a session is left out, one of its speakers validates.

    Attributes:
        count: speakers that select the model.
    """

    kind: Literal["held_out_speakers"] = "held_out_speakers"
    count: int = Field(default=1, ge=1)


class ValidationShare(Options):
    """A share of the training utterances, drawn inside each class: speaker-dependent, for the validation part only.

    Attributes:
        share: share of each class's training utterances that selects the model.
    """

    kind: Literal["share"] = "share"
    share: float = Field(default=0.1, gt=0, lt=1)


class LabelBudget(Options):
    """How many labelled training utterances keep their label; a class keeps at least one, and budgets are nested.

    Attributes:
        share: share of each class's training utterances.
        per_class: instead, a number of utterances per class (all of them where a class has fewer).
        draw: which draw of labels, where several are compared on the same folds; it changes nothing else.
    """

    share: float | None = Field(default=None, gt=0, le=1)
    per_class: int | None = Field(default=None, ge=1)
    draw: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.share is None) == (self.per_class is None):
            raise ValueError("label_budget takes either share or per_class, exactly one of them")
        return self


class Level(Options):
    """One level of a numeric target: the values up to `up_to`, itself included or not.

    Attributes:
        name: of the class.
        up_to: highest value of the level.
        inclusive: whether that value itself belongs to the level.
    """

    name: str
    up_to: float
    inclusive: bool = True


class Levels(Options):
    """Cuts a numeric target into levels, lowest first; a value takes the first level that it does not exceed.

    Attributes:
        levels: lowest first.
    """

    kind: Literal["levels"] = "levels"
    levels: list[Level] = Field(min_length=2)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        bounds = [level.up_to for level in self.levels]
        if sorted(set(bounds)) != bounds:
            raise ValueError(f"levels must have ascending bounds up_to, not {bounds}")
        return self

    @property
    def names(self) -> list[str]:
        """The classes, lowest first."""
        return [level.name for level in self.levels]


class SpeakerMean(Options):
    """Cuts a numeric target at its speaker's own mean: above it `high`, else `low` (AV-SpNET, section 2.1)."""

    kind: Literal["speaker_mean"] = "speaker_mean"

    @property
    def names(self) -> list[str]:
        """The classes, lowest first."""
        return ["low", "high"]


class ActedCorpus(Options):
    """A labelled corpus of strong emotion that helps in every fold and is never tested: V_e of MMMD.

    Attributes:
        corpus: its name in `utterances`.
        emotions: its emotion, as it stands in the target column, to a class of the experiment. An emotion that is not
            named has no counterpart: its utterances are left out and counted.
    """

    corpus: str
    emotions: dict[str, str] = Field(min_length=1)


Protocol = Annotated[
    LeaveOneSpeakerOut | LeaveOneSessionOut | KFold | SpeakerDependentShare | OfficialSplit | CrossCorpus,
    Field(discriminator="kind"),
]
Validation = Annotated[
    NoValidation | ValidationSpeakers | HeldOutSpeakers | ValidationShare, Field(discriminator="kind")
]


class FoldOptions(Options):
    """Everything from which the folds of one experiment are made.

    Attributes:
        experiment: name of the experiment, a column of the table.
        corpora: corpora that are trained on and tested.
        target: column of `utterances` that holds the class (or, with `discretise`, the number).
        discretise: how a numeric target becomes classes.
        merges: class to class, applied first, such as excitement -> happiness.
        classes: classes in their order; None: every value found, sorted, and across corpora those that every corpus
            has. Rows with another label are left out.
        protocol: who is tested.
        validation: who selects the model.
        label_budget: how many training labels may be seen; the other training utterances become unlabelled.
        unlabelled_corpora: corpora that are unlabelled in every fold, whatever labels they have.
        unlabelled_rows: whether rows of `corpora` that have no label are unlabelled utterances, too; false leaves
            them out.
        acted: corpora whose labelled utterances take part in every fold in the role acted.
        transductive: declares that further, unlabelled utterances of the test speakers may be seen in training.
        seed: of every draw.
    """

    experiment: str = Field(min_length=1)
    corpora: Names = Field(min_length=1)
    target: str = "emotion"
    discretise: Annotated[Levels | SpeakerMean, Field(discriminator="kind")] | None = None
    merges: dict[str, str] = Field(default_factory=dict)
    classes: Names | None = Field(default=None, min_length=2)
    protocol: Protocol = LeaveOneSpeakerOut()
    validation: Validation = ValidationSpeakers()
    label_budget: LabelBudget = LabelBudget(share=1.0)
    unlabelled_corpora: Names = Field(default_factory=list)
    unlabelled_rows: bool = True
    acted: list[ActedCorpus] = Field(default_factory=list)
    transductive: bool = False
    seed: int = Field(default=0, ge=0)

    @property
    def acted_corpora(self) -> list[str]:
        """Names of the acted corpora."""
        return [acted.corpus for acted in self.acted]

    @property
    def speaker_dependent(self) -> bool:
        """Whether the protocol declares that test speakers are also trained on."""
        protocol = self.protocol
        if isinstance(protocol, OfficialSplit):
            return protocol.speaker_dependent
        return isinstance(protocol, SpeakerDependentShare) or (
            isinstance(protocol, KFold) and protocol.group == "utterance"
        )

    @model_validator(mode="after")
    def _consistent_names(self) -> Self:
        named = {"corpora": self.corpora, "unlabelled_corpora": self.unlabelled_corpora, "acted": self.acted_corpora}
        for name, values in named.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names a corpus twice: {values}")
        if both := sorted(set(self.corpora) & set(self.unlabelled_corpora)):
            raise ValueError(
                f"{', '.join(both)}: in corpora and in unlabelled_corpora; name it in corpora alone and hide labels "
                "with label_budget, or in unlabelled_corpora alone"
            )
        if both := sorted({*self.corpora, *self.unlabelled_corpora} & set(self.acted_corpora)):
            raise ValueError(f"{', '.join(both)}: in acted and in corpora or unlabelled_corpora; a corpus has one role")
        if self.acted and self.discretise:
            raise ValueError("acted maps emotions to classes and cannot go with a discretised target")
        if gone := [name for name in self.classes or [] if self.merges.get(name, name) != name]:
            raise ValueError(
                f"classes names {', '.join(gone)}, which merges turns into another class: drop one of them"
            )
        if isinstance(self.protocol, CrossCorpus) and len(self.corpora) < 2:
            raise ValueError(f"protocol.kind cross_corpus needs two corpora at least, not {', '.join(self.corpora)}")
        if self.classes and len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes names a class twice: {self.classes}")
        return self

    @model_validator(mode="after")
    def _validation_fits_protocol(self) -> Self:
        kind, protocol = self.validation.kind, self.protocol
        by_group = protocol.kind == "leave_one_session_out" or (
            isinstance(protocol, KFold) and protocol.group != "utterance"
        )
        if kind == "held_out_speakers" and not by_group:
            raise ValueError(
                "validation.kind held_out_speakers needs a held-out group of several speakers: "
                f"leave_one_session_out or k_fold over speakers or sessions, not {protocol.kind}"
            )
        if kind == "speakers" and self.speaker_dependent:
            raise ValueError("validation.kind speakers cannot go with a speaker-dependent protocol: use share or none")
        if kind != "none" and isinstance(protocol, OfficialSplit) and protocol.validation is not None:
            raise ValueError("the official split names its validation part: set validation.kind to none")
        return self
