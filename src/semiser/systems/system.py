"""What a system is to the pipelines: a declaration, in data.

`semiser/systems/<name>/system.py` holds `SYSTEM`: what the system reads, which variants it has, how one of them is
trained on a fold, what is made before and drawn afterwards. `semiser.pipelines.system` builds the Kedro pipeline of any
declaration. A declaration imports nothing heavy: its functions import inside their bodies.

Whose options a function works on, its annotation says: `Work[TrainMmmdOptions]` in a
`System[TrainMmmdOptions, VariantName]`. A bare `Work` or `System` is that of any system.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

import semiser.systems
from semiser.options.base import Options
from semiser.options.training import SystemOptions, TrainingOptions

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from semiser.evaluation.report import Further
    from semiser.folds.options import FoldOptions
    from semiser.training.experiment import Experiment, Features, Fit, Queue, Tabulate, VariantPlan

TrainOptions = TypeVar("TrainOptions", bound=SystemOptions)
Variant = TypeVar("Variant", bound=str)
SweepOptions = TypeVar("SweepOptions", bound=Options)
SweepName = TypeVar("SweepName", bound=str)

_READING = RLock()  # nodes in threads do not read the same features twice


@dataclass(frozen=True)
class Work(Generic[TrainOptions]):
    """What the functions of a declaration work on.

    Attributes:
        system: the declaration.
        options: of the system.
        training: what all systems share.
        models: folder of the pipeline's models.
        utterances: the table of utterances.
        tables: name of a feature table to the table, None where its family is off. None for all of them where the work
            is a plan: nothing was extracted, and every utterance counts as one that has its features.
        folds: the table of folds; None while it is being made.
        made: name of a stage to the document that it made.
    """

    system: "System[TrainOptions, Any]"
    options: TrainOptions
    training: TrainingOptions
    models: str
    utterances: "pa.Table"
    tables: Mapping[str, "Dataset | None"] | None
    folds: Any = None
    made: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    _read: dict[Hashable, "Experiment"] = field(default_factory=dict, repr=False, compare=False)
    _queue: list["Queue"] = field(default_factory=list, repr=False, compare=False)  # one at most

    def table(self, name: str, asked_by: str) -> "Dataset":
        """A feature table; in a plan None, which `with_features` takes.

        Args:
            name: of its family.
            asked_by: the option that needs it, for the error.

        Raises:
            ValueError: its family is off.
        """
        if (found := self.table_if_on(name)) is None and self.tables is not None:
            raise ValueError(
                f"train_{self.system.name}.{asked_by} needs the features {name}, which were not extracted: let "
                f"features.extract name {name} (null takes what the trainings need) and run "
                f"`kedro run --pipelines=features`, or change train_{self.system.name}.{asked_by}"
            )
        return found

    def table_if_on(self, name: str) -> "Dataset | None":
        """A feature table; None where its family is off, and in a plan."""
        return None if self.tables is None else self.tables[name]

    def experiment(self, setting: Hashable = None) -> "Experiment":
        """The experiment in a setting, with its features, which are read once for all variants.

        The last ones are kept, at most `System.kept`.
        """
        with _READING:
            found = self._read.pop(setting, None) or self.system.read(self, setting)
            while len(self._read) >= max(1, self.system.kept(self.options)):
                del self._read[next(iter(self._read))]
            self._read[setting] = found
        return found

    def queue(self, jobs: "Callable[[], Iterable[Job]]") -> "Queue":
        """The trainings of all variants, or of all sweeps, in one queue.

        Args:
            jobs: gives them, in the order in which they will be asked for.
        """
        from semiser.training.experiment import Queue

        with _READING:
            if not self._queue:
                self._queue.append(Queue(self.training, {job.place: partial(self.plan, job) for job in jobs()}))
            return self._queue[0]

    def plan(self, job: "Job") -> "VariantPlan":
        """What a job trains, with its features, which are read here."""
        from semiser.training.experiment import VariantPlan

        training = self.training.model_copy(update={"seeds": job.seeds}) if job.seeds else self.training
        training = training.in_one_process() if job.alone else training
        return VariantPlan(self.experiment(job.setting), job.name, job.fit, job.options, training, job.tabulate)

    def folds_over(self, tables: "Iterable[Dataset]", options: "FoldOptions") -> "pa.Table":
        """Folds over the utterances that have a row in all of these tables."""
        from semiser.folds.make import make_folds

        return make_folds(self.with_features(tables), options)

    def with_features(self, tables: "Iterable[Dataset]") -> "pa.Table":
        """The utterances that have a row in all of these tables; all utterances where the work is a plan."""
        if self.tables is None:
            return self.utterances
        from semiser.data.tables import with_features

        utterances = self.utterances
        for table in tables:
            utterances = with_features(utterances, table)
        return utterances

    def open(self, features: "Callable[[list[str]], Features]", folds: "pa.Table | None" = None) -> "Experiment":
        """The experiment on features that are read here: of the utterances with these ids, in this order.

        Args:
            features: reads them.
            folds: where they are not all of the work's.
        """
        from semiser.training.experiment import experiment_on

        return experiment_on(self.folds if folds is None else folds, self.utterances, features, self.models)

    def fold_facts(self, **facts: Any) -> dict[str, Any]:
        """The folds' own protocol with further facts, for `System.protocol`."""
        from semiser.folds.table import folds_hash, protocol_facts

        return protocol_facts(self.folds) | facts | {"folds_hash": folds_hash(self.folds)}

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # it hands over between nodes, and nothing in it is changed

    def __getstate__(self) -> dict[str, Any]:
        # another process reads and trains for itself
        return {**self.__dict__, "_read": {}, "_queue": [], "system": self.system.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"system": get_system(state["system"])})


@dataclass(frozen=True)
class Job:
    """One training: on all folds with all seeds.

    Attributes:
        name: under which models, predictions and curves go: the variant's, and what sets it apart from others of it,
            `<variant>/task=valence/features=dface`.
        fit: the algorithm; a function that can be imported by name.
        options: of the algorithm.
        setting: of the experiment that it is trained on, see `System.read`.
        seeds: None takes those of `params:training`.
        tabulate: what becomes of the fit's result; None: classes with their probabilities.
        alone: trains in this process whatever `training.devices` is, as an SVM does.
    """

    name: str
    fit: "Fit"
    options: Options
    setting: Hashable = None
    seeds: tuple[int, ...] | None = None
    tabulate: "Tabulate | None" = None
    alone: bool = False

    @property
    def place(self) -> tuple[str, tuple[int, ...]]:
        """In a queue: the draws of a benchmark have one name, and seeds of their own."""
        return self.name, self.seeds or ()

    @property
    def selects_on_validation(self) -> bool:
        """Whether its validation part decides which epoch's weights are kept: any option `select: validation`."""
        return _has(self.options.model_dump(), "select", "validation")


@dataclass(frozen=True)
class Stage(Generic[TrainOptions]):
    """What is made between folds and variants, such as a front end or an encoder: a node of its own.

    Attributes:
        name: of its document, which `Work.made` has.
        make: gives the document, {} where nothing needs it, and training curves or None.
        reads: further tables, beside those of the system.
        after: stages that it needs.
    """

    name: str
    make: Callable[[Work[TrainOptions]], tuple[dict[str, Any], "pa.Table | None"]]
    reads: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


Kind = Literal["predictions", "curves", "models", "metrics_table"]


@dataclass(frozen=True)
class Product:
    """Tables and figures of a system's own, beside metrics, confusion matrices and curves.

    Attributes:
        name: of the node.
        outputs: names that end in `_table` (a data frame) or `_figure` (of matplotlib).
        make: gives them; gets the work and then what `of` names.
        of: of all variants, put together; or `<stage>_curves`.
    """

    name: str
    outputs: tuple[str, ...]
    make: Callable[..., Any]
    of: tuple[Kind | str, ...] = ()


@dataclass(frozen=True)
class Sweeps(Generic[TrainOptions, SweepOptions, SweepName]):
    """The analyses of a paper that change one option at a time: the pipeline `<system>_sweeps`.

    Attributes:
        options: of `params:<system>_sweeps`.
        names: of the sweeps.
        jobs: the trainings of one, each named `.../<option>=<value>`.
        metric: that is drawn.
    """

    options: type[SweepOptions]
    names: tuple[SweepName, ...]
    jobs: Callable[[Work[TrainOptions], SweepOptions, SweepName], Iterable[Job]]
    metric: str = "uar"


def _all(options: Any, variants: Sequence[str]) -> Sequence[str]:
    return variants


def _every_pair(options: Any, variants: Sequence[str]) -> None:
    return None


def _as_they_are(options: Any, curves: "pa.Table") -> "pa.Table":
    return curves


def _one(options: Any) -> int:
    return 1


@dataclass(frozen=True)
class System(Generic[TrainOptions, Variant]):
    """A declaration.

    Attributes:
        name: of its folder; its pipeline is `train_<name>`, its options are `params:train_<name>`.
        title: as a reader knows it.
        paper: that it follows, empty where it is our own.
        options: model of its options, which has `variants`: those that are trained.
        tables: feature tables that it can read, by family.
        variants: name to what the variant is, in a line.
        make_folds: the table of folds, with the protocol in its metadata; of several experiments, where settings have
            folds of their own (`semiser.folds.settings`).
        read: the experiment in a setting. What a setting is, is the system's; None where there is one.
        jobs: the trainings of a variant.
        protocol: what the figures mean, JSON-safe: `classes`, or `tasks` by name where classes differ between tasks.
        pairs: variants that are compared, (a, b) for a - b; None: all of them.
        confused: the variants whose confusion matrices are drawn.
        shown: the curves that are drawn.
        stages: made before the variants, in this order.
        products: made after them.
        sweeps: None where there are none.
        dimensions: whether variants predict numbers, too.
        kept: settings whose features are kept in memory between variants.
        further: figures that the confusion of test predictions does not give, of predictions and training curves of
            all variants; None: there are none.
        alias: a further name that its pipeline is run by; empty: none.
    """

    name: str
    title: str
    options: type[TrainOptions]
    tables: tuple[str, ...]
    variants: Mapping[Variant, str]
    make_folds: Callable[[Work[TrainOptions]], "pa.Table"]
    read: Callable[[Work[TrainOptions], Any], "Experiment"]
    jobs: Callable[[Work[TrainOptions], Variant], Iterable[Job]]
    protocol: Callable[[Work[TrainOptions]], dict[str, Any]]
    paper: str = ""
    pairs: Callable[[TrainOptions, Sequence[str]], list[tuple[str, str]] | None] = _every_pair
    confused: Callable[[TrainOptions, Sequence[str]], Sequence[str]] = _all
    shown: Callable[[TrainOptions, "pa.Table"], "pa.Table"] = _as_they_are
    stages: tuple[Stage[TrainOptions], ...] = ()
    products: tuple[Product, ...] = ()
    sweeps: Sweeps[TrainOptions, Any, Any] | None = None
    dimensions: bool = False
    kept: Callable[[TrainOptions], int] = _one
    further: "Callable[[Work[TrainOptions], pa.Table, pa.Table], Further] | None" = None
    alias: str = ""

    @property
    def pipeline(self) -> str:
        """Name of its pipeline, its parameter group and its namespace."""
        return f"train_{self.name}"


def _has(options: Any, name: str, value: Any) -> bool:
    """Whether an option of that name has that value, at any depth."""
    if not isinstance(options, dict):
        return False
    return options.get(name) == value or any(_has(inner, name, value) for inner in options.values())


def system_names() -> list[str]:
    """Every folder of `semiser.systems` that has a declaration, sorted."""
    folders = [found.name for found in iter_modules(semiser.systems.__path__) if found.ispkg]
    return sorted(name for name in folders if find_spec(f"semiser.systems.{name}.system"))


@cache
def get_system(name: str) -> System[Any, Any]:
    """The declaration of a system.

    Raises:
        ValueError: there is none of that name; the message lists those that there are.
    """
    if name not in (known := system_names()):
        raise ValueError(f"unknown system {name!r}: expected one of {', '.join(known)}")
    return import_module(f"semiser.systems.{name}.system").SYSTEM
