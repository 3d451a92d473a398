"""The roles of a fold beside its test part: validation, the label budget, acted and unlabelled utterances."""

import numpy as np

from semiser.folds.coded import ABSENT
from semiser.folds.draws import Draw, random_stream, round_half_up, shuffled_ranks
from semiser.folds.options import FoldOptions, LabelBudget
from semiser.folds.protocols import Part
from semiser.folds.selection import Rows
from semiser.folds.table import ACTED, TEST, TRAIN, UNLABELLED, VALIDATION


def complete_roles(rows: Rows, part: Part, options: FoldOptions, fold: int) -> np.ndarray:
    """The role of every row of a fold, from its test part.

    Args:
        rows: the N utterances of the experiment.
        part: the test part, which is not changed in place.
        options: validation, label budget and what may be heard unlabelled.
        fold: number of the fold, which sets its draws apart from another fold's.

    Returns:
        Codes of ROLES of shape (N,), ABSENT where a row is not in the fold.

    Raises:
        ValueError: validation needs speakers that are not known or too few.
    """
    roles = part.roles.copy()
    _choose_validation(rows, roles, options, fold)
    _hide_labels(rows, roles, options, fold)
    roles[rows.is_acted] = ACTED
    free = (roles == ABSENT) & ~rows.labelled
    if not options.speaker_dependent and not options.transductive:
        free &= ~_barred(rows, roles, part, options)
    roles[free] = UNLABELLED
    return roles


def _choose_validation(rows: Rows, roles: np.ndarray, options: FoldOptions, fold: int) -> None:
    validation = options.validation
    if validation.kind == "speakers":
        chosen = _next_speakers(rows, roles, validation.count)
        roles[(roles == TRAIN) & np.isin(rows.speaker.codes, chosen)] = VALIDATION
    elif validation.kind == "held_out_speakers":
        random = random_stream(options.seed, fold, Draw.HOLD_OUT)
        chosen = _held_out_speakers(rows, roles, validation.count, random, fold)
        roles[(roles == TEST) & np.isin(rows.speaker.codes, chosen)] = VALIDATION
    elif validation.kind == "share":
        train = np.flatnonzero(roles == TRAIN)
        rank, size = shuffled_ranks(rows.label.codes[train], random_stream(options.seed, fold, Draw.VALIDATION))
        # A class with two or more gives at least one utterance to each part.
        count = np.clip(round_half_up(validation.share * size), np.minimum(1, size - 1), size - 1)
        roles[train[rank < count]] = VALIDATION


def _next_speakers(rows: Rows, roles: np.ndarray, count: int) -> np.ndarray:
    """The training speakers that follow the last test speaker in sorted order, cyclically."""
    codes = _known_speakers(rows, roles == TRAIN, "validation.kind speakers")
    test = _known_speakers(rows, roles == TEST, "validation.kind speakers")
    codes = np.setdiff1d(codes, test)
    if count >= len(codes):
        raise ValueError(
            f"{rows.target_corpora}: validation takes {count} of {len(codes)} training speakers and leaves none to "
            "train on; lower validation.count or set validation.kind to share or none"
        )
    start = np.searchsorted(codes, test.max(initial=-1), side="right")
    return codes[(start + np.arange(count)) % len(codes)]


def _held_out_speakers(rows: Rows, roles: np.ndarray, count: int, random: np.random.Generator, fold: int) -> np.ndarray:
    speakers = _known_speakers(rows, roles == TEST, "validation.kind held_out_speakers")
    if count >= len(speakers):
        raise ValueError(
            f"fold {fold}: validation takes {count} of the {len(speakers)} held-out speakers and leaves none to test; "
            "lower validation.count or set validation.kind to speakers"
        )
    return random.permutation(speakers)[:count]


def _known_speakers(rows: Rows, mask: np.ndarray, needed_by: str) -> np.ndarray:
    speakers = np.unique(rows.speaker.codes[mask])
    if (speakers == ABSENT).any():
        raise ValueError(
            f"{rows.target_corpora}: {needed_by} needs speaker_id, which is null in some labelled utterances; "
            "set validation.kind to share or none"
        )
    return speakers


def _hide_labels(rows: Rows, roles: np.ndarray, options: FoldOptions, fold: int) -> None:
    """Takes the labels beyond the budget: those rows become unlabelled."""
    train = np.flatnonzero(roles == TRAIN)
    budget = options.label_budget
    random = random_stream(options.seed, fold, Draw.BUDGET, budget.draw)
    rank, size = shuffled_ranks(rows.label.codes[train], random)
    roles[train[rank >= _kept(budget, size)]] = UNLABELLED


def _kept(budget: LabelBudget, size: np.ndarray) -> np.ndarray:
    if budget.per_class is not None:
        return np.minimum(budget.per_class, size)
    return np.maximum(round_half_up(budget.share * size), 1)


def _barred(rows: Rows, roles: np.ndarray, part: Part, options: FoldOptions) -> np.ndarray:
    """Rows of the held-out group, or of a speaker who is tested or validated, who must not be heard in training."""
    judged = roles == TEST
    if options.validation.kind != "share":  # a share is taken from speakers who are trained on
        judged |= roles == VALIDATION
    speakers = np.setdiff1d(rows.speaker.codes[judged], [ABSENT])
    return part.held | np.isin(rows.speaker.codes, speakers)
