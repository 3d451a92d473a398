"""BEGAN, declared: classifiers on its encoder and on others, beside an SVM on functionals."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semiser.systems.began.options import DIMENSIONS, TrainBeganOptions
from semiser.systems.system import Job, Product, Stage, System, Work

if TYPE_CHECKING:
    import pyarrow as pa

    from semiser.training.experiment import Experiment, Features

FROM_SCRATCH, FUNCTIONALS = "from_scratch", "functionals"  # settings; any other is the folder of a frozen encoder


def make_folds(work: Work) -> "pa.Table":
    """Folds over the utterances that have chunks and, for the SVM, IS10 features."""
    tables = [work.table(name, "variants") for name in work.options.families()]
    return work.folds_over(tables, work.options.folds)


def train_encoder(work: Work) -> tuple[dict[str, Any], "pa.Table | None"]:
    """BEGAN on the utterances that are unlabelled in every fold: its card and curves; empty where no variant needs it.

    Raises:
        ValueError: no utterance is unlabelled in every fold.
    """
    if "began" not in work.options.variants:
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
    counts = rows.group_by("utterance_id").aggregate([("fold", "count")])
    everywhere = pc.equal(counts["fold_count"], len(pc.unique(folds["fold"])))
    found = sorted(counts.filter(everywhere)["utterance_id"].to_pylist())
    if not found:
        raise ValueError(
            "no utterance is unlabelled in every fold: BEGAN has nothing to learn from; name a corpus in "
            "train_began.folds.unlabelled_corpora, or take began out of variants"
        )
    return found


def tune(work: Work) -> tuple[dict[str, Any], None]:
    """The study on validation speakers: the classifier's best values for the emotions; {} where it is off."""
    if work.options.tune is None:
        return {}, None
    from semiser.systems.began.study import tune

    return tune(work, read), None


def read(work: Work, setting: str) -> "Experiment":
    """Feature maps of a frozen encoder, or chunks, or functionals, of the utterances that are not unlabelled."""
    import pyarrow.compute as pc

    from semiser.data.samples import read_samples
    from semiser.data.streamed import read_vectors
    from semiser.systems.began.classifier import read_maps
    from semiser.systems.began.dimensions import read_dimensions
    from semiser.systems.began.encoder import COLUMN, load_feature_map
    from semiser.training.run import device_of

    options, chunks = work.options, work.table("chunks", "variants")
    labelled = work.folds.filter(pc.not_equal(work.folds["role"], "unlabelled"))

    def features(ids: list[str]) -> "Features":
        if setting == FUNCTIONALS:
            return read_vectors({"is10": work.table("is10", "variants")}, ids, labelled, options.scaling)
        wanted = "dimensions" in options.tasks
        about = {"dimensions": read_dimensions(work.utterances, ids, DIMENSIONS)} if wanted else {}
        if setting == FROM_SCRATCH:
            return read_samples({COLUMN: chunks}, ids, about=about, scaling=options.scaling, band_axis=0)
        device = device_of(work.training)
        frozen = load_feature_map(Path(work.models, setting), options.stage, options.cepstrum).to(device)
        return read_maps(chunks, ids, frozen, options.scaling, about, device)

    return work.open(features, labelled)


def jobs(work: Work, variant: str) -> Iterator[Job]:
    """A classifier per task on the variant's encoder; random encoders are one per seed."""
    if variant == "svm":
        from semiser.systems.baselines import svm

        yield Job(variant, svm.fit, work.options.svm, FUNCTIONALS, alone=True)
    elif variant == "from_scratch":
        yield from _classifiers(work, variant, FROM_SCRATCH, work.training.seeds)
    elif variant == "began":
        yield from _classifiers(work, variant, work.made["encoder"]["folder"], work.training.seeds)
    else:
        from semiser.systems.began.encoder import chunk_shape, save_random_encoder

        shape = chunk_shape(work.table("chunks", "variants"))
        for seed in work.training.seeds:
            folder = save_random_encoder(shape, work.options.encoder.network, work.training, seed, Path(work.models))
            yield from _classifiers(work, variant, folder, (seed,))


def _classifiers(work: Work, variant: str, setting: str, seeds: tuple[int, ...]) -> Iterator[Job]:
    from semiser.systems.began.classifier import fit
    from semiser.systems.began.dimensions import dimension_table

    study = work.made["study"]
    options = work.options.tuned(study["best"]) if study else work.options
    shape = input_shape(work, setting)
    for task in options.tasks:
        numbers = task == "dimensions"
        yield Job(
            f"{variant}/task={task}" if numbers else variant,
            fit,
            options.fit_options(task, shape, None if setting == FROM_SCRATCH else setting),
            setting,
            seeds,
            dimension_table(work.utterances, DIMENSIONS) if numbers else None,
        )


def input_shape(work: Work, setting: str) -> tuple[int, ...]:
    """Shape of what a classifier gets: of a feature map, or of a chunk."""
    from semiser.systems.began.encoder import chunk_shape, load_feature_map

    if setting == FROM_SCRATCH:
        return chunk_shape(work.table("chunks", "variants"))
    return load_feature_map(Path(work.models, setting), work.options.stage, work.options.cepstrum).map_shape


def protocol(work: Work) -> dict[str, Any]:
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


def draw_encoder(work: Work, curves: "pa.Table") -> tuple[Any, Any]:
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


SYSTEM = System(
    name="began",
    title="BEGAN",
    paper="Pereira et al., Semi-supervised Model for Emotion Recognition in Speech (ICANN 2018)",
    options=TrainBeganOptions,
    tables=("chunks", "is10"),
    variants={
        "svm": "support vector machine on IS10 functionals",
        "random_encoder": "a classifier on a frozen encoder of random weights",
        "from_scratch": "encoder and classifier trained together on labels alone",
        "began": "a classifier on the frozen encoder of an adversarial autoencoder",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    shown=shown,
    stages=(Stage("encoder", train_encoder), Stage("study", tune, after=("encoder",))),
    products=(Product("encoder", ("encoder_figure", "chunks_figure"), draw_encoder, of=("encoder_curves",)),),
    dimensions=True,
)
