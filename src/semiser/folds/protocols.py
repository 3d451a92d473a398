"""Protocols: the test part of every fold."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from semiser.folds.coded import ABSENT, Coded, encode_column
from semiser.folds.draws import Draw, random_stream, round_half_up, shuffled_ranks
from semiser.folds.official import folds_of, in_fold
from semiser.folds.options import (
    CrossCorpus,
    FoldOptions,
    KFold,
    LeaveOneSessionOut,
    LeaveOneSpeakerOut,
    OfficialSplit,
    SpeakerDependentShare,
)
from semiser.folds.selection import Rows
from semiser.folds.table import TEST, TRAIN, UNLABELLED, VALIDATION


@dataclass(frozen=True)
class Part:
    """The test part of a fold, before validation, budget and unlabelled rows."""

    name: str  # the group that is held out
    roles: np.ndarray  # codes of ROLES, ABSENT where not in the fold
    held: np.ndarray  # rows, labelled or not, that belong to the held-out group or to no group that is known
    corpora: tuple[str, str] | None = None  # that trains and that is tested, where these are two


def each_test_part(rows: Rows, options: FoldOptions) -> Iterator[Part]:
    """The test part of every fold, in the order of the folds.

    Raises:
        ValueError: the speakers, sessions or splits that the protocol needs are missing or too few.
    """
    protocol = options.protocol
    if isinstance(protocol, OfficialSplit):
        yield from _official_parts(rows, protocol)
    elif isinstance(protocol, SpeakerDependentShare):
        yield from _shared_parts(rows, protocol, options.seed)
    elif isinstance(protocol, KFold):
        yield from _dealt_parts(rows, protocol, options.seed)
    elif isinstance(protocol, CrossCorpus):
        yield from _crossed_parts(rows, protocol, options.seed)
    else:
        yield from _left_out_parts(rows, protocol)


def _left_out_parts(rows: Rows, protocol: LeaveOneSpeakerOut | LeaveOneSessionOut) -> Iterator[Part]:
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


def _dealt_parts(rows: Rows, protocol: KFold, seed: int) -> Iterator[Part]:
    if protocol.group == "utterance":
        ids = np.where(rows.labelled, np.arange(len(rows.labelled)), ABSENT)
        groups = Coded(ids, [])
    else:
        groups = _groups(rows, protocol.group)
    present = np.unique(groups.codes[rows.labelled])
    if len(present) < protocol.k:
        raise ValueError(
            f"k_fold: k is {protocol.k}, but {rows.target_corpora} has {len(present)} labelled "
            f"{'groups of partners' if protocol.group == 'partners' else protocol.group + 's'}; lower k"
        )
    shuffled = random_stream(seed, 0, Draw.DEAL).permutation(present)
    for fold in range(protocol.k):
        yield _group_part(rows, groups, np.sort(shuffled[fold :: protocol.k]))


def _crossed_parts(rows: Rows, protocol: CrossCorpus, seed: int) -> Iterator[Part]:
    speakers = _groups(rows, "speaker")
    targets = [code for code in np.unique(rows.corpus.codes[rows.is_target])]
    dealt = {}
    for number, code in enumerate(targets):  # the same parts whoever trains
        present = np.unique(speakers.codes[rows.labelled & (rows.corpus.codes == code)])
        if len(present) < protocol.parts:
            raise ValueError(
                f"{rows.corpus.names[code]}: cross_corpus deals its speakers into {protocol.parts} parts, but it has "
                f"{len(present)} with labels; name more speakers, or leave it out of corpora"
            )
        dealt[code] = random_stream(seed, number, Draw.DEAL).permutation(present)
    for source, tested in permutations(targets, 2):
        of_tested = rows.is_target & (rows.corpus.codes == tested)
        for number in range(protocol.parts):
            group = np.sort(dealt[tested][number :: protocol.parts])
            held = of_tested & (np.isin(speakers.codes, group) | (speakers.codes == ABSENT))
            roles = np.full(len(held), ABSENT)
            roles[rows.labelled & (rows.corpus.codes == source)] = TRAIN
            roles[rows.labelled & held] = TEST
            if protocol.hear_tested:
                roles[of_tested & ~held] = UNLABELLED
            # Speech without label of a third corpus plays no part, nor that of the tested one where it is not heard.
            third = rows.is_target & (rows.corpus.codes != source) & ~of_tested
            names = rows.corpus.names[source], rows.corpus.names[tested]
            title = f"{names[1]} by {names[0]}: {', '.join(speakers.names[code] for code in group)}"
            yield Part(title, roles, third | (held if protocol.hear_tested else of_tested), names)


def _group_part(rows: Rows, groups: Coded, held_codes: np.ndarray) -> Part:
    held = np.isin(groups.codes, held_codes)
    roles = np.where(rows.labelled, np.where(held, TEST, TRAIN), ABSENT)
    name = ", ".join(groups.names[code] for code in held_codes) if groups.names else f"{len(held_codes)} utterances"
    return Part(name, roles, rows.is_target & (held | (groups.codes == ABSENT)))


def _shared_parts(rows: Rows, protocol: SpeakerDependentShare, seed: int) -> Iterator[Part]:
    speaker = _groups(rows, "speaker")
    labelled = np.flatnonzero(rows.labelled)
    cells = speaker.codes[labelled] * len(rows.label.names) + rows.label.codes[labelled]
    for repeat in range(protocol.repeats):
        rank, size = shuffled_ranks(cells, random_stream(seed, repeat, Draw.DEAL))
        # A cell of two or more gives both parts at least one; an utterance alone in its cell trains.
        train = np.clip(round_half_up(protocol.train_share * size), 1, np.maximum(size - 1, 1))
        roles = np.full(len(rows.labelled), ABSENT)
        roles[labelled] = np.where(rank < train, TRAIN, TEST)
        yield Part(f"repeat {repeat}", roles, np.zeros(len(roles), dtype=bool))


def _official_parts(rows: Rows, protocol: OfficialSplit) -> Iterator[Part]:
    column = encode_column(rows.table, "split")
    inside = np.unique(column.codes[rows.is_target])
    for fold in folds_of([column.names[code] for code in inside if code != ABSENT]) or [""]:
        split = in_fold(column, fold)
        _require_splits(rows, split, protocol)
        yield _official_part(rows, split, protocol, f"{fold}:{protocol.test}" if fold else protocol.test)


def _official_part(rows: Rows, split: Coded, protocol: OfficialSplit, title: str) -> Part:
    roles = np.full(len(split.codes), ABSENT)
    held = rows.is_target & (split.codes == ABSENT)
    for name, role in ((protocol.train, TRAIN), (protocol.validation, VALIDATION), (protocol.test, TEST)):
        if name is not None:
            inside = rows.is_target & (split.codes == split.names.index(name))
            roles[inside & rows.labelled] = role
            held |= inside if role != TRAIN else False
    return Part(title, roles, held)


def _require_splits(rows: Rows, split: Coded, protocol: OfficialSplit) -> None:
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


def _groups(rows: Rows, kind: str) -> Coded:
    """Codes of speakers or sessions, known for every labelled row."""
    if kind == "partners":
        return _partners(rows)
    groups = rows.speaker if kind == "speaker" else encode_column(rows.table, f"{kind}_id")
    unknown = rows.labelled & (groups.codes == ABSENT)
    if unknown.any():
        corpora = [rows.corpus.names[code] for code in np.unique(rows.corpus.codes[unknown])]
        raise ValueError(
            f"{', '.join(corpora)}: {kind}_id is null in {int(unknown.sum())} labelled utterances, and the protocol "
            f"needs it; complete the corpus's {kind}s, or choose official_split or k_fold over utterances"
        )
    return groups


def _partners(rows: Rows) -> Coded:
    """Codes of the speakers who share dialogues, each group named after its speakers; rows without class link, too."""
    speakers, dialogues = _groups(rows, "speaker"), encode_column(rows.table, "dialogue_id").codes
    group = np.arange(len(speakers.names))
    known = (speakers.codes != ABSENT) & (dialogues != ABSENT)
    for dialogue in np.unique(dialogues[known]):
        linked = np.unique(group[speakers.codes[known & (dialogues == dialogue)]])
        group[np.isin(group, linked)] = linked[0]
    names = {code: " and ".join(np.array(speakers.names)[group == code]) for code in np.unique(group)}
    place = {code: number for number, code in enumerate(names)}
    codes = np.array([*(place[code] for code in group), ABSENT])[speakers.codes]
    return Coded(codes, list(names.values()))


def _require_two_groups(rows: Rows, groups: Coded, kind: str) -> None:
    for code, corpus in enumerate(rows.corpus.names):
        inside = np.unique(groups.codes[rows.labelled & (rows.corpus.codes == code)])
        if len(inside) == 1:
            raise ValueError(
                f"{corpus}: leave_one_{kind}_out needs at least two labelled {kind}s, found 1 "
                f"({groups.names[inside[0]]}); choose speaker_dependent_share or k_fold over utterances, or list the "
                "corpus under unlabelled_corpora"
            )
