"""What stands behind the averages, on four utterances worked out by hand."""

import pyarrow as pa
import pytest

from semiser.evaluation.details import look_into

ROWS = [  # variant, seed, fold, utterance, speaker, target, prediction, probability of what was said
    ("net", 0, 0, "u1", "a", "x", "x", 0.9),
    ("net", 0, 0, "u2", "a", "y", "x", 0.6),
    ("net", 0, 1, "u3", "b", "x", "x", 0.8),
    ("net", 0, 1, "u4", "b", "x", "y", 0.7),
    ("svm", 0, 0, "u1", "a", "x", "x", 0.5),
    ("svm", 0, 0, "u2", "a", "y", "x", 0.5),
    ("svm", 0, 1, "u3", "b", "x", "x", 0.5),
    ("svm", 0, 1, "u4", "b", "x", "x", 0.5),
]


@pytest.fixture
def details():
    names = ["variant", "seed", "fold", "utterance_id", "speaker_id", "target", "prediction", "p"]
    rows = [dict(zip(names, row, strict=True)) for row in ROWS]
    predictions = pa.Table.from_pylist([{**row, "probabilities": [row["p"], 1 - row["p"]]} for row in rows])
    utterances = pa.table({"utterance_id": ["u2", "u4"], "audio_path": ["2.wav", "4.wav"], "corpus": ["c", "c"]})
    curves = pa.table(
        {
            "variant": ["net"] * 4,
            "epoch": [0, 1, 0, 1],
            "name": ["loss"] * 4,
            "value": [4.0, 2.0, 2.0, float("nan")],
        }
    )
    return look_into(predictions, {"classes": ["x", "y"]}, utterances, curves)


def test_confusions_recalls_of_speakers_and_curves(details):
    net = details["variants"]["net"]
    assert net["confusion"] == [[2, 1], [1, 0]] and net["seeds"] == 1
    assert net["speakers"] == [
        {"speaker": "a", "utterances": 2, "right": 0.5, "recall": 0.5, "classes": 2},
        {"speaker": "b", "utterances": 2, "right": 0.5, "recall": 0.5, "classes": 1},
    ]
    assert net["curves"] == {"loss": {"epoch": [1, 2], "mean": [3.0, 2.0], "std": [1.0, 0.0]}}
    assert details["variants"]["svm"]["curves"] == {}


def test_the_utterances_that_most_variants_get_wrong_come_first(details):
    assert [(row["utterance_id"], row["wrong"], row["of"], row["said"]) for row in details["wrong"]] == [
        ("u2", 2, 2, {"x": 2}),
        ("u4", 1, 2, {"y": 1}),
    ]
    assert details["wrong"][0]["audio_path"] == "2.wav" and details["wrong"][0]["target"] == "y"
