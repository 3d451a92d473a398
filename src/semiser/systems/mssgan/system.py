"""MSSGAN, declared: five variants on every task and feature set, and the ablations of its section V."""

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from semiser.options.modalities import FRAME_FAMILIES
from semiser.systems.mssgan.options import FACES, Setting, TrainMssganOptions, VariantName
from semiser.systems.mssgan.sweeps import SWEEPS, MssganSweepsOptions, SweepName
from semiser.systems.system import Job, Product, Sweeps, System, Work

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from semiser.evaluation.report import Further
    from semiser.training.experiment import Experiment, Features

logger = logging.getLogger(__name__)


def make_folds(work: Work[TrainMssganOptions]) -> "pa.Table":
    """Folds of every task on every feature set, over the utterances that have all of its features."""
    from semiser.folds.settings import join_experiments

    return join_experiments([_setting_folds(work, setting) for setting in work.options.settings])


def _setting_folds(work: Work[TrainMssganOptions], setting: Setting) -> "pa.Table":
    """The folds of a setting; what has no features, such as no face, is counted in the protocol's `left_out`.

    Raises:
        ValueError: a corpus has no such features at all, fewer unlabelled samples have them than are asked for, or no
            crops are cut of them (`require_frames`).
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.folds.make import make_folds
    from semiser.folds.table import count_left_out, with_left_out
    from semiser.systems.mssgan.crops import require_frames

    options, chosen = work.options, work.options.task_folds(setting)
    tables = _tables(work, setting)
    if work.tables is not None:  # in a plan there are none
        require_frames(tables)
    usable = work.with_features(tables.values())
    dropped = count_left_out(work.utterances, usable, f"no features {setting.features}")
    if options.drops_faceless and FACES not in setting.columns:
        seen = work.with_features([work.table(FACES, "drop_faceless")])["utterance_id"]
        unlabelled = pc.is_in(usable["corpus"], pa.array(chosen.unlabelled_corpora, pa.string()))
        clear = usable.filter(pc.or_(pc.invert(unlabelled), pc.is_in(usable["utterance_id"], seen)))
        dropped += count_left_out(usable, clear, "no face (train_mssgan.drop_faceless)")
        usable = clear
    dropped = [row for row in dropped if row["corpus"] in (*chosen.corpora, *chosen.unlabelled_corpora)]
    there, left = (set(pc.unique(table["corpus"]).to_pylist()) for table in (work.utterances, usable))
    if empty := [name for name in chosen.corpora if name in there and name not in left]:
        raise ValueError(
            f"{setting.suffix}: no utterance of {', '.join(empty)} has the features {setting.features}; take the set "
            "out of train_mssgan.features, or extract its families from the corpus and run "
            "`kedro run --pipelines=features`"
        )
    for row in dropped:
        logger.info(
            "%s: %d utterances of %s are left out: %s", setting.suffix, row["utterances"], row["corpus"], row["reason"]
        )
    named = [name for name in chosen.unlabelled_corpora if name in left or name not in there]
    folds = make_folds(
        _task_utterances(usable, options, setting), chosen.model_copy(update={"unlabelled_corpora": named})
    )
    if options.uses_unlabelled(setting):
        require_unlabelled(folds, options.unlabelled_samples, setting, "train_mssgan.unlabelled_samples")
    return with_left_out(folds, dropped)


def require_unlabelled(folds: "pa.Table", count: int | None, setting: Setting, option: str) -> None:
    """Refuse folds in which fewer samples are unlabelled than an option asks for; None asks for all.

    Raises:
        ValueError: there are fewer; the message says how to come by more.
    """
    import pyarrow.compute as pc

    rows = folds.filter(pc.equal(folds["role"], "unlabelled"))
    counts = rows["fold"].value_counts().field("counts").to_pylist()
    fewest = min(counts) if len(counts) == len(pc.unique(folds["fold"])) else 0
    if count is not None and fewest < count:
        raise ValueError(
            f"{option} asks for {count:,} unlabelled samples, and {setting.suffix} has {fewest:,} (what has no face is "
            "left out): draw more from the unlabelled corpus (of AMI by ingest.corpora.<name>.options.samples) and run "
            "`kedro run --pipelines=features`, or ask for fewer"
        )


def _tables(work: Work[TrainMssganOptions], setting: Setting) -> "dict[str, Dataset]":
    return {column: work.table(column, "features") for column in setting.columns}


def _task_utterances(utterances: "pa.Table", options: TrainMssganOptions, setting: Setting) -> "pa.Table":
    """The utterances with their classes in the target column, where the task's classes come from votes."""
    from semiser.folds.soft_labels import largest, vote_targets

    task = options.task(setting)
    if not task.votes:
        return utterances
    votes = vote_targets(utterances[task.votes].to_pylist(), task.vote_levels)
    place = utterances.schema.get_field_index(task.target)
    return utterances.set_column(place, task.target, largest(votes, task.vote_levels.names))


def _task_targets(
    utterances: "pa.Table", options: TrainMssganOptions, setting: Setting, classes: list[str]
) -> "np.ndarray":
    """Soft labels of utterances, (N, K): from votes where the task has them, else one-hot classes."""
    from semiser.folds.soft_labels import class_targets, vote_targets

    task = options.task(setting)
    if task.votes:
        return vote_targets(utterances[task.votes].to_pylist(), task.vote_levels)
    return class_targets(utterances, options.task_folds(setting), classes)


def read(work: Work[TrainMssganOptions], setting: Setting) -> "Experiment":
    """Crops, standardised band by band, and soft labels."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.folds.settings import take_experiment
    from semiser.folds.table import protocol_facts
    from semiser.systems.mssgan.crops import read_crops

    options, utterances = work.options, work.utterances
    own = take_experiment(work.folds, options.task_folds(setting).experiment)
    classes = protocol_facts(own)["classes"]
    scaling = options.scaling
    if setting.unlabelled_scaling:
        scaling = scaling.model_copy(update={"unlabelled": setting.unlabelled_scaling})

    def features(ids: list[str]) -> "Features":
        rows = utterances.take(pc.index_in(pa.array(ids), utterances["utterance_id"]))
        about = {"target": _task_targets(rows, options, setting, classes)}
        return read_crops(_tables(work, setting), rows, options.crop, scaling, about)

    return work.open(features, own)


def jobs(work: Work[TrainMssganOptions], variant: VariantName) -> Iterator[Job]:
    """A variant is trained in every setting that has as many modalities as it takes."""
    for setting in work.options.settings_of(variant):
        yield _job(f"{variant}/{setting.suffix}", setting, work.options.system(variant))


def sweep_jobs(work: Work[TrainMssganOptions], sweeps: MssganSweepsOptions, sweep: SweepName) -> Iterator[Job]:
    """The GAN in the ablation's setting, with every value of its option."""
    from semiser.folds.settings import take_experiment

    for name, setting, options in sweeps.variants(sweep, work.options):
        own = take_experiment(work.folds, work.options.task_folds(setting).experiment)
        require_unlabelled(own, options.unlabelled_samples, setting, f"mssgan_sweeps, {name}")
        yield _job(name, setting, options)


def _job(name: str, setting: Setting, options: Any) -> Job:
    from semiser.systems.mssgan.fit import fit

    return Job(name, fit, options, setting, tabulate=_credited)


def _credited(experiment: "Experiment", *given: Any) -> "pa.Table":
    """Predictions, of which one that is one of several right classes is right."""
    from semiser.data.samples import SampleFeatures
    from semiser.folds.soft_labels import credit_ties
    from semiser.training.experiment import tabulate_classes

    assert isinstance(experiment.features, SampleFeatures)
    predictions = tabulate_classes(experiment, *given)
    return credit_ties(predictions, experiment.utterance_ids, experiment.features.about["target"])


def protocol(work: Work[TrainMssganOptions]) -> dict[str, Any]:
    """Folds of every setting; the classes of every task, whose settings have the same test parts."""
    from semiser.folds.settings import protocols_of
    from semiser.folds.table import folds_hash

    options, settings = work.options, protocols_of(work.folds)
    tasks: dict[str, dict[str, Any]] = {}
    for setting in options.settings:
        tasks.setdefault(setting.task, {"classes": settings[options.task_folds(setting).experiment]["classes"]})
    return {
        "scaling": options.scaling.model_dump(mode="json"),
        "folds_hash": folds_hash(work.folds),
        "tasks": tasks,
        "settings": settings,
        "ties": "a prediction that is one of several largest shares of the votes is right",
    }


def pairs(options: TrainMssganOptions, variants: Sequence[str]) -> list[tuple[str, str]]:
    """What the paper's tables compare: systems on the same features, and two modalities with one."""
    named = {tuple(name.split("/features=")): name for name in variants}  # (system/task=..., features) -> variant
    found = []
    for (system, features), name in named.items():
        system, task = system.split("/", 1)
        lesser = {"ssbase": ["fsbase"], "ssgan": ["fsbase", "ssbase"], "mssgan": ["mfsbase"]}.get(system, [])
        wanted = [(f"{other}/{task}", features) for other in lesser]
        if (single := {"mfsbase": "fsbase", "mssgan": "ssgan"}.get(system)) is not None:
            wanted += [(f"{single}/{task}", part) for part in features.split("+")]
        found += [(name, named[other]) for other in wanted if other in named]
    return found


def shown(options: TrainMssganOptions, curves: "pa.Table") -> "pa.Table":
    """Curves by system: mean over settings, too."""
    import pyarrow as pa

    systems = pa.array([name.split("/")[0] for name in curves["variant"].to_pylist()], pa.string())
    return curves.set_column(curves.schema.get_field_index("variant"), "variant", systems)


def measure_sides(work: Work[TrainMssganOptions], predictions: "pa.Table") -> tuple[Any]:
    """Accuracy by side of the face, of what sees faces."""
    import pyarrow.compute as pc

    from semiser.systems.mssgan.sides import accuracy_by_side

    with_faces = predictions.filter(pc.match_substring(predictions["variant"], "dface"))
    return (accuracy_by_side(with_faces, work.utterances),)


def beside_the_test(work: Work[TrainMssganOptions], predictions: "pa.Table", curves: "pa.Table") -> "Further":
    """The selected weights' UAR on the validation part and the test's less that (Tables III, V); faces (Table VIII)."""
    found = validation_figures(predictions, curves, work.options)
    for variant, figures in side_figures(predictions, work.utterances).items():
        found[variant] = found.get(variant, {}) | figures
    return found


def validation_figures(
    predictions: "pa.Table", curves: "pa.Table", options: TrainMssganOptions
) -> "dict[str, dict[str, dict[tuple[int, int], float]]]":
    """`validation_uar` and `uar_gap`, the test part's UAR less that, of every variant, by seed and fold.

    The validation part's is the best of the epochs, whose weights are tested; without selection that of the last.
    """
    import numpy as np
    import pyarrow.compute as pc

    from semiser.evaluation.metrics import confusion_matrix, uar

    scores: dict[tuple[str, int, int], list[float]] = {}
    for row in curves.filter(pc.equal(curves["name"], "validation_uar")).sort_by("epoch").to_pylist():
        scores.setdefault((row["variant"], row["seed"], row["fold"]), []).append(row["value"])
    found: dict[str, dict[str, dict[tuple[int, int], float]]] = {}
    rows = predictions.select(["variant", "seed", "fold", "target", "prediction"]).to_pandas()
    for (variant, seed, fold), own in rows.groupby(["variant", "seed", "fold"]):
        if (variant, seed, fold) not in scores:
            continue
        classes, codes = np.unique(own[["target", "prediction"]].to_numpy().astype(str), return_inverse=True)
        target, prediction = codes.reshape(-1, 2).T
        tested = float(uar(confusion_matrix(target, prediction, len(classes))))
        of_epochs = scores[variant, seed, fold]
        gan = variant.startswith(("ssgan", "mssgan"))
        how = options.gan_optimisation or options.optimisation if gan else options.optimisation
        validated = max(of_epochs) if how.select == "validation" else of_epochs[-1]
        figures = found.setdefault(variant, {"validation_uar": {}, "uar_gap": {}})
        figures["validation_uar"][seed, fold] = validated
        figures["uar_gap"][seed, fold] = tested - validated
    return found


def side_figures(
    predictions: "pa.Table", utterances: "pa.Table"
) -> "dict[str, dict[str, dict[tuple[int, int], float]]]":
    """`wa`, `correct` and `wrong` of frontal and side faces over all folds, by seed, of what sees faces."""
    import pyarrow.compute as pc

    from semiser.systems.mssgan.sides import accuracy_by_side

    found: dict[str, dict[str, dict[tuple[int, int], float]]] = {}
    rows = predictions.filter(pc.match_substring(predictions["variant"], FACES))
    for seed in pc.unique(rows["seed"]).to_pylist():
        table = accuracy_by_side(rows.filter(pc.equal(rows["seed"], seed)), utterances)
        for row in table[table["face"].isin(["frontal", "side"])].to_dict("records"):
            figures = found.setdefault(row["variant"], {})
            for name, column in (("wa", "accuracy"), ("correct", "correct"), ("wrong", "wrong")):
                figures.setdefault(f"{name}/{row['face']}", {})[seed, 0] = float(row[column])
    return found


def kept(options: TrainMssganOptions) -> int:
    """Every setting, since each variant goes through all of them."""
    return len(options.settings)


SYSTEM: System[TrainMssganOptions, VariantName] = System(
    name="mssgan",
    title="MSSGAN",
    paper="Liang et al., Semi-supervised Multimodal Emotion Recognition With Improved Wasserstein GANs (ACII 2019)",
    options=TrainMssganOptions,
    tables=(*FRAME_FAMILIES, FACES),
    variants={
        "fsbase": "the discriminator alone, on labels, one modality",
        "mfsbase": "the discriminators alone, on labels, voice and face",
        "ssbase": "fsbase with self-training",
        "ssgan": "an improved Wasserstein GAN with unlabelled samples, one modality",
        "mssgan": "the same on voice and face",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    pairs=pairs,
    shown=shown,
    products=(Product("sides", ("faces_table",), measure_sides, of=("predictions",)),),
    sweeps=Sweeps(MssganSweepsOptions, SWEEPS, sweep_jobs),
    kept=kept,
    further=beside_the_test,
)
