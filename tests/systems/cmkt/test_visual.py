import json
import logging

import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest

from semiser.options.face_features import EXPRESSIONS
from semiser.systems.cmkt.options import FOUR_EMOTIONS_MAP, SENTIMENT_MAP, SimulatedKnowledge, TrainCmktOptions
from semiser.systems.cmkt.visual import class_probabilities, knowledge_facts, read_knowledge, simulate_probabilities

SENTIMENTS = ["negative", "neutral", "positive"]
EMOTIONS = ["anger", "happiness", "neutral", "sadness"]
#          neutral happiness surprise sadness anger disgust fear
FACES = np.array(
    [
        [0.40, 0.10, 0.10, 0.10, 0.10, 0.10, 0.10],
        [0.10, 0.50, 0.20, 0.05, 0.05, 0.05, 0.05],
        [0.20, 0.10, 0.30, 0.10, 0.10, 0.10, 0.10],
        [np.nan] * 7,
    ],
    np.float32,
)


def test_expressions_add_up_to_sentiments():
    found = class_probabilities(FACES, EXPRESSIONS, SENTIMENT_MAP, SENTIMENTS)
    np.testing.assert_allclose(found[:3], [[0.4, 0.4, 0.2], [0.2, 0.1, 0.7], [0.4, 0.2, 0.4]], atol=1e-6)
    assert np.isnan(found[3]).all() and found.dtype == np.float32


def test_four_emotions_are_normalised_and_faces_that_show_another_one_are_left_out():
    found = class_probabilities(FACES, EXPRESSIONS, FOUR_EMOTIONS_MAP, EMOTIONS)
    np.testing.assert_allclose(found[0], np.array([0.1, 0.1, 0.4, 0.1]) / 0.7, atol=1e-6)
    np.testing.assert_allclose(found[1], np.array([0.05, 0.5, 0.1, 0.05]) / 0.7, atol=1e-6)
    assert np.isnan(found[2:]).all()  # surprise, and no face


def test_the_published_maps_are_tables_of_the_seven_expressions():
    assert set(SENTIMENT_MAP) == set(EXPRESSIONS)
    assert sorted(name for name, found in SENTIMENT_MAP.items() if found == "negative") == [
        "anger",
        "disgust",
        "fear",
        "sadness",
    ]
    assert [name for name, found in SENTIMENT_MAP.items() if found == "positive"] == ["surprise", "happiness"]
    assert set(FOUR_EMOTIONS_MAP) == set(EMOTIONS)


def test_simulated_knowledge_has_the_stated_confusion_and_confidence():
    truth = ["a", "b", "c", None] * 3000
    found = simulate_probabilities(truth, ["a", "b", "c"], SimulatedKnowledge(kind="simulated", confidence=(0.6, 0.8)))
    assert np.isnan(found[3::4]).all()
    known, codes = found[~np.isnan(found).any(1)], np.tile([0, 1, 2], 3000)
    np.testing.assert_allclose(known.sum(1), 1, atol=1e-5)
    assert known.max(1).min() >= 0.6 and known.max(1).max() <= 0.8
    shown = known.argmax(1)
    assert np.mean(shown != codes) == pytest.approx(0.5181, abs=0.02)
    for code in range(3):  # the wrong ones fall evenly on the other two
        wrong = shown[(codes == code) & (shown != code)]
        assert np.bincount(wrong, minlength=3).max() / len(wrong) == pytest.approx(0.5, abs=0.05)


def test_without_inconsistency_the_true_class_is_shown_and_the_seed_decides_the_draws():
    truth = ["a", "b"] * 20
    first, second, other = (
        simulate_probabilities(truth, ["a", "b"], SimulatedKnowledge(kind="simulated", inconsistency=0, seed=seed))
        for seed in (0, 0, 1)
    )
    assert first.argmax(1).tolist() == [0, 1] * 20
    assert np.array_equal(first, second) and not np.array_equal(first, other)


FOLDS = pa.table(
    {
        "utterance_id": ["l", "u", "v", "w"],
        "role": ["train", *["unlabelled"] * 3],
        "true_label": ["happiness", "happiness", None, "anger"],
    },
    metadata={"protocol": json.dumps({"classes": EMOTIONS})},
)


def _options(**changes) -> TrainCmktOptions:
    folds = {"experiment": "e", "corpora": ["c"], "classes": EMOTIONS}
    return TrainCmktOptions(folds=folds, class_map="four_emotions", **changes)


def _expressions(ids, values):
    field = pa.field("expression", pa.list_(pa.float32(), 7), metadata={"names": json.dumps(EXPRESSIONS)})
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    return pa.dataset.dataset(pa.table([pa.array(ids), pa.array(values, field.type)], schema=schema))


def test_the_expression_table_gives_knowledge_and_utterances_without_a_face_are_counted():
    table = _expressions(["u", "w"], FACES[[1, 0]].tolist())
    ids = FOLDS["utterance_id"].to_pylist()
    found = read_knowledge(FOLDS, None, table, ids, _options())
    assert np.isnan(found).all(1).tolist() == [True, False, True, False]
    assert found[[1, 3]].argmax(1).tolist() == [1, 2]
    facts = knowledge_facts(FOLDS, found, ids, _options())["visual"]
    assert (facts["unlabelled_utterances"], facts["with_knowledge"], facts["without_face_or_class"]) == (3, 2, 1)
    assert facts["inconsistency_with_true_labels"] == 0.5  # u is right, w is angry and shows none
    assert "warning" not in facts and facts["class_map"] == FOUR_EMOTIONS_MAP


def test_probabilities_that_a_corpus_publishes_are_read_from_the_utterances():
    eight = [[*row, 0.0] for row in FACES[:2].tolist()]
    utterances = pa.table({"utterance_id": ["u", "v", "x"], "visual_probabilities": [eight[1], None, eight[0]]})
    found = read_knowledge(FOLDS, utterances, None, ["u", "v"], _options(visual={"kind": "published"}))
    np.testing.assert_allclose(found[0], np.array([0.05, 0.5, 0.1, 0.05]) / 0.7, atol=1e-6)
    assert np.isnan(found[1]).all()


def test_simulated_knowledge_says_so_loudly(caplog):
    options = _options(visual={"kind": "simulated"})
    with caplog.at_level(logging.WARNING):
        found = read_knowledge(FOLDS, None, None, ["l", "u", "v", "w"], options)
    assert "SIMULATED visual knowledge" in caplog.text
    facts = knowledge_facts(FOLDS, found, ["l", "u", "v", "w"], options)["visual"]
    assert facts["warning"].startswith("SIMULATED from the true labels") and facts["inconsistency"] == 0.5181


def test_a_missing_expression_table_names_the_option():
    with pytest.raises(ValueError, match="the features expression were not extracted"):
        read_knowledge(FOLDS, None, None, ["u"], _options())
    assert np.isnan(read_knowledge(FOLDS, None, None, ["u"], _options(visual=None, variants=["fixmatch"]))).all()
