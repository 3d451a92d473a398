"""The shard map: feature families over shards of utterances, skipping every shard that is complete and matches."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec import url_to_fs

from semiser.claim import claimed
from semiser.errors import TooManyUnusable
from semiser.features.family import Family
from semiser.options.features import ShardOptions
from semiser.progress import progress
from semiser.shards.engine_protocol import Engine, PoolKind, WorkerLost
from semiser.shards.poison import find_poison
from semiser.shards.store import ShardFolder, ShardReport
from semiser.shards.table import Receipt
from semiser.shards.task import Part, ShardTask, extract_shard, family_facts, folder_of
from semiser.shards.utterances import UtteranceFile

logger = logging.getLogger(__name__)


def extract(
    families: Iterable[Family],
    features: str,
    utterances: pa.Table | UtteranceFile,
    roots: Mapping[str, str],
    engine: Engine,
    options: ShardOptions,
) -> dict[str, Receipt]:
    """Compute families for all utterances, shard by shard; what is complete and matches is not computed again.

    The families share one pass: an utterance is decoded once for all that miss its shard. Where another run is
    computing shards of the same families, options and corpora, on a disk, this one waits for it and takes its shards.

    Args:
        families: with their options.
        features: folder of all shards, which no run writes over.
        utterances: rows of `utterances`, read in batches from a file; each family takes those of its `options.corpora`.
        roots: folder of each corpus.
        engine: runs the shards. An utterance that kills its worker again and again is left out with that reason.
        options: shard size, time limit, and the share of unusable utterances that stops the run.

    Returns:
        Family name to the receipt to commit (`ShardedTable.commit`), shards in order.

    Raises:
        TooManyUnusable: a family has no value for more than the allowed share of a corpus; the error gives reasons.
        WorkerLost: workers die over shards, and no utterance is to blame for it.
        EngineLost: the engine is gone.
    """
    families = list(families)
    if isinstance(utterances, pa.Table):
        utterances = UtteranceFile.in_memory(utterances)
    reports = _complete(families, features, utterances, roots, engine, options)
    receipts = {}
    for family in families:
        shards = [report for (name, _), report in reports.items() if name == family.name]
        _check_share(family, shards, utterances, options)
        receipts[family.name] = Receipt(folder_of(family, features), family_facts(family), shards)
    return receipts


def _complete(
    families: list[Family], features: str, utterances: UtteranceFile, roots: Mapping[str, str], engine: Engine,
    options: ShardOptions,
) -> dict[tuple[str, str], ShardReport]:  # fmt: skip
    """Compute what is missing; reports by family and place, in the order of the shards.

    The utterances are read twice, to look for what is missing and to compute it: a shard is held, not all of them.
    """
    wanting = {corpus: [family for family in families if _wants(family, corpus, utterances)]
               for corpus in utterances.corpora}  # fmt: skip
    folders = {family.name: folder_of(family, features) for family in families}
    parts: list[Part] = []
    sizes: dict[str, int] = {}
    for place, shard in _shards(wanting, utterances, options):
        sizes[place] = shard.num_rows
        parts += [Part(family, folders[family.name], place, shard_key(family, shard))
                  for family in wanting[_corpus_of(place)]]  # fmt: skip
    reports = _reports(parts, options)
    with claimed({f"{part.folder}/{_corpus_of(part.place)}" for part in _missing(parts, reports)}):
        reports |= _reports(_missing(parts, reports), options)  # whoever was waited for has made some of them
        _announce(families, reports)
        wanted: dict[str, list[Part]] = {}
        for part in _missing(parts, reports):
            wanted.setdefault(part.place, []).append(part)
        if wanted:
            tasks = (ShardTask(shard, Path(roots[_corpus_of(place)]), tuple(wanted[place]), options.timeout_s)
                     for place, shard in _shards(wanting, utterances, options) if place in wanted)  # fmt: skip
            computed = _run(tasks, sum(sizes[place] for place in wanted), families, engine)
            reports |= {(part.family.name, part.place): report for part, report in computed}
    return {which: report for which, report in reports.items() if report}


def _reports(parts: list[Part], options: ShardOptions) -> dict[tuple[str, str], ShardReport | None]:
    """By family and place, what the finished shards hold; None where there is none."""
    return {(part.family.name, part.place): ShardFolder(part.folder).report(part.place, part.key, options.verify)
            for part in parts}  # fmt: skip


def _missing(parts: list[Part], reports: Mapping[tuple[str, str], ShardReport | None]) -> list[Part]:
    return [part for part in parts if reports[part.family.name, part.place] is None]


def extract_group(
    families: Mapping[str, Family | None],
    features: str,
    utterances: pa.Table | UtteranceFile,
    roots: Mapping[str, str],
    engine: Engine,
    options: ShardOptions,
) -> list[Receipt]:
    """`extract` for the families that are switched on; a receipt for every name, empty for one that is off (None)."""
    active = [family for family in families.values() if family]
    receipts = extract(active, features, utterances, roots, engine, options) if active else {}
    return [receipts.get(name) or Receipt(None, {"family": name}, []) for name in families]


def _shards(
    wanting: Mapping[str, list[Family]], utterances: UtteranceFile, options: ShardOptions
) -> Iterator[tuple[str, pa.Table]]:
    """Place and rows of every shard of the corpora that families want, in the order of corpora and ids."""
    for corpus in (corpus for corpus, families in wanting.items() if families):
        for number, shard in enumerate(utterances.shards(corpus, options.utterances)):
            yield f"{corpus}/{number:05d}", shard


def _corpus_of(place: str) -> str:
    """The corpus of the shard at this place."""
    return place.split("/")[0]


def _wants(family: Family, corpus: str, utterances: UtteranceFile) -> bool:
    """Whether a family is asked for on a corpus, and the corpus has what the family cannot do without."""
    if corpus not in (family.options.corpora or [corpus]):
        return False
    if family.requires and utterances.lacks(corpus, family.requires):
        logger.info("%s: passed over for corpus %s, which has no %s", family.name, corpus, family.requires)
        return False
    return True


def _announce(families: list[Family], reports: Mapping) -> None:
    for family in families:
        shards = [report is not None for (name, _), report in reports.items() if name == family.name]
        logger.info("%s: %d of %d shards are complete", family.name, sum(shards), len(shards))


def _run(
    tasks: Iterable[ShardTask], rows: int, families: list[Family], engine: Engine
) -> Iterator[tuple[Part, ShardReport]]:
    """Reports of the tasks, which are drawn as the engine has room for them and have so many rows together."""
    pool: PoolKind = "threads" if all(family.pool == "threads" for family in families) else "processes"
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


def summarise(receipts: Iterable[Receipt], utterances: UtteranceFile) -> dict[str, dict[str, Any]]:
    """Family name to its version and options, the rows and shards of its table, and what it could not use; JSON-safe.

    `unusable` are rows of `QUARANTINE_SCHEMA`. `corpora` has of each corpus the `utterances`, how many of them are
    `lost`, and as `without` the rows of each flag `no_<what>` that is set; `cut` the rows whose `cut_<unit>` is not 0,
    where a family has that; `with_transcript` by the table of utterances. `without` is the sum over the corpora.
    """
    return {receipt.facts["family"]: _summary(receipt, utterances) for receipt in receipts}


def _summary(receipt: Receipt, utterances: UtteranceFile) -> dict[str, Any]:
    corpora: dict[str, dict[str, Any]] = {}
    without: Counter[str] = Counter()
    for shard in receipt.shards if receipt.folder else ():
        corpus = _corpus_of(shard.path)
        flags, cut = _count_flags(f"{receipt.folder}/{shard.path}")
        facts = corpora.setdefault(corpus, {"utterances": 0, "lost": 0, "without": Counter()})
        facts["lost"] += len(shard.unusable)
        facts["without"].update(flags)
        if cut is not None:
            facts["cut"] = facts.get("cut", 0) + cut
        without.update(flags)
    for corpus, facts in corpora.items():
        facts["without"] = dict(facts["without"])
        facts["utterances"] = utterances.count(corpus)
        facts["with_transcript"] = facts["utterances"] - utterances.nulls(corpus, "transcript")
    unusable = [_quarantined(receipt.facts["family"], shard, entry)
                for shard in receipt.shards for entry in shard.unusable]  # fmt: skip
    rows = {"rows": receipt.rows, "shards": len(receipt.shards), "without": dict(without), "corpora": corpora}
    return {**receipt.facts, **rows, "unusable": unusable}


def _count_flags(path: str) -> tuple[dict[str, int], int | None]:
    """What is missing to how many rows of a shard, and how many are cut; None where the family does not say."""
    filesystem, place = url_to_fs(path)
    with filesystem.open(place, "rb") as file, pq.ParquetFile(file) as table:
        schema = table.schema_arrow
        flags = [one.name for one in schema if one.name.startswith("no_") and pa.types.is_boolean(one.type)]
        cuts = [one.name for one in schema if one.name.startswith("cut_")]
        rows = table.read(columns=[*flags, *cuts]) if flags or cuts else None
    if rows is None:
        return {}, None
    missing = {flag.removeprefix("no_"): pc.sum(rows[flag]).as_py() or 0 for flag in flags}
    return missing, sum(pc.sum(pc.greater(rows[cut], 0)).as_py() or 0 for cut in cuts) if cuts else None


def _quarantined(family: str, shard: ShardReport, entry: Mapping[str, str]) -> dict[str, str]:
    reason = f"{entry['utterance_id']}: {entry['reason']}"
    return {"corpus": _corpus_of(shard.path), "path": entry["path"], "stage": family, "reason": reason}
