"""Scaling: where the statistics come from."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from semiser.data.scaling import Scaler, scale, scale_by_speaker

# Two training rows with mean 2 and deviation 1, a test row, two unlabelled rows of another corpus with mean 20 and
# deviation 10, one of the training corpus.
X = np.array([[1.0], [3.0], [6.0], [10.0], [30.0], [4.0]], dtype=np.float32)
ROLES = np.array(["train", "train", "test", "unlabelled", "unlabelled", "unlabelled"])
CORPORA = np.array(["x", "x", "x", "y", "y", "x"])
SPEAKERS = np.array(["a", "a", "b", "c", "c", "a"], dtype=object)


def test_scaler_agrees_with_scikit_learn_over_several_blocks(monkeypatch):
    monkeypatch.setattr("semiser.data.scaling.BLOCK_ROWS", 7)
    x = np.random.default_rng(0).normal(3, 5, (50, 4)).astype(np.float32)
    scaled = Scaler.fit(x).apply(x)
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(x.astype(np.float64)), atol=1e-5)
    assert scaled.dtype == np.float32


def test_frames_share_the_statistics_of_their_feature():
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    scaler = Scaler.fit(x)
    np.testing.assert_allclose(scaler.mean, [10.5, 11.5, 12.5])
    assert scaler.apply(x).shape == (2, 4, 3)
    np.testing.assert_allclose(scaler.apply(x).reshape(8, 3).std(axis=0), 1, atol=1e-6)


def test_constant_columns_give_zero_even_where_the_test_part_differs():
    train = np.array([[0.1, 1e6], [0.1, 1e6], [0.1, 1e6 + 0.0625]], dtype=np.float32)
    scaler = Scaler.fit(train)
    assert scaler.std.tolist() == [0, 0]  # the second varies by rounding alone
    assert scaler.apply(np.array([[7.0, 9.0]], dtype=np.float32)).tolist() == [[0, 0]]


def test_values_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match="feature column 1 has 2 values that are not finite"):
        Scaler.fit(np.array([[1, np.nan], [2, np.inf], [3, 4]], dtype=np.float32))
    with pytest.raises(ValueError, match="number of features must be 1, as in the fit, not 2"):
        Scaler.fit(np.ones((2, 1))).apply(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("unlabelled_strategy", "foreign"),
    [("none", [10, 30]), ("self", [-1, 1]), ("shift", [8, 28])],
)
def test_global_statistics_are_of_the_training_rows(unlabelled_strategy, foreign):
    result = scale(X, ROLES, CORPORA, SPEAKERS, "global", unlabelled_strategy)
    # (x - 2) / 1, also for the row that a label budget hid in the training corpus
    assert result.features[:, 0].tolist() == [-1, 1, 4, *foreign, 2]
    assert (result.scaler.mean.tolist(), result.scaler.std.tolist()) == ([2], [1])
    assert not result.transductive


def test_combine_fits_on_train_and_unlabelled_rows_together():
    result = scale(X, ROLES, CORPORA, SPEAKERS, "global", "combine")
    seen = np.array([1, 3, 10, 30, 4])  # not the test row
    np.testing.assert_allclose(result.features[:, 0], (X[:, 0] - seen.mean()) / seen.std(), rtol=1e-6)


def test_speaker_scales_everyone_by_their_own_rows():
    result = scale(X, ROLES, CORPORA, SPEAKERS, "speaker", "self")
    a = np.array([1, 3, 4])
    expected = (a - a.mean()) / a.std()
    np.testing.assert_allclose(result.features[:, 0], [expected[0], expected[1], 0, -1, 1, expected[2]], rtol=1e-6)
    assert result.transductive
    assert result.lone_speakers == 1  # b has one utterance, which becomes 0


def test_unlabelled_and_acted_utterances_without_speaker_are_scaled_together():
    """Rows: x train, x train, x test, y and y unlabelled, x unlabelled."""
    unknown = np.array(["a", "a", "b", None, None, "a"], dtype=object)
    result = scale(X, ROLES, CORPORA, unknown, "speaker", "self")
    np.testing.assert_allclose(result.features[3:5, 0], [-1, 1], rtol=1e-6)
    roles = np.where(ROLES == "unlabelled", "acted", ROLES)
    np.testing.assert_allclose(scale(X, roles, CORPORA, unknown, "speaker").features[3:5, 0], [-1, 1], rtol=1e-6)


def test_a_lone_utterance_becomes_zeros():
    scaled = scale_by_speaker(np.array([[5, -3], [1, 2], [3, 2]], dtype=np.float32), np.array(["b", "a", "a"]))
    assert scaled.tolist() == [[0, 0], [-1, 0], [1, 0]]


def test_test_rows_never_move_the_statistics_nor_each_other_speaker():
    other = X.copy()
    other[2] = 1e6
    for strategy in ("global", "speaker"):
        for unlabelled in ("none", "self", "shift"):
            first, second = (scale(x, ROLES, CORPORA, SPEAKERS, strategy, unlabelled) for x in (X, other))
            seen = ROLES != "test"
            assert np.array_equal(first.features[seen], second.features[seen])
            assert first.scaler.mean.tolist() == second.scaler.mean.tolist()


def test_what_cannot_be_scaled_is_refused_with_its_reason():
    unknown = np.array(["a", "a", None, "c", "c", "a"], dtype=object)
    with pytest.raises(ValueError, match=r"x: scaling by speaker needs the speaker_id of every labelled .* null for 1"):
        scale(X, ROLES, CORPORA, unknown, "speaker", "none")
    with pytest.raises(ValueError, match="combine needs global statistics"):
        scale(X, ROLES, CORPORA, SPEAKERS, "speaker", "combine")
    with pytest.raises(ValueError, match="strategy must be one of global, speaker, not 'minmax'"):
        scale(X, ROLES, CORPORA, SPEAKERS, "minmax")
    with pytest.raises(ValueError, match="no row to fit"):
        scale(X, np.full(6, "test"), CORPORA, SPEAKERS)


@pytest.mark.parametrize("unlabelled_strategy", ["none", "self", "shift", "combine"])
def test_scaling_in_place_gives_what_a_new_array_gets(unlabelled_strategy):
    x = np.stack([X, 2 * X], axis=1)  # two frames of each
    expected = scale(x.copy(), ROLES, CORPORA, SPEAKERS, "global", unlabelled_strategy).features
    found = scale(x, ROLES, CORPORA, SPEAKERS, "global", unlabelled_strategy, out=x)
    assert found.features is x and np.array_equal(x, expected)


def test_a_column_has_the_statistics_that_it_has_beside_few_others(monkeypatch):
    x = np.random.default_rng(0).normal(3, 5, (50, 9)).astype(np.float32)
    expected = Scaler.fit(x)
    monkeypatch.setattr("semiser.data.scaling._COLUMNS", 4)
    found = Scaler.fit(x)
    assert found.mean.tolist() == expected.mean.tolist() and found.std.tolist() == expected.std.tolist()
