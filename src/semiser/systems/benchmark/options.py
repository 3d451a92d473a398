"""`params:train_benchmark`: methods on the same folds, budgets and draws of labels."""

from collections.abc import Hashable, Iterator
from itertools import product
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, get_args

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from semiser.folds.options import CrossCorpus, FoldOptions, LabelBudget
from semiser.options.base import Options, first_problem, names_of
from semiser.options.training import SystemOptions
from semiser.systems.baselines.train_options import TrainBaselinesOptions
from semiser.systems.baselines.train_options import VariantName as BaselineName
from semiser.systems.benchmark.guests import GUESTS, METHODS, Guest, GuestName, invited
from semiser.systems.mmmd.options import ConsistencyOptions, MixMatchOptions, MmdOptions, TrainMmmdOptions
from semiser.systems.mmmd.options import VariantName as MmmdName
from semiser.systems.on_vectors import FeatureSet

VariantName = Literal[BaselineName, MmmdName, GuestName]
VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
EVERYONE = "all"  # the test utterances, where no subset of them is meant
# One set of options for every corpus, chosen on validation speakers of CASIA: docs/benchmark.md
_NETWORK = MmdOptions(epochs=100, batch_size=64, schedule="cosine", input_noise=1.0, balanced=True)
_JOINT = _NETWORK.model_copy(update={"grouping": "joint", "local_loss_weight": 0.0, "local_prediction_weight": 0.0})
_MIXED = MixMatchOptions(epochs=30, noise=1.0, unlabelled_weight=1.0, ramp=0.3)


def _as_numbers(value: Any) -> Any:
    if isinstance(value, str):
        return value.split("+")
    return (value,) if isinstance(value, int | float) else value


Numbers = BeforeValidator(_as_numbers)  # a command line may say `0.05` or `0.05+0.1`


class Setting(NamedTuple):
    """What a method is trained on.

    Attributes:
        share: of the training labels.
        draw: which labels these are.
        features: None where there is one set of them.
        heard: whether the tested corpus's other speakers are heard without labels.
        guest: method of a guest; None: it reads vectors.
        own: the guest's own setting.
    """

    share: float
    draw: int
    features: FeatureSet | None
    heard: bool = False
    guest: str | None = None
    own: Hashable = None


class Subset(Options):
    """Utterances by a column of `utterances`.

    Attributes:
        column: its name, such as `split`.
        values: of the utterances that are meant.
    """

    column: str
    values: tuple[str, ...] = Field(min_length=1)


class TrainBenchmarkOptions(TrainBaselinesOptions, TrainMmmdOptions):
    """The `train_benchmark` parameter group: methods with the options of `train_baselines` and `train_mmmd`.

    The defaults of networks are not the papers': they are one choice for every corpus.

    Attributes:
        variants: the methods that are trained; `all`: those that read vectors.
        shares: budgets, as shares of each class's training labels; those of one draw are nested.
        draws: of the labels, by number; it is the seed of the training, too.
        systems: name of a system that reads no vectors to its options, as its own group has them but for folds,
            variants and tasks; its variants are the methods `<system>_<variant>`.
        tested_on: name to a part of the test utterances that is looked at by itself, beside all of them.
    """

    variants: Annotated[tuple[VariantName, ...], names_of(VariantName)] = Field(  # type: ignore[assignment]
        default=(
            *("svm", "linear_svm", "logistic", "knn", "self_training", "label_spreading"),
            *("dnn", "mixmatch", "mmd", "mmmd_without_acted", "mmmd_half"),
        ),
        min_length=1,
    )
    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Numbers] = Field(default=SHARES, min_length=1)
    draws: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Numbers] = Field(default=(0, 1, 2), min_length=1)
    systems: dict[str, dict[str, Any]] = {}
    tested_on: dict[str, Subset] = {}
    mlp: MmdOptions = _JOINT
    dnn: MmdOptions = _JOINT
    mmd: MmdOptions = _NETWORK
    mixmatch: MixMatchOptions = _MIXED
    softmatch: ConsistencyOptions = ConsistencyOptions(epochs=30)
    aligned: MixMatchOptions = _MIXED.model_copy(update={"temperature": 0.5, "alignment": "labelled", "guess": "joint"})
    everything: ClassVar[tuple[str, ...]] = tuple(name for name in VARIANTS if name not in METHODS)

    def of_guest(self, guest: Guest) -> SystemOptions:
        """The options of a guest, on these folds."""
        (names,) = [names for invitee, names in invited(self.variants) if invitee is guest]
        return guest.options(self.systems.get(guest.system.name, {}), self.folds, names)

    def families(self) -> tuple[str, ...]:
        """The feature families that the trainings need."""
        guests = [family for guest, _ in invited(self.variants) for family in self.of_guest(guest).families()]
        return tuple(dict.fromkeys([*super().families(), *guests]))

    @property
    def heard(self) -> tuple[bool, ...]:
        """Whether the tested corpus's other speakers are heard: across corpora without them and with them."""
        return (False, True) if isinstance(self.folds.protocol, CrossCorpus) else (False,)

    @property
    def settings(self) -> Iterator[tuple[str, Setting]]:
        """The end of a training's name, and its setting; draws of one share have one name, and seeds of their own."""
        for ending, features in self.feature_sets.items():
            for heard, share, draw in product(self.heard, self.shares, self.draws):
                unlabelled = "/unlabelled=target" if heard else ""
                yield f"{ending}{unlabelled}/share={share:g}", Setting(share, draw, features, heard)

    def budget(self, share: float, draw: int, heard: bool = False) -> FoldOptions:
        """The folds in which a share of the labels is seen."""
        labels = LabelBudget(share=share, draw=draw)
        name = f"{self.folds.experiment}{'/unlabelled=target' if heard else ''}/share={share:g}/draw={draw}"
        changed: dict[str, Any] = {"experiment": name, "label_budget": labels}
        if isinstance(self.folds.protocol, CrossCorpus):
            changed["protocol"] = self.folds.protocol.model_copy(update={"hear_tested": heard})
        return self.folds.model_copy(update=changed)

    @model_validator(mode="after")
    def _guests_have_their_options(self) -> Self:
        names = [guest.system.name for guest in GUESTS]
        if unknown := sorted(set(self.systems) - set(names)):
            raise ValueError(f"systems names {', '.join(unknown)}: there are {', '.join(names)}")
        for guest, _ in invited(self.variants):
            try:
                self.of_guest(guest)
            except ValidationError as error:
                raise ValueError(first_problem(error, f"systems.{guest.system.name}")) from error
        return self

    @model_validator(mode="after")
    def _labels_are_hidden_once(self) -> Self:
        if self.folds.label_budget != LabelBudget(share=1.0):
            raise ValueError("folds.label_budget hides labels before shares and draws do: leave it out")
        for name, values in {"shares": self.shares, "draws": self.draws}.items():
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names one twice: {list(values)}")
        if isinstance(self.folds.protocol, CrossCorpus) and self.folds.protocol.hear_tested:
            raise ValueError("folds.protocol.hear_tested: every method is trained with and without it; leave it out")
        if EVERYONE in self.tested_on:
            raise ValueError(f"tested_on: {EVERYONE} is the name of all test utterances; choose another")
        return self
