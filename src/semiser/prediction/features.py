"""Features of new utterances, by the families and options of a model's training, read back block by block."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from semiser.data.tables import row_arrays
from semiser.features.family import Family
from semiser.features.registry import AUDIO, TEXT, VIDEO, make_families
from semiser.features.word_vectors import find_word_vectors
from semiser.options.base import Options
from semiser.options.engine import EngineOptions
from semiser.options.family import FamilyOptions
from semiser.options.features import FeaturesOptions, ShardOptions
from semiser.plugins import VARIABLE
from semiser.prediction.sources import CORPUS, Sources
from semiser.shards.engine import make_engine
from semiser.shards.engine_protocol import PoolKind, Result, Task, WorkerLost
from semiser.shards.extract import extract

logger = logging.getLogger(__name__)

# What cannot be used becomes a row, not an end; a shard of the store is compared with its checksums before it is read.
SHARDS = ShardOptions(utterances=50, max_quarantined_share=1.0, verify=True)


def make_family(facts: Mapping[str, Any], features: FeaturesOptions, word_vectors: str | Path) -> Family:
    """The family that made a feature in training, with its options.

    Args:
        facts: family, version, options and libraries, as the model's card has them.
        features: says where a family finds its files on this machine (weights, dictionaries), of which a card has the
            hashes alone; nothing else of it counts.
        word_vectors: for the family word2vec, the file of its vectors or a folder of such files.

    Raises:
        ValueError: this semiser's family computes other values, or weights or word vectors are others than in training.
        FileNotFoundError: weights or word vectors are missing.
    """
    name = facts["family"]
    if name not in (known := (*AUDIO, *TEXT, *VIDEO)):
        raise ValueError(
            f"the model needs the family {name!r}, and there are {', '.join(known)}: where it is one of your own, "
            f"install its package or name its file in {VARIABLE}"
        )
    own = getattr(features, name)
    try:
        options = FeaturesOptions.model_validate({"extract": [name], name: with_places(facts["options"], own)})
    except ValidationError as error:
        missing = ", ".join(f"features.{'.'.join(map(str, problem['loc']))}" for problem in error.errors())
        raise ValueError(
            f"the model needs the family {name}, and {missing} is missing or wrong here: say in the options of "
            "features where its files are; they must be those of the training"
        ) from error
    arguments = {}
    if name == "word2vec":
        arguments[name] = find_word_vectors(str(word_vectors), facts["options"]["vectors_sha256"])
    family = make_families((name,), options, arguments)[name]
    assert family, "it is on"
    if family.version != facts["version"]:
        raise ValueError(
            f"the model was trained on version {facts['version']} of the family {name}, this semiser computes version "
            f"{family.version}: train it again, or predict with the semiser that trained it"
        )
    if (found := family.options.model_dump(mode="json")) != facts["options"]:
        differing = ", ".join(key for key in found if found[key] != facts["options"].get(key))
        raise ValueError(
            f"features.{name}: the files named here make other options ({differing}) than the model was trained with: "
            "name those of the training, and none where it had none"
        )
    for library, trained_with in facts.get("libraries", {}).items():
        try:
            here = version(library)
        except PackageNotFoundError as error:
            raise ValueError(f"the model's family {name} needs {library}, which is not installed") from error
        if here != trained_with:
            logger.warning("%s: trained with %s %s, computed now with %s", name, library, trained_with, here)
    return family


def with_places(options: Mapping[str, Any], own: Options | None) -> dict[str, Any]:
    """A card's options with the places of files of this machine, which are no part of it, at every depth."""
    places: dict[str, Any] = {}
    for name, field in (type(own).model_fields if own else {}).items():
        value = getattr(own, name)
        if isinstance(value, Options) and isinstance(options.get(name), Mapping):
            places[name] = with_places(options[name], value)
        elif field.exclude and name not in FamilyOptions.model_fields:
            places[name] = value
    return {**options, **places}


@dataclass(frozen=True)
class Block:
    """Some utterances that have every feature.

    Attributes:
        rows: of `utterances`.
        features: column to one array per utterance, see `semiser.prediction.loaded.Features`.
        missing: what is not known of each and stands as zeros, such as `known_word` or `accent`.
    """

    rows: list[dict[str, Any]]
    features: dict[str, list[np.ndarray]]
    missing: list[list[str]]


class ComputedFeatures:
    """The features of all utterances of some sources, in shards of a store."""

    def __init__(self, families: Sequence[Family], sources: Sources, store: str | Path, engine: EngineOptions):
        """Compute what the store lacks.

        Args:
            families: that the model needs.
            sources: the utterances.
            store: folder for the shards; what it holds with the same options and files is not computed again.
            engine: how wide; a single shard is computed in this process, whose start a worker would double.

        Raises:
            ValueError: the store is no folder.
        """
        if os.path.lexists(store) and not os.path.isdir(store):
            raise ValueError(f"the store {store} is no folder, or a link to none: name a folder, there or to be made")
        utterances = sources.utterances
        runs_on = InProcess() if utterances.num_rows <= SHARDS.utterances else make_engine(engine)
        self._receipts = extract(families, str(store), utterances, {CORPUS: str(sources.root)}, runs_on, SHARDS)
        self._rows = {row["utterance_id"]: row for row in utterances.to_pylist()}
        self._families = families

    def blocks(self, columns: Mapping[str, str]) -> Iterator[Block]:
        """The utterances that have a row in every family, block by block; no more than a block is held.

        Args:
            columns: feature columns to read, each with its family; without one, rows alone.
        """
        paths = {
            family: {shard.place: f"{receipt.folder}/{shard.path}" for shard in receipt.shards}
            for family, receipt in self._receipts.items()
        }
        for place in sorted(set.intersection(*(set(of) for of in paths.values()))):
            tables = {family: _read(of[place], family, columns) for family, of in paths.items()}
            ids = sorted(set.intersection(*(set(table["utterance_id"].to_pylist()) for table in tables.values())))
            if ids:
                features = {column: _by_utterance(tables[family], column, ids) for column, family in columns.items()}
                yield Block([self._rows[name] for name in ids], features, _missing(tables.values(), columns, ids))

    def refused(self, usable: set[str]) -> Iterator[tuple[dict[str, Any], str]]:
        """The other utterances, each with the reason."""
        reasons = {
            unusable["utterance_id"]: f"{name}: {unusable['reason']}"
            for name, receipt in self._receipts.items()
            for shard in receipt.shards
            for unusable in shard.unusable
        }
        passed_over = [family for family in self._families if not self._receipts[family.name].shards]
        general = "; ".join(f"{family.name} needs {family.requires}, which nothing here has" for family in passed_over)
        for name, row in self._rows.items():
            if name not in usable:
                yield row, reasons.get(name) or general or "a feature family gave no row for it"


class InProcess:
    """An engine that runs task after task where it is called."""

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], pool: PoolKind
    ) -> Iterator[tuple[Task, Result | WorkerLost]]:
        """See `semiser.shards.engine_protocol.Engine.map`."""
        for task in tasks:
            yield task, function(task)


def _read(path: str, family: str, columns: Mapping[str, str]) -> pa.Table:
    """A family's columns of a shard, and its flags."""
    schema = pq.read_schema(path)
    flags = [field.name for field in schema if pa.types.is_boolean(field.type) and field.name.startswith("no_")]
    wanted = [column for column, of_family in columns.items() if of_family == family]
    return pq.read_table(path, columns=["utterance_id", *flags, *wanted])


def _by_utterance(table: pa.Table, column: str, ids: Sequence[str]) -> list[np.ndarray]:
    """One array per utterance, see `semiser.prediction.loaded.Features`."""
    owners = table["utterance_id"].to_numpy()
    matrices = row_arrays(table.schema.field(column), table[column].combine_chunks())
    order = np.argsort(owners, kind="stable")
    ends = [np.searchsorted(owners[order], np.asarray(ids, dtype=object), side) for side in ("left", "right")]
    return [np.concatenate([matrices[row] for row in order[first:last]]) for first, last in zip(*ends, strict=True)]


def _missing(tables: Iterable[pa.Table], columns: Mapping[str, str], ids: Sequence[str]) -> list[list[str]]:
    """The flags `no_<what>` that are set, less those of columns that nobody reads (an accent, where topics are)."""
    missing: dict[str, list[str]] = {name: [] for name in ids}
    for table in tables:
        for flag in (name for name in table.column_names if name.startswith("no_")):
            what = flag.removeprefix("no_")
            if what in columns or what == "known_word":
                for owner in table.filter(pc.equal(table[flag], True))["utterance_id"].to_pylist():
                    if owner in missing:
                        missing[owner].append(what)
    return [missing[name] for name in ids]
