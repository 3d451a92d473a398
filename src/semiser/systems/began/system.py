"""BEGAN, declared: classifiers on its encoder and on others, beside an SVM on functionals."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from semiser.systems.began.options import DIMENSIONS, BeganFitOptions, TrainBeganOptions, VariantName
from semiser.systems.system import Job, Product, Stage, System, Work

if TYPE_CHECKING:
    import pyarrow as pa

    from semiser.evaluation.report import Further
    from semiser.training.experiment import Experiment, Features


class Setting(NamedTuple):
    """What classifiers get.

    Attributes:
        kind: `functionals`, `chunks` for an encoder that is trained along, or `maps`.
        encoder: folder of the frozen encoder below the pipeline's models, for maps; None: chunks are the maps.
        in_paper_form: whether the map is the encoder's last one as it is, whatever the options have.
    """

    kind: Literal["functionals", "chunks", "maps"]
    encoder: str | None = None
    in_paper_form: bool = False


FUNCTIONALS, CHUNKS, NO_ENCODER = Setting("functionals"), Setting("chunks"), Setting("maps")


def make_folds(work: Work[TrainBeganOptions]) -> "pa.Table":
    """Folds over the utterances that have chunks and, for the SVM, those of the labelled corpora that have IS10."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from semiser.folds.make import make_folds

    options, usable = work.options, work.with_features([work.table("chunks", "variants")])
    if "svm" in options.variants:
        scored = work.with_features([work.table("is10", "variants")])["utterance_id"]
        labelled = pc.is_in(usable["corpus"], pa.array(options.folds.corpora))
        usable = usable.filter(pc.or_(pc.invert(labelled), pc.is_in(usable["utterance_id"], scored)))
    return make_folds(usable, options.folds)


def train_encoder(work: Work[TrainBeganOptions]) -> tuple[dict[str, Any], "pa.Table | None"]:
    """BEGAN on the utterances that are unlabelled in every fold: its card and curves; empty where no variant needs it.

    Raises:
        ValueError: no utterance is unlabelled in every fold.
    """
    if not {"began", "began_paper_form"} & set(work.options.variants):
        return {}, None
    from semiser.systems.began.encoder import train_encoder

    chunks, ids = work.table("chunks", "variants"), always_unlabelled(work.folds)
    return train_encoder(chunks, ids, work.options.encoder, work.training, Path(work.models))


def always_unlabelled(folds: "pa.Table") -> list[str]:
    """The utterances that are unlabelled in every fold, sorted: no fold tests, validates or labels any of them.

    Raises:
        ValueError: there is none.
    """
    import pyarrow.compute as pc

    rows = folds.filter(pc.equal(folds["role"], "unlabelled"))
    names, times = pc.value_counts(pc.cast(rows["utterance_id"], "string")).flatten()
    found = sorted(names.filter(pc.equal(times, len(pc.unique(folds["fold"])))).to_pylist())
    if not found:
        raise ValueError(
            "no utterance is unlabelled in every fold: BEGAN has nothing to learn from; name a corpus in "
            "train_began.folds.unlabelled_corpora, or take began out of variants"
        )
    return found


def tune(work: Work[TrainBeganOptions]) -> tuple[dict[str, Any], None]:
    """The study on validation speakers: the classifier's best values for the emotions; {} where it is off."""
    if work.options.tune is None:
        return {}, None
    from semiser.systems.began.study import tune

    return tune(work, lambda own: read(own, Setting("maps", work.made["encoder"]["folder"]))), None


def read(work: Work[TrainBeganOptions], setting: Setting) -> "Experiment":
    """Feature maps of a frozen encoder, or chunks, or functionals, of the utterances that are not unlabelled."""
    import pyarrow.compute as pc

    from semiser.data.samples import read_samples
    from semiser.data.streamed import read_vectors
    from semiser.systems.began.classifier import read_maps
    from semiser.systems.began.dimensions import read_dimensions
    from semiser.systems.began.encoder import COLUMN
    from semiser.training.run import device_of

    options, chunks = work.options, work.table("chunks", "variants")
    labelled = work.folds.filter(pc.not_equal(work.folds["role"], "unlabelled"))

    def features(ids: list[str]) -> "Features":
        if setting == FUNCTIONALS:
            return read_vectors({"is10": work.table("is10", "variants")}, ids, labelled, options.scaling)
        wanted = "dimensions" in options.tasks
        about = {"dimensions": read_dimensions(work.utterances, ids, DIMENSIONS)} if wanted else {}
        if setting == CHUNKS:
            return read_samples({COLUMN: chunks}, ids, about=about, scaling=options.scaling, band_axis=0)
        device = device_of(work.training)
        made, _ = map_maker(work, setting)
        return read_maps(chunks, ids, made.to(device) if setting.encoder else made, options.scaling, about, device)

    return work.open(features, labelled)


def map_maker(work: Work[TrainBeganOptions], setting: Setting) -> tuple[Any, tuple[int, int, int]]:
    """What makes maps of chunks in a setting, and their shape."""
    from semiser.systems.began.encoder import chunk_shape, load_feature_map
    from semiser.systems.began.network import ChunkMap

    options = work.options.in_paper_form if setting.in_paper_form else work.options
    if setting.encoder is None:
        made = ChunkMap(options.cepstrum)
        return made, made.shape_of(chunk_shape(work.table("chunks", "variants")))
    frozen = load_feature_map(Path(work.models, setting.encoder), options.stage, options.cepstrum)
    return frozen, frozen.map_shape


def jobs(work: Work[TrainBeganOptions], variant: VariantName) -> Iterator[Job]:
    """A classifier per task on the variant's encoder; random encoders are one per seed."""
    from semiser.systems.began.encoder import chunk_shape, save_random_encoder

    seeds = work.training.seeds
    if variant == "svm":
        from semiser.systems.baselines import svm

        yield Job(variant, svm.fit, work.options.svm, FUNCTIONALS, alone=True)
    elif variant == "from_scratch":
        shape = chunk_shape(work.table("chunks", "variants"))
        for task in work.options.tasks:
            yield _job(work, variant, task, work.options.from_scratch_options(task, shape), CHUNKS, seeds)
    elif variant == "no_encoder":
        yield from _on_maps(work, variant, NO_ENCODER, seeds)
    elif variant == "random_encoder":
        shape = chunk_shape(work.table("chunks", "variants"))
        for seed in seeds:
            folder = save_random_encoder(shape, work.options.encoder.network, work.training, seed, Path(work.models))
            yield from _on_maps(work, variant, Setting("maps", folder), (seed,))
    else:
        paper = variant == "began_paper_form"
        yield from _on_maps(work, variant, Setting("maps", work.made["encoder"]["folder"], paper), seeds)


def _on_maps(work: Work[TrainBeganOptions], variant: str, setting: Setting, seeds: tuple[int, ...]) -> Iterator[Job]:
    """A classifier per task on what a setting gives."""
    study = work.made["study"]
    options = work.options.tuned(study["best"]) if study else work.options
    options = options.in_paper_form if setting.in_paper_form else options
    _, shape = map_maker(work, setting)
    for task in options.tasks:
        yield _job(work, variant, task, options.fit_options(task, shape, setting.encoder), setting, seeds)


def _job(
    work: Work[TrainBeganOptions],
    variant: str,
    task: str,
    options: BeganFitOptions,
    setting: Setting,
    seeds: tuple[int, ...],
) -> Job:
    from semiser.systems.began.classifier import fit
    from semiser.systems.began.dimensions import dimension_table

    numbers = task == "dimensions"
    tabulate = dimension_table(work.utterances, DIMENSIONS) if numbers else None
    return Job(f"{variant}/task={task}" if numbers else variant, fit, options, setting, seeds, tabulate)


def by_speaker(work: Work[TrainBeganOptions], predictions: "pa.Table", curves: "pa.Table") -> "Further":
    """Accuracy of every speaker, `wa/<speaker>`, where test parts have several: Table 1."""
    import pyarrow.compute as pc

    if work.options.folds.protocol.kind != "speaker_dependent_share":
        return {}
    right = pc.equal(predictions["target"], predictions["prediction"])
    rows = predictions.append_column("right", pc.cast(right, "float64"))
    columns = ["variant", "speaker_id", "seed", "fold"]
    found: dict[str, dict[str, dict[tuple[int, int], float]]] = {}
    for row in rows.group_by(columns).aggregate([("right", "mean")]).to_pylist():
        metric = f"wa/{row['speaker_id'].rpartition('/')[2]}"
        found.setdefault(row["variant"], {}).setdefault(metric, {})[row["seed"], row["fold"]] = row["right_mean"]
    return found


def protocol(work: Work[TrainBeganOptions]) -> dict[str, Any]:
    """Folds, scaling, what became of the encoder, and the study's values."""
    encoder = work.made["encoder"]
    shown = ("chunks", "epochs", "last", "diversity", "collapse")
    return work.fold_facts(
        scaling=work.options.scaling.strategy,
        encoder={name: encoder[name] for name in shown} if encoder else None,
        tuned=work.made["study"].get("best"),
    )


def shown(options: TrainBeganOptions, curves: "pa.Table") -> "pa.Table":
    """The classifiers' curves; the encoder's have a figure of their own."""
    import pyarrow.compute as pc

    return curves.filter(pc.not_equal(curves["variant"], "encoder"))


def draw_encoder(work: Work[TrainBeganOptions], curves: "pa.Table") -> tuple[Any, Any]:
    """BEGAN's curves, and chunks, their reconstructions and generated chunks side by side."""
    from matplotlib.figure import Figure

    if not (encoder := work.made["encoder"]):
        return Figure(), Figure()
    from semiser.evaluation.plots import curves_figure, spectrograms_figure
    from semiser.systems.began.encoder import sample_chunks

    drawn = curves_figure(curves)
    said = f"collapsed: {encoder['collapse']}" if encoder["collapse"] else "M_global and k show no collapse"
    drawn.suptitle(f"{said}; diversity of generated chunks {encoder['diversity']:.3f}")
    chunks, folder = work.table("chunks", "variants"), Path(work.models, encoder["folder"])
    return drawn, spectrograms_figure(sample_chunks(chunks, always_unlabelled(work.folds), folder))


SYSTEM: System[TrainBeganOptions, VariantName] = System(
    name="began",
    title="BEGAN",
    paper="Pereira et al., Semi-supervised Model for Emotion Recognition in Speech (ICANN 2018)",
    options=TrainBeganOptions,
    tables=("chunks", "is10"),
    variants={
        "svm": "support vector machine on IS10 functionals",
        "no_encoder": "the classifier on the chunks themselves",
        "random_encoder": "a classifier on a frozen encoder of random weights",
        "from_scratch": "encoder and classifier trained together on labels alone",
        "began": "a classifier on the frozen encoder of an adversarial autoencoder",
        "began_paper_form": "convolutional layers on the last map of the same encoder, as the paper has them",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    shown=shown,
    stages=(Stage("encoder", train_encoder), Stage("study", tune, after=("encoder",))),
    products=(Product("encoder", ("encoder_figure", "chunks_figure"), draw_encoder, of=("encoder_curves",)),),
    dimensions=True,
    further=by_speaker,
)
