import pyarrow as pa
import pytest

from semiser.systems.mssgan.sides import accuracy_by_side


def test_right_and_wrong_predictions_are_counted_by_the_side_of_the_face():
    utterances = pa.table({"utterance_id": ["a", "b", "c"], "video_side": ["left", "right", None]})
    predictions = pa.table(
        {
            "variant": ["ssgan"] * 4 + ["fsbase"],
            "utterance_id": ["a", "b", "a", "c", "b"],
            "target": ["low", "low", "high", "low", "low"],
            "prediction": ["low", "low", "low", "high", "high"],
        }
    )
    rows = accuracy_by_side(predictions, utterances).to_dict("records")
    assert [tuple(row.values())[:4] for row in rows] == [
        ("ssgan", "frontal", 1, 1),
        ("ssgan", "side", 1, 0),
        ("ssgan", "whole picture", 0, 1),
        ("fsbase", "side", 0, 1),
    ]
    assert [row["accuracy"] for row in rows] == pytest.approx([0.5, 1, 0, 0])
