"""Fuzzy labels: what several annotators say together, and which classes count as right where they tie.

Source: MSSGAN (ACII 2019), section IV-B, Labels.
"""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semiser.folds.classes import class_names, level_numbers
from semiser.folds.options import FoldOptions, Levels


def vote_targets(votes: Sequence[Sequence[float] | None], levels: Levels) -> np.ndarray:
    """Mean of the annotators' one-hot levels: [2, 4, 5] -> [1/3, 0, 2/3] on a three-point scale.

    Args:
        votes: the numbers of every annotator of each utterance; None or empty where nobody voted.
        levels: K levels.

    Returns:
        (N, K) float32; rows of zeros where nobody voted.

    Raises:
        ValueError: a vote lies beyond the last level.
    """
    counts = np.array([len(of_one or ()) for of_one in votes], np.int64)
    given = np.array([vote for of_one in votes for vote in of_one or ()], np.float64)
    chosen = np.zeros((len(counts), len(levels.names)), np.float32)
    np.add.at(chosen, (np.repeat(np.arange(len(counts)), counts), level_numbers(given, levels, "a vote")), 1)
    return chosen / np.maximum(counts, 1)[:, None].astype(np.float32)


def largest(targets: np.ndarray, classes: Sequence[str]) -> pa.Array:
    """The class with the largest share, the first of them on a tie; null where there is no target."""
    return pa.array(classes).take(pa.array(targets.argmax(axis=1), mask=~targets.any(axis=1)))


def class_targets(utterances: pa.Table, options: FoldOptions, classes: Sequence[str]) -> np.ndarray:
    """One-hot classes of utterances, (N, K) float32; rows of zeros where the class is none of these.

    Args:
        utterances: the N, with the target column of the options.
        options: of the folds, which say how the target becomes a class.
        classes: K names in their order.
    """
    codes = pc.index_in(class_names(utterances, options), pa.array(classes, pa.string()))
    known = pc.is_valid(codes).to_numpy(zero_copy_only=False)
    targets = np.zeros((len(codes), len(classes)), np.float32)
    targets[known, codes.drop_null().to_numpy()] = 1
    return targets


def credited(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The class that a prediction is held against: itself where it has the largest share, alone or in a tie.

    Args:
        targets: (N, K) shares.
        predicted: (N,) class numbers.

    Returns:
        (N,) int64; else the first class with the largest share.
    """
    among = targets[np.arange(len(targets)), predicted] == targets.max(axis=1)
    return np.where(among, predicted, targets.argmax(axis=1))


def credit_ties(predictions: pa.Table, utterance_ids: Sequence[str], targets: np.ndarray) -> pa.Table:
    """Predictions whose `target` is the prediction where that is one of several classes with the largest share.

    Args:
        predictions: table with `utterance_id`, `target`, `prediction` and, in its metadata, the K classes.
        utterance_ids: whom the targets are of.
        targets: (N, K) shares.
    """
    classes = pa.array(json.loads(predictions.schema.metadata[b"classes"]), pa.string())
    rows = pc.index_in(predictions["utterance_id"], pa.array(utterance_ids)).to_numpy()
    predicted = pc.index_in(predictions["prediction"], classes).to_numpy().astype(np.int64)
    held = credited(targets[rows], predicted)
    place = predictions.schema.get_field_index("target")
    return predictions.set_column(place, "target", classes.take(pa.array(held)))
