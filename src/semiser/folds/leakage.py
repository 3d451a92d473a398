"""The check that refuses folds which leak or cannot be trained and tested on."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.coded import ABSENT, Coded, encode_column, to_numpy
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
    speakers = encode_column(utterances, "speaker_id")
    for experiment, number, fold in each_fold(folds):
        where = f"experiment {experiment!r}, fold {number}"
        roles = to_numpy(pc.fill_null(pc.index_in(fold["role"], value_set=pa.array(ROLES)), ABSENT))
        place = pc.index_in(fold["utterance_id"], value_set=utterances["utterance_id"])
        _check_rows(fold, roles, place, where)
        _check_acted(utterances["corpus"].take(place), roles, acted, where)
        _check_speakers(speakers, to_numpy(place), roles, options, where)
        if isinstance(options.protocol, CrossCorpus):
            _check_corpora(utterances["corpus"].take(place), roles, where)
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


def _check_acted(corpora: pa.ChunkedArray, roles: np.ndarray, acted: set[str], where: str) -> None:
    """An acted corpus has the role acted throughout, and no other corpus has it: nothing acted is ever tested."""
    named = to_numpy(pc.is_in(corpora, value_set=pa.array(sorted(acted), pa.string())))
    if (wrong := named != (roles == ACTED)).any():
        corpus, role = corpora.filter(pa.array(wrong))[0].as_py(), ROLES[roles[wrong][0]]
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


def _check_corpora(corpora: pa.ChunkedArray, roles: np.ndarray, where: str) -> None:
    names = np.asarray(corpora.to_pylist())
    if both := sorted(set(names[(roles == TRAIN) | (roles == VALIDATION)]) & set(names[roles == TEST])):
        raise ValueError(f"{where}: {', '.join(both)} gives labels and is tested; across corpora it may do one of them")


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
