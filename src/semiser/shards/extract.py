"""The shard map: feature families over shards of utterances, skipping every shard that is complete and matches."""

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from semiser.corpora.utterance import QUARANTINE_SCHEMA
from semiser.errors import TooManyUnusable
from semiser.features.family import Family
from semiser.options.features import ShardOptions
from semiser.progress import progress
from semiser.shards.engine_protocol import Engine, PoolKind, WorkerLost
from semiser.shards.poison import find_poison
from semiser.shards.store import Receipt, ShardedTable, ShardReport
from semiser.shards.task import Part, ShardTask, extract_shard, family_facts
from semiser.shards.utterances import UtteranceFile

logger = logging.getLogger(__name__)


def extract(
    families: Iterable[Family],
    store: str,
    utterances: pa.Table | UtteranceFile,
    roots: Mapping[str, str],
    engine: Engine,
    options: ShardOptions,
) -> dict[str, Receipt]:
    """Compute families for all utterances, shard by shard; what is complete and matches is not computed again.

    The families share one pass: an utterance is decoded once for all that miss its shard.

    Args:
        families: with their options.
        store: folder of the feature tables. A table's manifest is withdrawn while there is work on it, and written
            by `ShardedTable.commit`. Until then no other run gets at it, if it lies on a disk.
        utterances: rows of `utterances`, read in batches from a file; each family takes those of its `options.corpora`.
        roots: folder of each corpus.
        engine: runs the shards. An utterance that kills its worker again and again is left out with that reason.
        options: shard size, time limit, and the share of unusable utterances that stops the run.

    Returns:
        Family name to the receipt to commit, shards in order.

    Raises:
        TooManyUnusable: a family has no value for more than the allowed share of a corpus; the error gives reasons.
        WorkerLost: workers die over shards, and no utterance is to blame for it.
        EngineLost: the engine is gone.
    """
    families = list(families)
    if isinstance(utterances, pa.Table):
        utterances = UtteranceFile.in_memory(utterances)
    tables = {family.name: ShardedTable(f"{store}/{family.name}") for family in families}
    with ExitStack() as claims:
        for name in sorted(tables):  # all runs in the same order, so that none waits for one that waits for it
            tables[name].claim()
            claims.callback(tables[name].release)
        reports = _complete(families, tables, utterances, roots, engine, options)
        receipts = {}
        for family in families:
            shards = [report for (name, _), report in reports.items() if name == family.name]
            _check_share(family, shards, utterances, options)
            receipts[family.name] = Receipt(tables[family.name].path, family_facts(family), shards)
        claims.pop_all()  # from here on they are `commit`'s to release
    return receipts


def _complete(
    families: list[Family], tables: Mapping[str, ShardedTable], utterances: UtteranceFile, roots: Mapping[str, str],
    engine: Engine, options: ShardOptions,
) -> dict[tuple[str, str], ShardReport]:  # fmt: skip
    """Compute what is missing; reports by family and shard, in the order of the shards.

    The utterances are read twice, to look for what is missing and to compute it: a shard is held, not all of them.
    """
    reports: dict[tuple[str, str], ShardReport | None] = {}
    missing: dict[str, tuple[Part, ...]] = {}
    rows = 0
    wanting = {corpus: [family for family in families if _wants(family, corpus, utterances)]
               for corpus in utterances.corpora}  # fmt: skip
    for name, shard in _shards(wanting, utterances, options):
        parts = [Part(family, tables[family.name].path, name, shard_key(family, shard))
                 for family in wanting[_corpus_of(name)]]  # fmt: skip
        found = {(part.family.name, name): tables[part.family.name].report(name, part.key, options.verify)
                 for part in parts}  # fmt: skip
        reports |= found
        if missed := tuple(part for part in parts if _is_missing(found[part.family.name, name])):
            missing[name] = missed
            rows += shard.num_rows
    _announce(families, reports)
    for name in {part.family.name for parts in missing.values() for part in parts}:
        tables[name].open_for_work()
    if missing:
        tasks = (ShardTask(shard, Path(roots[_corpus_of(name)]), missing[name], options.timeout_s)
                 for name, shard in _shards(wanting, utterances, options) if name in missing)  # fmt: skip
        computed = _run(tasks, rows, families, engine)
        reports.update({(part.family.name, part.name): report for part, report in computed})
    return reports


def extract_group(
    families: Mapping[str, Family | None],
    store: str,
    utterances: pa.Table | UtteranceFile,
    roots: Mapping[str, str],
    engine: Engine,
    options: ShardOptions,
) -> list[Receipt]:
    """`extract` for the families that are switched on; a receipt for every name, empty for one that is off (None)."""
    active = [family for family in families.values() if family]
    receipts = extract(active, store, utterances, roots, engine, options) if active else {}
    return [receipts.get(name) or Receipt(f"{store}/{name}", {"family": name}, []) for name in families]


def _shards(
    wanting: Mapping[str, list[Family]], utterances: UtteranceFile, options: ShardOptions
) -> Iterator[tuple[str, pa.Table]]:
    """Name and rows of every shard of the corpora that families want, in the order of corpora and ids."""
    for corpus in (corpus for corpus, families in wanting.items() if families):
        for number, shard in enumerate(utterances.shards(corpus, options.utterances)):
            yield f"{corpus}/{number:05d}.parquet", shard


def _corpus_of(name: str) -> str:
    """The corpus of the shard of this name."""
    return name.split("/")[0]


def _wants(family: Family, corpus: str, utterances: UtteranceFile) -> bool:
    """Whether a family is asked for on a corpus, and the corpus has what the family cannot do without."""
    if corpus not in (family.options.corpora or [corpus]):
        return False
    if family.requires and utterances.lacks(corpus, family.requires):
        logger.info("%s: passed over for corpus %s, which has no %s", family.name, corpus, family.requires)
        return False
    return True


def _is_missing(report: ShardReport | None) -> bool:
    return report is None or report.retry


def _announce(families: list[Family], reports: Mapping) -> None:
    for family in families:
        shards = [not _is_missing(report) for (name, _), report in reports.items() if name == family.name]
        logger.info("%s: %d of %d shards are complete", family.name, sum(shards), len(shards))


def _run(
    tasks: Iterable[ShardTask], rows: int, families: list[Family], engine: Engine
) -> Iterator[tuple[Part, ShardReport]]:
    """Reports of the tasks, which are drawn as the engine has room for them and have so many rows together."""
    pool = "threads" if all(family.pool == "threads" for family in families) else "processes"
    seen: set[str] = set()
    with progress("extract", rows, "utterances") as bar:
        while tasks:
            lost: list[ShardTask] = []
            for task, outcome in engine.map(extract_shard, (task.compact() for task in tasks), pool):
                if isinstance(outcome, WorkerLost):
                    lost.append(task)
                    continue
                bar.update(task.utterances.num_rows)
                yield from zip(task.parts, outcome, strict=True)
            tasks = [_without_poison(task, engine, pool, seen) for task in lost]


def _without_poison(task: ShardTask, engine: Engine, pool: PoolKind, seen: set[str]) -> ShardTask:
    """The task less what kills its worker; as it was, once, where nothing of it does so alone: it was bad luck.

    Raises:
        WorkerLost: bad luck a second time.
    """
    poison = find_poison(task, engine, pool)
    if not poison and str(task) in seen:
        raise WorkerLost(
            f"the worker died again and again over {task}, but over no utterance of it alone. What is finished "
            "is kept; give the machine more memory or make shards smaller (features.shards.utterances), then run again"
        )
    seen.add(str(task))
    return replace(task, poison=task.poison | poison)


def shard_key(family: Family, shard: pa.Table) -> str:
    """Fingerprint of a shard: the family's name, version and options, and the inputs of each of its utterances."""
    digest = hashlib.sha256(json.dumps(family_facts(family), sort_keys=True).encode())
    for row in shard.select(["utterance_id", *family.inputs]).to_pylist():
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode())
    return digest.hexdigest()


def _check_share(family: Family, shards: list[ShardReport], utterances: UtteranceFile, options: ShardOptions) -> None:
    own = family.options.max_quarantined_share
    option = "features.shards" if own is None else f"features.{family.name}"
    allowed = options.max_quarantined_share if own is None else own
    unusable: dict[str, list[dict[str, str]]] = {}
    for shard in shards:
        unusable.setdefault(_corpus_of(shard.path), []).extend(shard.unusable)
    for corpus, rows in unusable.items():
        if len(rows) > allowed * (total := utterances.count(corpus)):
            raise TooManyUnusable(
                f"{family.name}: {len(rows)} of {total} utterances of corpus {corpus!r} are unusable, more "
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
            "corpus": _corpus_of(shard["path"]),
            "path": unusable["path"],
            "stage": family,
            "reason": f"{unusable['utterance_id']}: {unusable['reason']}",
        }
        for family in families
        for shard in (ShardedTable(f"{store}/{family}").manifest() or {"shards": []})["shards"]
        for unusable in shard["unusable"]
    ]
    return pa.Table.from_pylist(rows, QUARANTINE_SCHEMA)
