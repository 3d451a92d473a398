"""What systems share whose utterances are vectors: which features, over whom, and how they are read."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from semiser.folds.options import FoldOptions
from semiser.options.base import Options
from semiser.options.modalities import (
    ATTRIBUTES,
    SocialAttribute,
    Statistic,
    families_of,
    family_of_column,
    feature_columns,
)
from semiser.options.training import ScalingOptions, SystemOptions

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from semiser.systems.system import Work
    from semiser.training.experiment import Experiment


_SHARE = 0.75  # of a GPU's free memory that unlabelled vectors may take


class FeatureSet(Options):
    """Features that a training reads.

    Attributes:
        modalities: which take part.
        social: the attributes, where social is one of them.
    """

    modalities: tuple[str, ...] = Field(min_length=1)
    social: tuple[SocialAttribute, ...] = ATTRIBUTES

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns that are read, in the order in which they stand side by side."""
        return feature_columns(self.modalities, self.social)


class OnVectorsOptions(SystemOptions):
    """Options of a system whose utterances are vectors.

    Attributes:
        folds: who is trained on, validated and tested, and who is acted.
        scaling: how features are standardised.
        modalities: which features are read: acoustic, text and social, as MMMD's paper has them, or any family of
            vectors or frames by its name. Compact bilinear pooling joins the paths of sound and picture with the
            textual and social ones.
        modality_sets: several such sets in one run, over the utterances that have the features of all: every variant
            is trained on each, as `<variant>/modalities=acoustic+text`. None: on `modalities` alone, as `<variant>`.
        social: which social attributes the modality social has.
        pooling: statistics over time that make a vector of a modality that is frames, segments or chunks.
        unlabelled_in_memory_mb: utterances that are unlabelled in every fold are streamed from their shards in every
            epoch where their features are larger than this, or than three quarters of what is free on a GPU; 0 streams
            them always.
        block_rows: streamed utterances that are shuffled with each other; two such blocks are in memory.
    """

    folds: FoldOptions
    scaling: ScalingOptions = ScalingOptions()
    modalities: tuple[str, ...] = Field(default=("acoustic",), min_length=1)
    modality_sets: tuple[tuple[str, ...], ...] | None = Field(default=None, min_length=1)
    social: tuple[SocialAttribute, ...] = Field(default=ATTRIBUTES, min_length=1)
    pooling: tuple[Statistic, ...] = Field(default=("mean", "std"), min_length=1)
    unlabelled_in_memory_mb: float = Field(default=4096.0, ge=0)
    block_rows: int = Field(default=4096, ge=1)

    @property
    def feature_sets(self) -> dict[str, FeatureSet | None]:
        """What a variant is trained on: the end of the training's name to its features; None where there is one."""
        if self.modality_sets is None:
            return {"": None}
        return {
            f"/modalities={'+'.join(chosen)}": FeatureSet(modalities=chosen, social=self.social)
            for chosen in self.modality_sets
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature columns that are read, in the order in which they stand side by side."""
        sets = self.modality_sets or (self.modalities,)
        return feature_columns(tuple(dict.fromkeys(name for chosen in sets for name in chosen)), self.social)

    def families(self) -> tuple[str, ...]:
        """The feature families that the trainings need."""
        return families_of(self.columns)

    @model_validator(mode="after")
    def _modalities_are_known(self) -> "OnVectorsOptions":
        feature_columns(self.modalities, self.social)
        return self


def make_folds(work: "Work", options: FoldOptions | None = None, beside: "Iterable[Dataset]" = ()) -> "pa.Table":
    """Folds over the utterances that have the features of every modality.

    Args:
        work: of the system.
        options: of the folds; None: those of the system's options.
        beside: further tables in which an utterance must have a row.
    """
    tables = [*_tables(work, work.options.columns).values(), *beside]
    return work.folds_over(tables, options or work.options.folds)


def read(work: "Work", setting: FeatureSet | None, folds: "pa.Table | None" = None) -> "Experiment":
    """Vectors of the modalities side by side, those of the setting where there is one; one-hot vectors as they are.

    Args:
        work: whose folds together say what is kept in memory.
        setting: which modalities; None: those of the options.
        folds: those of one experiment, where the work has several.
    """
    from semiser.data.streamed import read_vectors
    from semiser.devices import free_bytes
    from semiser.training.run import device_of

    options = work.options
    tables = _tables(work, options.columns if setting is None else setting.columns)
    on_device_mb = _SHARE * free_bytes(device_of(work.training)) / 1e6
    limits = min(options.unlabelled_in_memory_mb, on_device_mb), options.block_rows
    return work.open(
        lambda ids: read_vectors(tables, ids, work.folds, options.scaling, ATTRIBUTES, *limits, options.pooling),
        folds,
    )


def protocol(work: "Work") -> dict[str, Any]:
    """Folds, scaling and modalities; those of several sets stand in the trainings' names."""
    options = work.options
    facts = {"modalities": options.modalities} if options.modality_sets is None else {}
    return work.fold_facts(scaling=options.scaling.strategy, **facts)


def _tables(work: "Work", columns: tuple[str, ...]) -> "dict[str, Dataset]":
    return {column: work.table(family_of_column(column), "modalities") for column in columns}
