"""A tree on one quantity: worked out by hand, and beside scikit-learn's."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from semiser.evaluation.cuts import grow_cuts


def test_the_axis_is_cut_between_the_classes():
    tree = grow_cuts(np.array([4.0, 1.0, 2.0, 8.0, 9.0, 5.0]), np.array(list("baabbb")), pieces=16, least=1)
    assert tree.ends.tolist() == [3.0] and tree.labels.tolist() == ["a", "b"]
    assert tree.predict(np.array([-9.0, 3.0, 3.1, 99.0])).tolist() == ["a", "a", "b", "b"]


def test_a_rare_class_weighs_as_much_as_a_frequent_one():
    """Of 0 0 0 0 | 1 1, a stands twice right: each a weighs 1/2, each b 1/4, so a's piece is a's."""
    tree = grow_cuts(np.array([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]), np.array(list("bbbbaab")), pieces=2, least=1)
    assert tree.ends.tolist() == [0.5] and tree.labels.tolist() == ["b", "a"]


def test_no_piece_is_smaller_than_it_may_be_and_there_are_no_more_than_may_be():
    values, labels = np.arange(12.0), np.array(list("aabbaabbaabb"))
    assert grow_cuts(values, labels, pieces=16, least=2).ends.tolist() == [1.5, 3.5, 5.5, 7.5, 9.5]
    assert len(grow_cuts(values, labels, pieces=3, least=2).labels) == 3
    assert grow_cuts(values, labels, pieces=16, least=3).ends.tolist() == [2.5, 5.5, 8.5]
    alone = grow_cuts(values, labels, pieces=16, least=7)
    assert alone.ends.size == 0 and alone.predict(values).tolist() == ["a"] * 12  # as heavy as b, and the first


def test_what_is_equal_is_not_cut():
    tree = grow_cuts(np.ones(8), np.array(list("aaaabbbb")), pieces=16, least=1)
    assert tree.ends.size == 0 and tree.labels.tolist() == ["a"]


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_tree_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    values = random.uniform(0.5, 6, 200 + 31 * seed)
    labels = np.array(list("abcd"))[np.clip(values + random.normal(0, 1, values.size), 0, 3.99).astype(int)]
    theirs = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=5, class_weight="balanced", random_state=0)
    theirs.fit(values[:, None], labels)
    new = random.uniform(0, 7, 1000)
    assert grow_cuts(values, labels, 16, 5).predict(new).tolist() == theirs.predict(new[:, None]).tolist()
