"""MMMD, declared: variants of its Table 1, and the analyses of its Figure 5."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from semiser.options.modalities import MODALITY_FAMILIES
from semiser.systems.mmmd.options import NEED_ACTED, TrainMmmdOptions, VariantName
from semiser.systems.mmmd.sweeps import SWEEPS, MmmdSweepsOptions, SweepName
from semiser.systems.on_vectors import make_folds, protocol
from semiser.systems.on_vectors import read as read_vectors
from semiser.systems.system import Job, Sweeps, System, Work

if TYPE_CHECKING:
    from semiser.systems.on_vectors import FeatureSet
    from semiser.training.experiment import Experiment

logger = logging.getLogger(__name__)


def read(work: Work[TrainMmmdOptions], setting: "FeatureSet | None") -> "Experiment":
    """Vectors of the modalities side by side; says which variants the corpora do not allow."""
    if not work.options.folds.acted:
        logger.info("no acted speech (folds.acted): %s are not trained", " and ".join(NEED_ACTED))
    return read_vectors(work, setting)


def jobs(work: Work[TrainMmmdOptions], variant: VariantName) -> Iterator[Job]:
    """A training for each set of features."""
    from semiser.systems.baselines import svm
    from semiser.systems.mmmd import guarded
    from semiser.systems.mmmd.fit import fit

    for ending, features in work.options.feature_sets.items():
        if variant == "svm":
            yield Job(f"svm{ending}", svm.fit, work.options.svm, features, alone=True)
        elif several := work.options.guarded(variant):
            yield Job(f"{variant}{ending}", guarded.fit, several, features)
        else:
            yield Job(f"{variant}{ending}", fit, work.options.neural(variant), features)


def sweep_jobs(work: Work[TrainMmmdOptions], sweeps: MmmdSweepsOptions, sweep: SweepName) -> Iterator[Job]:
    """The variant of the sweeps in every setting of one."""
    from semiser.systems.mmmd.fit import fit

    for name, chosen, features in sweeps.settings(sweep, work.options):
        yield Job(f"{sweeps.variant_of(sweep)}/{sweep}={name}", fit, sweeps.neural(sweep, chosen), features)


SYSTEM: System[TrainMmmdOptions, VariantName] = System(
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
        "mixmatch_aligned": "mixmatch, guessing each class as often as it is labelled (ours)",
        "mixmatch_guarded": "dnn and mixmatch_aligned, mixed as labels say that these networks have not seen (ours)",
        "mmmd_aligned": "mmd with MixMatch, guessing each class as often as it is labelled (ours)",
        "mmmd_guarded": "mmd and mmmd_aligned, mixed as labels say that these networks have not seen (ours)",
        "softmatch": "dnn, taught by its own guesses on corrupted vectors, as far as they are sure (SoftMatch)",
        "softmatch_guarded": "dnn and softmatch, mixed as labels say that these networks have not seen (ours)",
        "softmatch_half": "dnn and softmatch, half of each (ours)",
        "mmmd_softmatch": "mmd, taught by its own guesses on corrupted vectors, as far as they are sure (ours)",
        "mmmd_half": "mmd and mmmd_softmatch, half of each (ours)",
        "dnn_members": "the networks of mixmatch_guarded that see labels alone (ours)",
        "mmd_members": "the networks of mmmd_guarded that see labels alone (ours)",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    sweeps=Sweeps(MmmdSweepsOptions, SWEEPS, sweep_jobs, metric="macro_f1"),
    kept=lambda options: len(options.feature_sets),
)
