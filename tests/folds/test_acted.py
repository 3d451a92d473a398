"""Folds and scaling with an acted corpus: in every fold, never tested, its emotions mapped."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fold_tables import ids, options, speech, table

from semiser.data.scaling import scale
from semiser.folds.make import FOLDS_SCHEMA, check_folds, make_folds, protocol_facts

ACTED = {"acted": [{"corpus": "e", "emotions": {"rage": "anger", "joy": "joy"}}]}


def _rows():
    played = [("1", "rage"), ("2", "joy"), ("3", "awe"), ("4", None)]
    acted = [
        {"utterance_id": f"e/{name}", "corpus": "e", "speaker_id": f"e/{name}", "emotion": emotion}
        for name, emotion in played
    ]
    return [*speech("ab"), *acted]


def test_an_acted_corpus_helps_in_every_fold_with_mapped_labels():
    folds = make_folds(table(_rows()), options(**ACTED, classes=["anger", "joy"]))
    assert [ids(folds, fold, "acted") for fold in (0, 1)] == [["e/1", "e/2"]] * 2
    labels = {row["utterance_id"]: row["label"] for row in folds.to_pylist()}
    assert (labels["e/1"], labels["e/2"]) == ("anger", "joy")


def test_emotions_without_a_counterpart_are_left_out_and_counted():
    facts = protocol_facts(make_folds(table(_rows()), options(**ACTED)))
    assert facts["classes"] == ["anger", "joy"]
    assert facts["left_out"] == [
        {"corpus": "e", "reason": "acted: emotion (none) has no counterpart in the mapping", "utterances": 1},
        {"corpus": "e", "reason": "acted: emotion awe has no counterpart in the mapping", "utterances": 1},
    ]
    acted = facts["acted_corpora"]["e"]
    assert acted["per_class"] == {"anger": 1, "joy": 1} and acted["emotions"] == {"rage": "anger", "joy": "joy"}
    assert facts["folds"][0]["utterances"]["acted"] == 2


def test_the_other_draws_do_not_depend_on_an_acted_corpus():
    settings = {"label_budget": {"share": 0.5}, "seed": 4}
    with_acted, without = (make_folds(table(_rows()), options(**settings, **more)) for more in (ACTED, {}))
    assert with_acted.filter(pc.not_equal(with_acted["role"], "acted")).to_pylist() == without.to_pylist()


def test_a_mapping_to_an_unknown_class_is_refused():
    wrong = {"acted": [{"corpus": "e", "emotions": {"rage": "anger", "awe": "wonder"}}]}
    with pytest.raises(ValueError, match="acted corpus e: emotions maps to wonder"):
        make_folds(table(_rows()), options(**wrong))


@pytest.mark.parametrize("utterance, role", [("e/1", "train"), ("e/1", "test"), ("x/b_joy_0", "acted")])
def test_the_check_keeps_acted_corpora_and_the_others_apart(utterance, role):
    folds = make_folds(table(_rows()), options(**ACTED)).to_pylist()
    for row in folds:
        row["role"] = role if row["utterance_id"] == utterance else row["role"]
    with pytest.raises(ValueError, match="belongs to the corpora named in acted"):
        check_folds(pa.Table.from_pylist(folds, FOLDS_SCHEMA), table(_rows()), options(**ACTED))


def test_a_test_speaker_may_not_be_acted():
    rows = _rows()
    rows[-4]["speaker_id"] = "x/a"
    with pytest.raises(ValueError, match=r"1 test speakers also play another role, such as x/a \(test, acted\)"):
        make_folds(table(rows), options(**ACTED))


@pytest.mark.parametrize(
    "strategy, speakers, expected",
    [("global", ["a", "a", "b", "c", "d"], [-1, 1]), ("speaker", ["a", "a", "b", "c", "d"], [0, 0])],
)
def test_an_acted_corpus_is_scaled_by_itself(strategy, speakers, expected):
    x = np.array([[1.0], [3.0], [6.0], [100.0], [300.0]], np.float32)
    roles = np.array(["train", "train", "test", "acted", "acted"])
    corpora = np.array(["x", "x", "x", "e", "e"])
    found = scale(x, roles, corpora, np.array(speakers, object), strategy).features[:, 0]
    np.testing.assert_allclose(found[3:], expected)
    np.testing.assert_allclose(found[:2], [-1, 1])
