import json

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest

from semiser.data.matrix import read_matrix
from semiser.data.pooling import pool, pooled_width, pooling_facts, write_pooled
from semiser.features.spectra import frames_fields, matrix_field
from semiser.options.training import ScalingOptions

BOTH = ("mean", "std")


def dataset(ids, field, rows, *more):
    schema = pa.schema([pa.field("utterance_id", pa.string()), *more, field])
    others = [pa.array([0] * len(ids), kind.type) for kind in more]
    return pa.dataset.dataset(pa.table([pa.array(ids), *others, pa.array(rows, field.type)], schema=schema))


def _pooled(table, column, ids, facts):
    out = np.full((len(ids), pooled_width(table.schema.field(column), facts) * len(facts["statistics"])), np.nan)
    write_pooled(table, column, ids, facts, out)
    return out


def test_statistics_over_frames_worked_by_hand():
    frames = np.array([[1, 10], [3, 10], [5, 40]], np.float32)
    facts = {"statistics": ["mean", "min", "max", "median", "std"], "time_axis": 0}
    expected = [3, 20, 1, 10, 5, 40, 3, 10, np.sqrt(8 / 3), np.sqrt(200)]
    np.testing.assert_allclose(pool(frames, facts), expected, rtol=1e-6)


def test_the_rows_of_an_utterance_follow_each_other_in_time_and_padding_at_the_head_is_left_out():
    segments = np.array([[[1, 2], [5, 5]], [[3, 6], [5, 5]]], np.float32)  # 2 segments of (bin, frame)
    np.testing.assert_allclose(pool(segments, {"statistics": ["mean"], "time_axis": 1}), [3, 5])
    padded = np.array([[[0, 0], [0, 0], [2, 4], [0, 0], [4, 8]]], np.float32)  # (frame, bin)
    np.testing.assert_allclose(pool(padded, {"statistics": ["mean"], "time_axis": 0}), [2, 4])


def test_series_matrices_and_lists_of_vectors_are_pooled_over_time():
    ids = ["a", "b"]
    _, series = frames_fields("fbank", 2)
    table = dataset(ids, series, [[1, 2, 3, 4], [5, 6]])
    facts = pooling_facts(series, BOTH)
    np.testing.assert_allclose(_pooled(table, "fbank", ["b", "a"], facts), [[5, 6, 0, 0], [2, 3, 1, 1]])

    segments = matrix_field("segments", (2, 2), ("bin", "frame"))
    rows = [[1, 2, 5, 5], [3, 6, 5, 5], [7, 7, 9, 9]]  # two of a, one of b
    table = dataset(["a", "a", "b"], segments, rows)
    facts = pooling_facts(segments, ("mean",))
    np.testing.assert_allclose(_pooled(table, "segments", ids, facts), [[3, 5], [7, 9]])

    faces = pa.field("dface", pa.list_(pa.list_(pa.float32(), 2)))
    table = dataset(ids, faces, [[[1, 2], [3, 6]], [[4, 4]]])
    facts = pooling_facts(faces, ("max",))
    np.testing.assert_allclose(_pooled(table, "dface", ids, facts), [[3, 6], [4, 4]])


def test_an_utterance_without_frames_is_named_and_a_column_that_is_no_series_is_refused():
    _, series = frames_fields("fbank", 2)
    table = dataset(["a"], series, [[1, 2]])
    with pytest.raises(KeyError, match="1 utterances have no fbank features, the first is z"):
        _pooled(table, "fbank", ["a", "z"], pooling_facts(series, BOTH))
    with pytest.raises(ValueError, match="pitch_hz are no frames and no vector"):
        pooling_facts(pa.field("pitch_hz", pa.float32()), BOTH)


def test_vectors_and_pooled_frames_stand_side_by_side_with_names_and_what_a_new_utterance_needs():
    vector = pa.field("v", pa.list_(pa.float32(), 1), metadata={"names": json.dumps(["x"])})
    _, series = frames_fields("lld", 2, names=["f0", "loudness"])
    tables = {"v": dataset(["a", "b"], vector, [[9], [8]]), "lld": dataset(["a", "b"], series, [[1, 2, 3, 4], [5, 6]])}
    found = read_matrix(tables, ["a", "b"], ScalingOptions(), pooling=BOTH)
    assert found.names == ("x", "f0_mean", "loudness_mean", "f0_std", "loudness_std")
    assert found.ranges == {"v": (0, 1), "lld": (1, 5)}
    np.testing.assert_allclose(found.x, [[9, 2, 3, 1, 1], [8, 5, 6, 0, 0]])
    assert found.families["lld"]["pooling"] == {"statistics": ["mean", "std"], "time_axis": 0}
    assert "pooling" not in found.families["v"]
