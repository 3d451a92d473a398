"""The check that refuses folds which leak or cannot be trained and tested on."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.coded import ABSENT, Coded, encode, encode_column, split_names, to_numpy
from semiser.folds.options import CrossCorpus, FoldOptions
from semiser.folds.table import ACTED, ROLES, TEST, TRAIN, UNLABELLED, VALIDATION, each_fold, protocol_facts


def check_folds(folds: pa.Table, utterances: pa.Table, options: FoldOptions) -> None:
    """Refuses folds that leak or cannot be trained and tested on.

    A test speaker may appear in no other role, unless the protocol is declared speaker-dependent; a transductive one
    may have further utterances of theirs in the role unlabelled, and in that role alone. Across corpora no label comes
    from the tested one. Rows whose speaker is null
    cannot be compared: the protocols that need speakers do not let them come this far.

    Args:
        folds: a table of `FOLDS_SCHEMA`.
        utterances: the table that says who speaks.
        options: the options that the folds were made with.

    Raises:
        ValueError: an unknown utterance or role, an utterance in two roles, a leaking speaker (an acted one too) or
            corpus, an acted corpus in another role, an empty train or test part, or a training part that lacks a class;
            the message names the fold.
    """
    acted = set(options.acted_corpora)
    classes = protocol_facts(folds).get("classes") or pc.unique(folds["label"].drop_null()).to_pylist()
    speakers, corpora = encode_column(utterances, "speaker_id"), encode(utterances["corpus"])
    ids, places = None, None
    for experiment, number, fold in each_fold(folds):
        where = f"experiment {experiment!r}, fold {number}"
        roles = to_numpy(pc.fill_null(pc.index_in(fold["role"], value_set=pa.array(ROLES)), ABSENT))
        names, indices = split_names(fold["utterance_id"])
        if places is None or not names.equals(ids):  # the folds of one experiment have the same names
            ids, places = names, pc.index_in(names, value_set=utterances["utterance_id"])
        place = places.take(indices)
        _check_rows(fold, names, to_numpy(indices), roles, place, where)
        corpus = corpora.codes[to_numpy(place)]
        _check_acted(corpora.names, corpus, roles, acted, where)
        _check_speakers(speakers, to_numpy(place), roles, options, where)
        if isinstance(options.protocol, CrossCorpus):
            _check_corpora(corpora.names, corpus, roles, where)
        _check_parts(fold, roles, classes, where)


def _check_rows(
    fold: pa.Table, names: pa.Array, indices: np.ndarray, roles: np.ndarray, place: pa.Array, where: str
) -> None:
    if (roles == ABSENT).any():
        raise ValueError(f"{where}: unknown role among {pc.unique(fold['role']).to_pylist()}; roles are {ROLES}")
    if place.null_count:
        unknown = fold["utterance_id"].filter(pc.is_null(place))[0].as_py()
        raise ValueError(
            f"{where}: {place.null_count} utterances such as {unknown} are not in utterances; remake folds"
        )
    repeated = np.flatnonzero(np.bincount(indices, minlength=len(names)) > 1)
    if len(repeated):
        first = indices[np.isin(indices, repeated)][0]
        used = [ROLES[code] for code in roles[indices == first]]
        raise ValueError(
            f"{where}: {len(repeated)} utterances have more than one row, such as {names[first]} ({', '.join(used)}); "
            "an utterance plays one role in a fold"
        )


def _check_acted(names: list[str], corpora: np.ndarray, roles: np.ndarray, acted: set[str], where: str) -> None:
    """An acted corpus has the role acted throughout, and no other corpus has it: nothing acted is ever tested."""
    named = np.isin(corpora, [code for code, name in enumerate(names) if name in acted])
    if (wrong := named != (roles == ACTED)).any():
        corpus, role = names[corpora[wrong][0]], ROLES[roles[wrong][0]]
        raise ValueError(
            f"{where}: {int(wrong.sum())} utterances such as one of {corpus} have the role {role}; the role acted "
            f"belongs to the corpora named in acted ({', '.join(sorted(acted)) or 'none'}) and to them alone"
        )


def _check_speakers(speakers: Coded, place: np.ndarray, roles: np.ndarray, options: FoldOptions, where: str) -> None:
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


def _check_corpora(names: list[str], corpora: np.ndarray, roles: np.ndarray, where: str) -> None:
    both = np.intersect1d(corpora[(roles == TRAIN) | (roles == VALIDATION)], corpora[roles == TEST])
    if len(both):
        said = ", ".join(names[code] for code in both)
        raise ValueError(f"{where}: {said} gives labels and is tested; across corpora it may do one of them")


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
