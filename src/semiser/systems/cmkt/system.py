"""CMKT + SSL, declared: the nine variants of its Tables 3 to 5, and the analyses of its Figure 4."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semiser.options.modalities import FRAME_FAMILIES
from semiser.systems.cmkt.options import TrainCmktOptions, VariantName
from semiser.systems.cmkt.sweeps import SWEEPS, VARIANT_OF, CmktSweepsOptions, SweepName
from semiser.systems.system import Job, Product, Sweeps, System, Work

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from semiser.training.experiment import Experiment, Features

# What the paper compares: its fusions with the rest, and each source of pseudo-labels with supervised learning.
_PAIRS = [
    *((fusion, other) for fusion in ("consistent_random", "weighted_fusion")
      for other in ("supervised", "fixmatch", "cmkt_labels", "dcmkt_finetuned")),
    *((other, "supervised") for other in ("fixmatch", "pi_model", "temporal_ensembling", "dcmkt_finetuned",
                                          "cmkt_labels")),
    ("consistent_random", "weighted_fusion"),
    *((f"{name}_unmasked", name) for name in ("supervised", "fixmatch", "pi_model", "temporal_ensembling")),
    *((f"{name}_unmasked", "supervised_unmasked")
      for name in ("fixmatch", "pi_model", "temporal_ensembling", "softmatch")),
]  # fmt: skip


def make_folds(work: Work[TrainCmktOptions]) -> "pa.Table":
    """Folds over the utterances that have the audio features and, where it is asked for, the visual knowledge."""
    from semiser.systems.cmkt.visual import keep_with_knowledge

    options = work.options
    folds = work.folds_over([_frames(work)], options.folds)
    if not options.unlabelled_with_knowledge or work.tables is None:  # in a plan every utterance has its features
        return folds
    return keep_with_knowledge(folds, work.utterances, work.table_if_on("expression"), options)


def _frames(work: Work[TrainCmktOptions]) -> "Dataset":
    """The table of frames.

    Raises:
        ValueError: the family is off, or was extracted as a vector per utterance.
    """
    table = work.table(work.options.input, "input")
    if work.tables is not None and "frames" not in table.schema.names:
        family = work.options.input
        raise ValueError(
            f"train_cmkt.input names {family}, which was extracted as one vector per utterance: set "
            f"features.{family}.pooling to frames and run `kedro run --pipelines=features`, or name another family"
        )
    return table


def read(work: Work[TrainCmktOptions], setting: None) -> "Experiment":
    """Frames of every utterance, and visual knowledge of the unlabelled ones."""
    import numpy as np
    import pyarrow.compute as pc

    from semiser.data.frames import read_frames
    from semiser.systems.cmkt.visual import read_knowledge

    folds, utterances, options = work.folds, work.utterances, work.options
    heard = set(folds.filter(pc.not_equal(folds["role"], "unlabelled"))["utterance_id"].to_pylist())
    speaker_of = dict(zip(utterances["utterance_id"].to_pylist(), utterances["speaker_id"].to_pylist(), strict=True))

    def features(ids: list[str]) -> "Features":
        kept = np.array([name in heard for name in ids])
        visual = read_knowledge(folds, utterances, work.table_if_on("expression"), ids, options)
        speakers = [speaker_of[name] for name in ids]
        return read_frames(
            _frames(work), options.input, ids, kept, visual,
            pool=options.pool_frames, speakers=speakers if options.scaling == "speaker" else None,
            memory_mib=options.memory_mib, block_rows=options.block_rows,
        )  # fmt: skip

    return work.open(features)


def jobs(work: Work[TrainCmktOptions], variant: VariantName) -> Iterator[Job]:
    """A variant is one training."""
    from semiser.systems.cmkt.fit import fit

    yield Job(variant, fit, work.options.neural(variant))


def sweep_jobs(work: Work[TrainCmktOptions], sweeps: CmktSweepsOptions, sweep: SweepName) -> Iterator[Job]:
    """A fusion with every value of its option."""
    from semiser.systems.cmkt.fit import fit

    for name, chosen in sweeps.settings(sweep, work.options):
        yield Job(f"{VARIANT_OF[sweep]}/{sweep}={name}", fit, chosen)


def protocol(work: Work[TrainCmktOptions]) -> dict[str, Any]:
    """Folds, input, and where the visual knowledge comes from."""
    import pyarrow.compute as pc

    from semiser.systems.cmkt.visual import knowledge_facts, read_knowledge

    options, ids = work.options, pc.unique(work.folds["utterance_id"]).to_pylist()
    visual = read_knowledge(work.folds, work.utterances, work.table_if_on("expression"), ids, options)
    facts = work.fold_facts(input=options.input, pool_frames=options.pool_frames, scaling=options.scaling)
    return facts | knowledge_facts(work.folds, visual, ids, options, work.table_if_on("expression"))


def pairs(options: TrainCmktOptions, variants: Sequence[str]) -> list[tuple[str, str]]:
    """Those of the paper's pairs that were trained."""
    return [pair for pair in _PAIRS if set(pair) <= set(variants)]


def measure_pseudo_labels(work: Work[TrainCmktOptions], models: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Share kept and precision of the pseudo-labels by variant, epoch and class: counts, and drawn."""
    from semiser.folds.table import protocol_facts
    from semiser.systems.cmkt.fit import PSEUDO_LABELS
    from semiser.systems.cmkt.pseudo_labels import PseudoLabelRun, count_pseudo_labels, pseudo_label_figure

    runs = [
        PseudoLabelRun(row["variant"], row["fold"], Path(work.models, row["folder"], PSEUDO_LABELS)) for row in models
    ]
    kept = [run for run in runs if run.path.exists()]  # a variant without pseudo-labels leaves none
    counts = count_pseudo_labels(work.folds, kept, protocol_facts(work.folds)["classes"])
    return counts, pseudo_label_figure(counts)


SYSTEM: System[TrainCmktOptions, VariantName] = System(
    name="cmkt",
    title="CMKT + SSL",
    paper="Zhang et al., Combining cross-modal knowledge transfer and semi-supervised learning (KBS 2021)",
    options=TrainCmktOptions,
    tables=(*FRAME_FAMILIES, "expression"),
    variants={
        "supervised": "labelled speech alone",
        "fixmatch": "pseudo-labels of the network itself, where it is confident",
        "pi_model": "consistency of two noisy passes",
        "temporal_ensembling": "consistency with the average of earlier passes",
        "dcmkt": "the face's pseudo-labels alone",
        "dcmkt_finetuned": "dcmkt, then labelled speech",
        "cmkt_labels": "labelled speech and the face's pseudo-labels together",
        "consistent_random": "voice and face: kept where they agree, else one of them at random",
        "weighted_fusion": "voice and face: the weighted sum of both, where it is confident",
        "supervised_unmasked": "ours: supervised without SpecAugment",
        "fixmatch_unmasked": "ours: fixmatch without SpecAugment",
        "pi_model_unmasked": "ours: pi_model without SpecAugment",
        "temporal_ensembling_unmasked": "ours: temporal_ensembling without SpecAugment",
        "softmatch_unmasked": "ours: weighed guesses, taught on utterances with bands of another one",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    pairs=pairs,
    products=(
        Product(
            "pseudo_labels", ("pseudo_labels_table", "pseudo_labels_figure"), measure_pseudo_labels, of=("models",)
        ),
    ),
    sweeps=Sweeps(CmktSweepsOptions, SWEEPS, sweep_jobs),
)
