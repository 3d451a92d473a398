"""Folds as data: one table says which utterance plays which role in which fold, and a check refuses leaks.

`label` is what training may see: the class of train, validation and test rows, null for unlabelled ones.
`true_label` is the class of every row whose class is known, hidden or not. It is there to measure the precision of
pseudo-labels afterwards, and is never read in training.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.options.folds import (
    FoldOptions,
    KFold,
    LabelBudget,
    LeaveOneSessionOut,
    LeaveOneSpeakerOut,
    OfficialSplit,
    SpeakerDependentShare,
    SpeakerMean,
)

ROLES = ("train", "unlabelled", "validation", "test")
TRAIN, UNLABELLED, VALIDATION, TEST = range(4)
ABSENT = -1  # neither in the fold, nor known: the code of what is missing

FOLDS_SCHEMA = pa.schema(
    [
        ("experiment", pa.string()),
        ("fold", pa.int32()),
        ("utterance_id", pa.string()),
        ("role", pa.string()),
        ("label", pa.string()),
        ("true_label", pa.string()),
    ]
)

# What each draw is for: a stream of random numbers of its own, so that no option disturbs another's draw.
_DEAL, _HOLD_OUT, _VALIDATION, _BUDGET = range(4)


@dataclass(frozen=True)
class _Coded:
    """A column as codes into its sorted names; null is ABSENT."""

    codes: np.ndarray
    names: list[str]


@dataclass(frozen=True)
class _Rows:
    """The utterances of an experiment in the order of their ids, so that no draw depends on the table's order."""

    table: pa.Table
    corpus: _Coded
    speaker: _Coded
    label: _Coded  # names are the classes, in their order
    is_target: np.ndarray  # of a corpus that is trained on and tested

    @property
    def labelled(self) -> np.ndarray:
        return self.is_target & (self.label.codes != ABSENT)


@dataclass(frozen=True)
class _Part:
    """The test part of a fold, before validation, budget and unlabelled rows."""

    name: str  # the group that is held out
    roles: np.ndarray  # codes of ROLES, ABSENT where not in the fold
    held: np.ndarray  # rows, labelled or not, that belong to the held-out group or to no group that is known


def make_folds(utterances: pa.Table, options: FoldOptions) -> pa.Table:
    """The folds of one experiment, checked by `check_folds`.

    Args:
        utterances: table with `utterance_id`, `corpus`, the target column, and those of `speaker_id`, `session_id`
            and `split` that the protocol needs; its order does not matter.
        options: protocol, classes, budget and seed.

    Returns:
        A table of `FOLDS_SCHEMA`, a chunk per fold. Its metadata `protocol` (see `protocol_facts`) says in JSON what
        the figures obtained on these folds mean: corpora, classes, protocol, and what was left out and why.

    Raises:
        ValueError: a corpus, a split, labels, speakers or sessions that the protocol needs are missing, or the folds
            do not pass the check.
    """
    rows, left_out = _select(utterances, options)
    folds, tables, described = [], [], []
    for fold, part in enumerate(_parts(rows, options)):
        roles = _complete(rows, part, options, fold)
        folds.append(roles)
        tables.append(_fold_table(rows, roles, options.experiment, fold))
        described.append({"fold": fold, "test": part.name, **_role_counts(rows, roles)})
    facts = _facts(rows, options, left_out, described)
    table = pa.concat_tables(tables).replace_schema_metadata({"protocol": json.dumps(facts, ensure_ascii=False)})
    check_folds(table, utterances, options)
    return table


def protocol_facts(folds: pa.Table) -> dict:
    """The protocol that `make_folds` stored in the table's metadata; an empty dictionary where there is none."""
    return json.loads((folds.schema.metadata or {}).get(b"protocol", b"{}"))


def folds_hash(folds: pa.Table) -> str:
    """SHA-256 of the content of a folds table, whatever the order of its rows, its chunks and its metadata.

    Returns:
        64 hexadecimal digits.
    """
    digests = []
    for _, _, fold in _each_fold(folds.select(FOLDS_SCHEMA.names)):
        columns = [pc.fill_null(pc.cast(column, pa.string()), "\x00") for column in fold.columns]
        lines = pc.binary_join_element_wise(*columns, "\x1f")
        ordered = lines.take(pc.sort_indices(lines)).to_pylist()
        digests.append(hashlib.sha256("\n".join(ordered).encode()).hexdigest())
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


# ---- which rows, with which classes


def _select(utterances: pa.Table, options: FoldOptions) -> tuple[_Rows, list[dict]]:
    """The rows of the experiment's corpora with their classes, and what was left out."""
    _require_columns(utterances, ["utterance_id", "corpus", options.target])
    _require_corpora(utterances, options)
    wanted = pa.array([*options.corpora, *options.unlabelled_corpora])
    table = utterances.filter(pc.is_in(utterances["corpus"], value_set=wanted)).combine_chunks()
    table = table.take(pc.sort_indices(table["utterance_id"]))
    if pc.count_distinct(table["utterance_id"]).as_py() < len(table):
        raise ValueError("utterances: an utterance_id occurs more than once; ids must be unique, ingest again")
    is_target = _to_numpy(pc.is_in(table["corpus"], value_set=pa.array(options.corpora)))
    words = _class_names(table, options)
    label, dropped = _code_classes(words, is_target, options)
    kept = ~(dropped & is_target)  # a row of another class; in an unlabelled corpus it is unlabelled all the same
    left_out = _count_dropped(table, words, ~kept)
    table = table.filter(pa.array(kept))
    rows = _Rows(
        table, _code(table["corpus"]), _column(table, "speaker_id"), _Coded(label.codes[kept], label.names),
        is_target[kept],
    )  # fmt: skip
    if not rows.labelled.any():
        raise ValueError(
            f"no labelled utterance in {', '.join(options.corpora)}: column {options.target!r} has none of the classes "
            f"{label.names}; check target, classes and merges"
        )
    return rows, left_out


def _require_columns(table: pa.Table, names: list[str]) -> None:
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise ValueError(f"utterances has no column {', '.join(missing)}; it has {', '.join(table.column_names)}")


def _require_corpora(utterances: pa.Table, options: FoldOptions) -> None:
    known = sorted(pc.unique(utterances["corpus"]).drop_null().to_pylist())
    unknown = [name for name in [*options.corpora, *options.unlabelled_corpora] if name not in known]
    if unknown:
        raise ValueError(
            f"unknown corpus {', '.join(unknown)}: utterances holds {', '.join(known) or 'no corpus'}; "
            "ingest it first or correct the options corpora and unlabelled_corpora"
        )


def _class_names(table: pa.Table, options: FoldOptions) -> pa.Array:
    """The class of every row, merges applied, as strings; null where there is none."""
    column = table[options.target].combine_chunks()
    numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
    if numeric != (options.discretise is not None):
        needed = "a numeric target needs the option discretise" if numeric else "discretise needs a numeric target"
        raise ValueError(f"target {options.target!r} is a column of {column.type}: {needed}")
    words = _discretise(table, options) if numeric else pc.cast(column, pa.string())
    coded = _code(words)
    merged = pa.array([options.merges.get(name, name) for name in coded.names], pa.string())
    return merged.take(pa.array(coded.codes, mask=coded.codes == ABSENT))


def _discretise(table: pa.Table, options: FoldOptions) -> pa.Array:
    values = _to_numpy(pc.fill_null(pc.cast(table[options.target], pa.float64()), np.nan))
    how = options.discretise
    if isinstance(how, SpeakerMean):
        level = (values > _speaker_means(table, values, options.target)).astype(int)
    else:
        inclusive = np.array([level.inclusive for level in how.levels])
        beyond = [values > level.up_to if inside else values >= level.up_to
                  for level, inside in zip(how.levels, inclusive, strict=True)]  # fmt: skip
        level = np.sum(beyond, axis=0)
        if (outside := level == len(how.levels)).any():
            raise ValueError(
                f"target {options.target!r}: {int(outside.sum())} values such as {values[outside][0]:g} lie beyond the "
                f"last level {how.names[-1]!r} (up_to {how.levels[-1].up_to:g}); raise its bound"
            )
    return pa.array(how.names).take(pa.array(level, mask=np.isnan(values)))


def _speaker_means(table: pa.Table, values: np.ndarray, target: str) -> np.ndarray:
    """The mean of the speaker of each row, over the rows with a value."""
    speaker, known = _column(table, "speaker_id").codes, ~np.isnan(values)
    if (speaker[known] == ABSENT).any():
        raise ValueError(f"target {target!r}: a speaker's own mean needs speaker_id, which is null in some rows")
    total = np.bincount(speaker[known], values[known], minlength=speaker.max(initial=0) + 1)
    count = np.bincount(speaker[known], minlength=len(total))
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)[speaker]


def _code_classes(words: pa.Array, is_target: np.ndarray, options: FoldOptions) -> tuple[_Coded, np.ndarray]:
    """Codes into the classes, and which rows have a label that is none of them."""
    coded = _code(words)
    classes = options.classes
    if classes is None and options.discretise is not None:
        classes = list(dict.fromkeys(options.merges.get(name, name) for name in options.discretise.names))
    if classes is None:
        present = set(coded.codes[is_target].tolist())
        classes = [name for code, name in enumerate(coded.names) if code in present]
    place = {name: code for code, name in enumerate(classes)}
    lookup = np.array([*(place.get(name, ABSENT) for name in coded.names), ABSENT])  # the last serves ABSENT itself
    codes = lookup[coded.codes]
    return _Coded(codes, classes), (codes == ABSENT) & (coded.codes != ABSENT)


def _count_dropped(table: pa.Table, words: pa.Array, dropped: np.ndarray) -> list[dict]:
    mask = pa.array(dropped)
    pairs = zip(table["corpus"].filter(mask).to_pylist(), words.filter(mask).to_pylist(), strict=True)
    return [
        {"corpus": corpus, "reason": f"label {word} is not among the classes", "utterances": count}
        for (corpus, word), count in sorted(Counter(pairs).items())
    ]


# ---- protocols: the test part of every fold


def _parts(rows: _Rows, options: FoldOptions) -> Iterator[_Part]:
    protocol = options.protocol
    if isinstance(protocol, OfficialSplit):
        yield _official_part(rows, protocol)
    elif isinstance(protocol, SpeakerDependentShare):
        yield from _shared_parts(rows, protocol, options.seed)
    elif isinstance(protocol, KFold):
        yield from _dealt_parts(rows, protocol, options.seed)
    else:
        yield from _left_out_parts(rows, protocol)


def _left_out_parts(rows: _Rows, protocol: LeaveOneSpeakerOut | LeaveOneSessionOut) -> Iterator[_Part]:
    kind = "speaker" if isinstance(protocol, LeaveOneSpeakerOut) else "session"
    groups = _groups(rows, kind)
    _require_two_groups(rows, groups, kind)
    present = np.unique(groups.codes[rows.labelled])
    names = [groups.names[code] for code in present]
    if unknown := sorted(set(protocol.held_out or []) - set(names)):
        raise ValueError(f"held_out names unknown {kind}s {', '.join(unknown)}; there are {', '.join(names)}")
    for code, name in zip(present, names, strict=True):
        if protocol.held_out is None or name in protocol.held_out:
            yield _group_part(rows, groups, np.array([code]))


def _dealt_parts(rows: _Rows, protocol: KFold, seed: int) -> Iterator[_Part]:
    if protocol.group == "utterance":
        ids = np.where(rows.labelled, np.arange(len(rows.labelled)), ABSENT)
        groups = _Coded(ids, [])
    else:
        groups = _groups(rows, protocol.group)
    present = np.unique(groups.codes[rows.labelled])
    if len(present) < protocol.k:
        raise ValueError(
            f"k_fold: k is {protocol.k}, but {_corpora_of(rows)} has {len(present)} labelled {protocol.group}s; lower k"
        )
    shuffled = _random(seed, 0, _DEAL).permutation(present)
    for fold in range(protocol.k):
        yield _group_part(rows, groups, np.sort(shuffled[fold :: protocol.k]))


def _group_part(rows: _Rows, groups: _Coded, held_codes: np.ndarray) -> _Part:
    held = np.isin(groups.codes, held_codes)
    roles = np.where(rows.labelled, np.where(held, TEST, TRAIN), ABSENT)
    name = ", ".join(groups.names[code] for code in held_codes) if groups.names else f"{len(held_codes)} utterances"
    return _Part(name, roles, rows.is_target & (held | (groups.codes == ABSENT)))


def _shared_parts(rows: _Rows, protocol: SpeakerDependentShare, seed: int) -> Iterator[_Part]:
    speaker = _groups(rows, "speaker")
    labelled = np.flatnonzero(rows.labelled)
    cells = speaker.codes[labelled] * len(rows.label.names) + rows.label.codes[labelled]
    for repeat in range(protocol.repeats):
        rank, size = _shuffled_ranks(cells, _random(seed, repeat, _DEAL))
        # A cell of two or more gives both parts at least one; an utterance alone in its cell trains.
        train = np.clip(_rounded(protocol.train_share * size), 1, np.maximum(size - 1, 1))
        roles = np.full(len(rows.labelled), ABSENT)
        roles[labelled] = np.where(rank < train, TRAIN, TEST)
        yield _Part(f"repeat {repeat}", roles, np.zeros(len(roles), dtype=bool))


def _official_part(rows: _Rows, protocol: OfficialSplit) -> _Part:
    split = _column(rows.table, "split")
    _require_splits(rows, split, protocol)
    roles = np.full(len(split.codes), ABSENT)
    held = rows.is_target & (split.codes == ABSENT)
    for name, role in ((protocol.train, TRAIN), (protocol.validation, VALIDATION), (protocol.test, TEST)):
        if name is not None:
            inside = rows.is_target & (split.codes == split.names.index(name))
            roles[inside & rows.labelled] = role
            held |= inside if role != TRAIN else False
    return _Part(protocol.test, roles, held)


def _require_splits(rows: _Rows, split: _Coded, protocol: OfficialSplit) -> None:
    for code, corpus in enumerate(rows.corpus.names):
        inside = rows.is_target & (rows.corpus.codes == code)
        if not inside.any():
            continue
        found = {split.names[s] for s in np.unique(split.codes[inside]) if s != ABSENT}
        wanted = [name for name in (protocol.train, protocol.validation, protocol.test) if name is not None]
        if missing := [name for name in wanted if name not in found]:
            raise ValueError(
                f"{corpus}: no utterance has split {', '.join(missing)} (found: {', '.join(sorted(found)) or 'none'}); "
                "name the corpus's own splits in protocol, or choose another protocol"
            )


def _groups(rows: _Rows, kind: str) -> _Coded:
    """Codes of speakers or sessions, known for every labelled row."""
    groups = rows.speaker if kind == "speaker" else _column(rows.table, f"{kind}_id")
    unknown = rows.labelled & (groups.codes == ABSENT)
    if unknown.any():
        corpora = [rows.corpus.names[code] for code in np.unique(rows.corpus.codes[unknown])]
        raise ValueError(
            f"{', '.join(corpora)}: {kind}_id is null in {int(unknown.sum())} labelled utterances, and the protocol "
            f"needs it; complete the corpus's {kind}s, or choose official_split or k_fold over utterances"
        )
    return groups


def _require_two_groups(rows: _Rows, groups: _Coded, kind: str) -> None:
    for code, corpus in enumerate(rows.corpus.names):
        inside = np.unique(groups.codes[rows.labelled & (rows.corpus.codes == code)])
        if len(inside) == 1:
            raise ValueError(
                f"{corpus}: leave_one_{kind}_out needs at least two labelled {kind}s, found 1 "
                f"({groups.names[inside[0]]}); choose speaker_dependent_share or k_fold over utterances, or list the "
                "corpus under unlabelled_corpora"
            )


# ---- the rest of a fold: validation, budget, unlabelled


def _complete(rows: _Rows, part: _Part, options: FoldOptions, fold: int) -> np.ndarray:
    """Roles of every row of a fold, from its test part."""
    roles = part.roles.copy()
    _choose_validation(rows, roles, options, fold)
    _hide_labels(rows, roles, options, fold)
    free = (roles == ABSENT) & ~rows.labelled
    if not options.speaker_dependent and not options.transductive:
        free &= ~_barred(rows, roles, part, options)
    roles[free] = UNLABELLED
    return roles


def _choose_validation(rows: _Rows, roles: np.ndarray, options: FoldOptions, fold: int) -> None:
    validation = options.validation
    if validation.kind == "speakers":
        roles[(roles == TRAIN) & np.isin(rows.speaker.codes, _next_speakers(rows, roles, validation.count))] = (
            VALIDATION
        )
    elif validation.kind == "held_out_speakers":
        random = _random(options.seed, fold, _HOLD_OUT)
        chosen = _held_out_speakers(rows, roles, validation.count, random, fold)
        roles[(roles == TEST) & np.isin(rows.speaker.codes, chosen)] = VALIDATION
    elif validation.kind == "share":
        train = np.flatnonzero(roles == TRAIN)
        rank, size = _shuffled_ranks(rows.label.codes[train], _random(options.seed, fold, _VALIDATION))
        # A class with two or more gives at least one utterance to each part.
        count = np.clip(_rounded(validation.share * size), np.minimum(1, size - 1), size - 1)
        roles[train[rank < count]] = VALIDATION


def _next_speakers(rows: _Rows, roles: np.ndarray, count: int) -> np.ndarray:
    """The training speakers that follow the last test speaker in sorted order, cyclically."""
    codes = _known_speakers(rows, roles == TRAIN, "validation.kind speakers")
    test = _known_speakers(rows, roles == TEST, "validation.kind speakers")
    codes = np.setdiff1d(codes, test)
    if count >= len(codes):
        raise ValueError(
            f"{_corpora_of(rows)}: validation takes {count} of {len(codes)} training speakers and leaves none to train "
            "on; lower validation.count or set validation.kind to share or none"
        )
    start = np.searchsorted(codes, test.max(initial=-1), side="right")
    return codes[(start + np.arange(count)) % len(codes)]


def _held_out_speakers(
    rows: _Rows, roles: np.ndarray, count: int, random: np.random.Generator, fold: int
) -> np.ndarray:
    speakers = _known_speakers(rows, roles == TEST, "validation.kind held_out_speakers")
    if count >= len(speakers):
        raise ValueError(
            f"fold {fold}: validation takes {count} of the {len(speakers)} held-out speakers and leaves none to test; "
            "lower validation.count or set validation.kind to speakers"
        )
    return random.permutation(speakers)[:count]


def _known_speakers(rows: _Rows, mask: np.ndarray, needed_by: str) -> np.ndarray:
    speakers = np.unique(rows.speaker.codes[mask])
    if (speakers == ABSENT).any():
        raise ValueError(
            f"{_corpora_of(rows)}: {needed_by} needs speaker_id, which is null in some labelled utterances; "
            "set validation.kind to share or none"
        )
    return speakers


def _hide_labels(rows: _Rows, roles: np.ndarray, options: FoldOptions, fold: int) -> None:
    """Takes the labels beyond the budget: those rows become unlabelled."""
    train = np.flatnonzero(roles == TRAIN)
    rank, size = _shuffled_ranks(rows.label.codes[train], _random(options.seed, fold, _BUDGET))
    roles[train[rank >= _kept(options.label_budget, size)]] = UNLABELLED


def _kept(budget: LabelBudget, size: np.ndarray) -> np.ndarray:
    if budget.per_class is not None:
        return np.minimum(budget.per_class, size)
    return np.maximum(_rounded(budget.share * size), 1)


def _barred(rows: _Rows, roles: np.ndarray, part: _Part, options: FoldOptions) -> np.ndarray:
    """Rows of the held-out group, or of a speaker who is tested or validated, who must not be heard in training."""
    judged = roles == TEST
    if options.validation.kind != "share":  # a share is taken from speakers who are trained on
        judged |= roles == VALIDATION
    speakers = np.setdiff1d(rows.speaker.codes[judged], [ABSENT])
    return part.held | np.isin(rows.speaker.codes, speakers)


# ---- the table and its facts


def _fold_table(rows: _Rows, roles: np.ndarray, experiment: str, fold: int) -> pa.Table:
    inside = np.flatnonzero(roles != ABSENT)
    role, known = roles[inside], rows.label.codes[inside]
    names = pa.array(rows.label.names, pa.string())
    columns = [
        pa.repeat(experiment, len(inside)),
        pa.array(np.full(len(inside), fold, np.int32)),
        rows.table["utterance_id"].take(pa.array(inside)),
        pa.array(ROLES).take(pa.array(role)),
        names.take(pa.array(known, mask=(known == ABSENT) | (role == UNLABELLED))),
        names.take(pa.array(known, mask=known == ABSENT)),
    ]
    return pa.table(columns, schema=FOLDS_SCHEMA)


def _role_counts(rows: _Rows, roles: np.ndarray) -> dict:
    counts = {name: int(np.sum(roles == code)) for code, name in enumerate(ROLES)}
    kept_apart = (roles == ABSENT) & ~rows.labelled
    return {"utterances": counts, "unlabelled_kept_apart": int(kept_apart.sum())}


def _facts(rows: _Rows, options: FoldOptions, left_out: list[dict], described: list[dict]) -> dict:
    settings = options.model_dump(mode="json")
    if isinstance(options.protocol, OfficialSplit):
        left_out = left_out + _outside_split(rows, options.protocol)
    return {
        **{name: settings[name] for name in ("experiment", "target", "discretise", "merges", "protocol", "validation",
                                             "label_budget", "transductive", "seed")},
        "corpora": {name: _corpus_facts(rows, name) for name in options.corpora},
        "unlabelled_corpora": {name: _corpus_facts(rows, name) for name in options.unlabelled_corpora},
        "classes": rows.label.names,
        "speaker_dependent": options.speaker_dependent,
        "left_out": left_out,
        "folds": described,
    }  # fmt: skip


def _corpus_facts(rows: _Rows, corpus: str) -> dict:
    inside = rows.corpus.codes == rows.corpus.names.index(corpus)
    labels = np.bincount(rows.label.codes[inside] + 1, minlength=len(rows.label.names) + 1)
    speakers = rows.speaker.codes[inside]
    return {
        "utterances": int(inside.sum()),
        "labelled": int(labels[1:].sum()),
        "per_class": dict(zip(rows.label.names, labels[1:].tolist(), strict=True)),
        "speakers": len(np.setdiff1d(speakers, [ABSENT])),
        "without_speaker": int(np.sum(speakers == ABSENT)),
    }


def _outside_split(rows: _Rows, protocol: OfficialSplit) -> list[dict]:
    used = pa.array([name for name in (protocol.train, protocol.validation, protocol.test) if name is not None])
    outside = rows.labelled & ~_to_numpy(pc.is_in(rows.table["split"], value_set=used))
    counts = np.bincount(rows.corpus.codes[outside], minlength=len(rows.corpus.names))
    return [
        {"corpus": name, "reason": "labelled, but in none of the splits of the protocol", "utterances": int(count)}
        for name, count in zip(rows.corpus.names, counts, strict=True)
        if count
    ]


# ---- the check


def check_folds(folds: pa.Table, utterances: pa.Table, options: FoldOptions) -> None:
    """Refuses folds that leak or cannot be trained and tested on.

    A test speaker may appear in no other role, unless the protocol is declared speaker-dependent; a transductive one
    may have further utterances of theirs in the role unlabelled, and in that role alone. Rows whose speaker is null
    cannot be compared: the protocols that need speakers do not let them come this far.

    Args:
        folds: a table of `FOLDS_SCHEMA`.
        utterances: the table that says who speaks.
        options: the options that the folds were made with.

    Raises:
        ValueError: an unknown utterance or role, an utterance in two roles, a leaking speaker, an empty train or test
            part, or a training part that lacks a class; the message names the fold.
    """
    classes = protocol_facts(folds).get("classes") or pc.unique(folds["label"].drop_null()).to_pylist()
    speakers = _column(utterances, "speaker_id")
    for experiment, number, fold in _each_fold(folds):
        where = f"experiment {experiment!r}, fold {number}"
        roles = _to_numpy(pc.fill_null(pc.index_in(fold["role"], value_set=pa.array(ROLES)), ABSENT))
        place = pc.index_in(fold["utterance_id"], value_set=utterances["utterance_id"])
        _check_rows(fold, roles, place, where)
        _check_speakers(speakers, _to_numpy(place), roles, options, where)
        _check_parts(fold, roles, classes, where)


def _check_rows(fold: pa.Table, roles: np.ndarray, place: pa.ChunkedArray, where: str) -> None:
    if (roles == ABSENT).any():
        raise ValueError(f"{where}: unknown role among {pc.unique(fold['role']).to_pylist()}; roles are {ROLES}")
    if place.null_count:
        unknown = fold["utterance_id"].filter(pc.is_null(place))[0].as_py()
        raise ValueError(
            f"{where}: {place.null_count} utterances such as {unknown} are not in utterances; remake folds"
        )
    seen = fold["utterance_id"].value_counts()
    repeated = seen.filter(pc.greater(seen.field("counts"), 1))
    if len(repeated):
        name = repeated.field("values")[0].as_py()
        used = fold.filter(pc.equal(fold["utterance_id"], name))["role"].to_pylist()
        raise ValueError(
            f"{where}: {len(repeated)} utterances have more than one row, such as {name} ({', '.join(used)}); "
            "an utterance plays one role in a fold"
        )


def _check_speakers(speakers: _Coded, place: np.ndarray, roles: np.ndarray, options: FoldOptions, where: str) -> None:
    if options.speaker_dependent:
        return
    speaker = speakers.codes[place]
    allowed = (roles == TEST) | ((roles == UNLABELLED) & options.transductive)
    tested = np.setdiff1d(speaker[roles == TEST], [ABSENT])
    leaking = np.intersect1d(speaker[~allowed], tested)
    if len(leaking):
        name, used = speakers.names[leaking[0]], np.unique(roles[speaker == leaking[0]])
        raise ValueError(
            f"{where}: {len(leaking)} test speakers also play another role, such as {name} "
            f"({', '.join(ROLES[code] for code in used)}); choose a speaker-independent protocol, or declare it: "
            "a speaker-dependent protocol, official_split with speaker_dependent, or transductive (unlabelled only)"
        )


def _check_parts(fold: pa.Table, roles: np.ndarray, classes: list[str], where: str) -> None:
    for role in (TRAIN, TEST):
        if not (roles == role).any():
            raise ValueError(f"{where}: no utterance has the role {ROLES[role]}; check protocol, classes and labels")
    trained = set(pc.unique(fold["label"].filter(pa.array(roles == TRAIN))).to_pylist())
    if missing := [name for name in classes if name not in trained]:
        raise ValueError(
            f"{where}: no training utterance has the class {', '.join(missing)}; merge or drop the class, or choose "
            "folds with more training speakers"
        )


# ---- small things


def _each_fold(folds: pa.Table) -> Iterator[tuple[str, int, pa.Table]]:
    keys = folds.select(["experiment", "fold"]).group_by(["experiment", "fold"]).aggregate([])
    for key in keys.sort_by([("experiment", "ascending"), ("fold", "ascending")]).to_pylist():
        inside = pc.and_(pc.equal(folds["experiment"], key["experiment"]), pc.equal(folds["fold"], key["fold"]))
        yield key["experiment"], key["fold"], folds.filter(inside)


def _column(table: pa.Table, name: str) -> _Coded:
    """A column as codes; all ABSENT where the table has no such column."""
    if name not in table.column_names:
        return _Coded(np.full(len(table), ABSENT), [])
    return _code(table[name])


def _code(column: pa.Array | pa.ChunkedArray) -> _Coded:
    names = pc.unique(column).drop_null()
    names = names.take(pc.sort_indices(names))
    codes = pc.fill_null(pc.index_in(column, value_set=names), ABSENT)
    return _Coded(_to_numpy(codes).astype(np.int64), names.to_pylist())


def _to_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    if isinstance(column, pa.ChunkedArray):
        return column.to_numpy()
    return column.to_numpy(zero_copy_only=False)


def _random(seed: int, fold: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, fold, purpose])


def _shuffled_ranks(cells: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """For each row its place in a random order of its own cell (a class, a speaker's class), and its cell's size.

    The order does not depend on how many are then taken, so a smaller share is a subset of a larger one.
    """
    order = np.lexsort((random.permutation(len(cells)), cells))
    _, start, inverse, count = np.unique(cells[order], return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(cells), dtype=np.int64)
    rank[order] = np.arange(len(cells)) - start[inverse]
    size = np.empty(len(cells), dtype=np.int64)
    size[order] = count[inverse]
    return rank, size


def _rounded(values: np.ndarray) -> np.ndarray:
    """Nearest integers, halves upwards: what a reader works out by hand (0.25 of 10 is 3)."""
    return np.floor(values + 0.5).astype(np.int64)


def _corpora_of(rows: _Rows) -> str:
    return ", ".join(rows.corpus.names[code] for code in np.unique(rows.corpus.codes[rows.is_target]))
