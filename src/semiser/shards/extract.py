"""The shard map: feature families over shards of utterances, skipping every shard that is complete and matches."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from semiser.corpora.utterance import QUARANTINE_SCHEMA
from semiser.errors import TooManyUnusable, Unusable
from semiser.features.family import Family, Source
from semiser.options.features import ShardOptions
from semiser.progress import progress
from semiser.shards.engine import Engine
from semiser.shards.store import Receipt, ShardedTable, ShardReport, ShardWriter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One family's share of a task: the shard it is to write."""

    family: Family
    table: str
    name: str
    key: str


@dataclass(frozen=True)
class ShardTask:
    """One shard of utterances for the families that miss it: what a worker needs to compute and write."""

    utterances: pa.Table
    root: Path
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        ids = self.utterances["utterance_id"]
        families = ", ".join(part.family.name for part in self.parts)
        return f"{families} of shard {self.parts[0].name} (utterances {ids[0]} to {ids[-1]})"


def extract(
    families: Iterable[Family],
    store: str,
    utterances: pa.Table,
    roots: Mapping[str, str],
    engine: Engine,
    options: ShardOptions,
) -> dict[str, Receipt]:
    """Compute families for all utterances, shard by shard; what is complete and matches is not computed again.

    The families share one pass: an utterance is decoded once for all that miss its shard.

    Args:
        families: with their options.
        store: folder of the feature tables. A table's manifest is withdrawn while there is work on it, and written
            by `ShardedTable.commit`.
        utterances: rows of `utterances`; each family takes those of its `options.corpora`.
        roots: folder of each corpus.
        engine: runs the shards.
        options: shard size and the share of unusable utterances that stops the run.

    Returns:
        Family name to the receipt to commit, shards in order.

    Raises:
        TooManyUnusable: a family has no value for more than the allowed share of a corpus; the error gives reasons.
    """
    families = list(families)
    tables = {family.name: ShardedTable(f"{store}/{family.name}") for family in families}
    tasks = list(_tasks(families, tables, utterances, roots, options))
    reports = {(part.family.name, part.name): tables[part.family.name].report(part.name, part.key)
               for task in tasks for part in task.parts}  # fmt: skip
    missing = [missed for task in tasks if (missed := _missed(task, reports))]
    _announce(families, reports)
    for name in {part.family.name for task in missing for part in task.parts}:
        tables[name].open_for_work()
    for part, report in _run(missing, families, engine):
        reports[part.family.name, part.name] = report
    receipts = {}
    for family in families:
        shards = [report for (name, _), report in reports.items() if name == family.name]
        _check_share(family, shards, utterances, options)
        receipts[family.name] = Receipt(tables[family.name].path, family_facts(family), shards)
    return receipts


def extract_group(
    families: Mapping[str, Family | None],
    store: str,
    utterances: pa.Table,
    roots: Mapping[str, str],
    engine: Engine,
    options: ShardOptions,
) -> list[Receipt]:
    """`extract` for the families that are switched on; a receipt for every name, empty for one that is off (None)."""
    active = [family for family in families.values() if family]
    receipts = extract(active, store, utterances, roots, engine, options) if active else {}
    return [receipts.get(name) or Receipt(f"{store}/{name}", {"family": name}, []) for name in families]


def _tasks(
    families: list[Family], tables: Mapping[str, ShardedTable], utterances: pa.Table, roots: Mapping[str, str],
    options: ShardOptions,
) -> Iterator[ShardTask]:  # fmt: skip
    """Every shard of every corpus, in the fixed order that shards are cut in: corpora and ids sorted."""
    ordered = utterances.sort_by([("corpus", "ascending"), ("utterance_id", "ascending")])
    for corpus in pc.unique(ordered["corpus"]).to_pylist():
        rows = ordered.filter(pc.equal(ordered["corpus"], corpus))
        wanting = [family for family in families if _wants(family, corpus, rows)]
        for number, start in enumerate(range(0, rows.num_rows if wanting else 0, options.utterances)):
            shard = rows.slice(start, options.utterances)
            name = f"{corpus}/{number:05d}.parquet"
            parts = (Part(family, tables[family.name].path, name, shard_key(family, shard)) for family in wanting)
            yield ShardTask(shard, Path(roots[corpus]), tuple(parts))


def _wants(family: Family, corpus: str, rows: pa.Table) -> bool:
    """Whether a family is asked for on a corpus, and the corpus has what the family cannot do without."""
    if corpus not in (family.options.corpora or [corpus]):
        return False
    if family.requires and rows[family.requires].null_count == rows.num_rows:
        logger.info("%s: passed over for corpus %s, which has no %s", family.name, corpus, family.requires)
        return False
    return True


def _missed(task: ShardTask, reports: Mapping) -> ShardTask | None:
    """The task less the parts that are complete; None where all are."""
    parts = tuple(part for part in task.parts if reports[part.family.name, part.name] is None)
    return ShardTask(task.utterances, task.root, parts) if parts else None


def _announce(families: list[Family], reports: Mapping) -> None:
    for family in families:
        shards = [report is not None for (name, _), report in reports.items() if name == family.name]
        logger.info("%s: %d of %d shards are complete", family.name, sum(shards), len(shards))


def _run(tasks: list[ShardTask], families: list[Family], engine: Engine) -> Iterator[tuple[Part, ShardReport]]:
    if not tasks:
        return
    pool = "threads" if all(family.pool == "threads" for family in families) else "processes"
    with progress("extract", sum(task.utterances.num_rows for task in tasks), "utterances") as bar:
        for task, reports in engine.map(extract_shard, tasks, pool):
            bar.update(task.utterances.num_rows)
            yield from zip(task.parts, reports, strict=True)


def extract_shard(task: ShardTask) -> list[ShardReport]:
    """Compute and write the parts of one task, in one pass over its utterances; runs in a worker."""
    with ExitStack() as shards:
        writers = [shards.enter_context(_open_shard(part)) for part in task.parts]
        for row in task.utterances.to_pylist():
            source = Source(row, task.root)
            for part, writer in zip(task.parts, writers, strict=True):
                _write_rows(part.family, source, writer)
    return [
        ShardReport(part.name, part.key, writer.rows, writer.unusable)
        for part, writer in zip(task.parts, writers, strict=True)
    ]


def _open_shard(part: Part):
    libraries = {name: version(name) for name in part.family.libraries}
    provenance = family_facts(part.family) | {"key": part.key, "libraries": libraries}
    return ShardedTable(part.table).shard(part.name, table_schema(part.family), provenance)


def _write_rows(family: Family, source: Source, writer: ShardWriter) -> None:
    """The utterance's rows, all of them or none."""
    utterance_id = source.row["utterance_id"]
    try:
        rows = list(family.rows(source))
    except Unusable as error:
        writer.refuse(utterance_id, source.row["audio_path"], str(error))
        return
    for values in rows:
        writer.add({"utterance_id": utterance_id, **values})


def table_schema(family: Family) -> pa.Schema:
    """The family's columns after `utterance_id`."""
    return pa.schema([pa.field("utterance_id", pa.string()), *family.fields()])


def family_facts(family: Family) -> dict[str, Any]:
    """What decides a family's values beside its inputs: name, version of the code, options."""
    return {
        "family": family.name,
        "version": family.version,
        "options": family.options.model_dump(mode="json"),
    }


def shard_key(family: Family, shard: pa.Table) -> str:
    """Fingerprint of a shard: the family's name, version and options, and the inputs of each of its utterances."""
    digest = hashlib.sha256(json.dumps(family_facts(family), sort_keys=True).encode())
    for row in shard.select(["utterance_id", *family.inputs]).to_pylist():
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode())
    return digest.hexdigest()


def _check_share(family: Family, shards: list[ShardReport], utterances: pa.Table, options: ShardOptions) -> None:
    own = family.options.max_quarantined_share
    option = "features.shards" if own is None else f"features.{family.name}"
    allowed = options.max_quarantined_share if own is None else own
    total = Counter(utterances["corpus"].to_pylist())
    unusable: dict[str, list[dict[str, str]]] = {}
    for shard in shards:
        unusable.setdefault(shard.path.split("/")[0], []).extend(shard.unusable)
    for corpus, rows in unusable.items():
        if len(rows) > allowed * total[corpus]:
            raise TooManyUnusable(
                f"{family.name}: {len(rows)} of {total[corpus]} utterances of corpus {corpus!r} are unusable, more "
                f"than {option}.max_quarantined_share = {allowed:.0%}; the first: {rows[0]['path']}: "
                f"{rows[0]['reason']}. Mend or remove these files, or raise the share"
            )


def summarise(receipts: Iterable[Receipt]) -> dict[str, dict[str, Any]]:
    """Family name to the rows, shards and unusable utterances of its table, its version and options; JSON-safe."""
    return {
        receipt.facts["family"]: {
            **receipt.facts,
            "rows": receipt.rows,
            "shards": len(receipt.shards),
            "unusable": sum(len(shard.unusable) for shard in receipt.shards),
        }
        for receipt in receipts
    }


def quarantine(store: str, families: Iterable[str]) -> pa.Table:
    """What the committed tables of families could not use, as rows of `QUARANTINE_SCHEMA`; the stage is the family."""
    rows = [
        {
            "corpus": shard["path"].split("/")[0],
            "path": unusable["path"],
            "stage": family,
            "reason": f"{unusable['utterance_id']}: {unusable['reason']}",
        }
        for family in families
        for shard in (ShardedTable(f"{store}/{family}").manifest() or {"shards": []})["shards"]
        for unusable in shard["unusable"]
    ]
    return pa.Table.from_pylist(rows, QUARANTINE_SCHEMA)
