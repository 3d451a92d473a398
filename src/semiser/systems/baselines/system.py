"""The plain references, declared: what every published system must beat, on any features."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from semiser.options.modalities import MODALITY_FAMILIES
from semiser.systems.baselines.train_options import TrainBaselinesOptions, VariantName
from semiser.systems.on_vectors import make_folds, protocol, read
from semiser.systems.system import Job, System, Work

if TYPE_CHECKING:
    from semiser.training.experiment import Fit


def jobs(work: Work[TrainBaselinesOptions], variant: VariantName) -> Iterator[Job]:
    """A training for each set of features."""
    from semiser.systems.baselines import linear, neighbours, svm
    from semiser.systems.mmmd.fit import fit as fit_network
    from semiser.systems.mmmd.options import MmmdOptions

    fits: dict[str, Fit] = {
        "svm": svm.fit,
        "linear_svm": svm.fit,
        "logistic": linear.fit_logistic,
        "knn": neighbours.fit_knn,
        "self_training": linear.fit_self_training,
        "label_spreading": neighbours.fit_label_spreading,
    }
    options = getattr(work.options, variant)
    for ending, features in work.options.feature_sets.items():
        if variant == "mlp":
            yield Job(f"mlp{ending}", fit_network, MmmdOptions(network=options), features)
        else:
            yield Job(f"{variant}{ending}", fits[variant], options, features, alone=True)


SYSTEM: System[TrainBaselinesOptions, VariantName] = System(
    name="baselines",
    title="Baselines",
    options=TrainBaselinesOptions,
    tables=MODALITY_FAMILIES,
    variants={
        "svm": "support vector machine with an RBF kernel",
        "linear_svm": "support vector machine with a linear kernel",
        "logistic": "logistic regression",
        "knn": "the nearest neighbours, by Euclidean distance",
        "mlp": "a network of two hidden layers",
        "self_training": "logistic regression that labels the unlabelled utterances it is sure of, and trains again",
        "label_spreading": "labels spread over a graph of neighbours of labelled and unlabelled utterances",
    },
    make_folds=make_folds,
    read=read,
    jobs=jobs,
    protocol=protocol,
    kept=lambda options: len(options.feature_sets),
)
