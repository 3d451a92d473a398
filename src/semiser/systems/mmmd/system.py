"""MMMD, declared: variants of its Table 1, and the analyses of its Figure 5."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from semiser.options.modalities import ATTRIBUTES, MODALITY_FAMILIES, family_of_column
from semiser.systems.mmmd.options import NEED_ACTED, FeatureSet, TrainMmmdOptions
from semiser.systems.mmmd.sweeps import SWEEPS, MmmdSweepsOptions, SweepName
from semiser.systems.system import Job, Sweeps, System, Work

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)


def make_folds(work: Work) -> "pa.Table":
    """Folds over the utterances that have the features of every modality."""
    return work.folds_over(_tables(work, work.options.columns).values(), work.options.folds)


def read(work: Work, setting: FeatureSet | None) -> "Experiment":
    """Vectors of the modalities side by side, those of the setting where there is one; one-hot vectors as they are."""
    from semiser.data.streamed import read_vectors

    options = work.options
    if not options.folds.acted:
        logger.info("no acted speech (folds.acted): %s are not trained", " and ".join(NEED_ACTED))
    tables = _tables(work, options.columns if setting is None else setting.columns)
    limits = options.unlabelled_in_memory_mb, options.block_rows
    return work.open(
        lambda ids: read_vectors(tables, ids, work.folds, options.scaling, ATTRIBUTES, *limits, options.pooling)
    )


def _tables(work: Work, columns: tuple[str, ...]) -> "dict[str, Dataset]":
    return {column: work.table(family_of_column(column), "modalities") for column in columns}


def jobs(work: Work, variant: str) -> Iterator[Job]:
    """A training for each set of features."""
    from semiser.systems.baselines import svm
    from semiser.systems.mmmd.fit import fit

    for ending, features in work.options.feature_sets.items():
        if variant == "svm":
            yield Job(f"svm{ending}", svm.fit, work.options.svm, features, alone=True)
        else:
            yield Job(f"{variant}{ending}", fit, work.options.neural(variant), features)


def sweep_jobs(work: Work, sweeps: MmmdSweepsOptions, sweep: SweepName) -> Iterator[Job]:
    """The variant of the sweeps in every setting of one."""
    from semiser.systems.mmmd.fit import fit

    for name, chosen, features in sweeps.settings(sweep, work.options):
        yield Job(f"{sweeps.variant_of(sweep)}/{sweep}={name}", fit, sweeps.neural(sweep, chosen), features)


def protocol(work: Work) -> dict[str, Any]:
    """Folds, scaling and modalities; those of several sets stand in the trainings' names."""
    options = work.options
    facts = {"modalities": options.modalities} if options.modality_sets is None else {}
    return work.fold_facts(scaling=options.scaling.strategy, **facts)


SYSTEM = System(
    name="mmmd",
    title="MMMD",
    paper="Zhou et al., Inferring Emotion from Large-scale Internet Voice Data (AAAI 2021)",
    options=TrainMmmdOptions,
    tables=MODALITY_FAMILIES,
    variants={
        "svm": "support vector machine on the same features, folds and scaling",
        "dnn": "one network on all features, labels alone",
        "sae": "dnn, pre-trained as a stacked denoising autoencoder on all target speech",
        "mixmatch": "dnn with MixMatch on unlabelled target speech",
        "mmd": "a network per feature path and one over all of them, labels alone",
        "mmmd_without_acted": "mmd with MixMatch, no acted speech",
        "mmmd_with_acted": "mmd with MixMatch, acted speech among the labelled",
        "mmmd_epoch_wise": "mmd with MixMatch, acted speech first in every epoch",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    sweeps=Sweeps(MmmdSweepsOptions, SWEEPS, sweep_jobs, metric="macro_f1"),
    kept=lambda options: len(options.feature_sets),
)
