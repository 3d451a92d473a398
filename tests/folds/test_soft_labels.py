import json

import numpy as np
import pyarrow as pa
import pytest

from semiser.folds.options import FoldOptions
from semiser.folds.soft_labels import class_targets, credit_ties, credited, largest, vote_targets
from semiser.systems.mssgan.options import THREE_POINTS

LEVELS = ["low", "medium", "high"]


@pytest.mark.parametrize(
    "votes, shares",
    [
        ([2, 4, 5], [1 / 3, 0, 2 / 3]),  # the paper's example
        ([1, 2], [1, 0, 0]),
        ([2.5, 3.5], [0, 1, 0]),  # (2, 4), both ends open
        ([2, 3], [0.5, 0.5, 0]),
        ([4, 4, 1, 3], [0.25, 0.25, 0.5]),
        ([], [0, 0, 0]),
        (None, [0, 0, 0]),
    ],
)
def test_the_target_is_the_mean_of_the_votes_levels(votes, shares):
    np.testing.assert_allclose(vote_targets([votes, [3]], THREE_POINTS), [shares, [0, 1, 0]], rtol=1e-6)


def test_a_vote_beyond_the_scale_is_refused():
    with pytest.raises(ValueError, match=r"a vote: 1 values such as 6 lie beyond the last level 'high' \(up_to 5\)"):
        vote_targets([[2], [6]], THREE_POINTS)


def test_the_class_is_the_largest_share_the_first_on_a_tie_and_none_without_votes():
    targets = vote_targets([[2, 4, 5], [3, 5], None], THREE_POINTS)
    assert largest(targets, LEVELS).to_pylist() == ["high", "medium", None]


def test_a_tie_counts_for_each_of_its_classes():
    targets = vote_targets([[2, 3]] * 3 + [[2, 4, 5]] * 2, THREE_POINTS)
    predicted = np.array([0, 1, 2, 2, 0])
    assert credited(targets, predicted).tolist() == [0, 1, 0, 2, 2]


def test_predictions_are_held_against_the_tied_class_that_they_name():
    targets = vote_targets([[2, 3], [3, 4], [1, 1]], THREE_POINTS)
    columns = {
        "utterance_id": ["b", "a", "c"],
        "target": ["medium", "low", "low"],
        "prediction": ["high", "medium", "high"],
    }
    table = pa.table(columns, metadata={"classes": json.dumps(LEVELS), "key": "k"})
    found = credit_ties(table, ["a", "b", "c"], targets)
    assert found["target"].to_pylist() == ["high", "medium", "low"]
    assert found.select(["utterance_id", "prediction"]).equals(table.select(["utterance_id", "prediction"]))


def test_classes_without_votes_are_one_hot_after_merging():
    utterances = pa.table({"emotion": ["joy", "excitement", None, "anger"]})
    options = FoldOptions(experiment="e", corpora=["c"], merges={"excitement": "joy"})
    assert class_targets(utterances, options, ["joy", "fear"]).tolist() == [[1, 0], [1, 0], [0, 0], [0, 0]]
