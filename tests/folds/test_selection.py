"""Folds: which utterances they are made of, and with which classes."""

import pyarrow.compute as pc
import pytest
from fold_tables import options, speech, table

from semiser.folds.make import make_folds, protocol_facts


def test_merges_come_first_and_other_labels_are_left_out_and_counted():
    rows = speech("ab", per_class=1)
    rows += [
        {"utterance_id": f"x/{name}_{word}_9", "corpus": "x", "speaker_id": f"x/{name}", "emotion": word}
        for name in "ab"
        for word in ("excitement", "fear")
    ]
    folds = make_folds(table(rows), options(merges={"excitement": "joy"}, classes=["joy", "anger"]))
    facts = protocol_facts(folds)
    assert facts["classes"] == ["joy", "anger"]
    assert facts["left_out"] == [{"corpus": "x", "reason": "label fear is not among the classes", "utterances": 2}]
    assert facts["corpora"]["x"]["per_class"] == {"joy": 4, "anger": 2}
    excited = folds.filter(pc.equal(folds["utterance_id"], "x/a_excitement_9"))
    assert excited["label"].to_pylist() == ["joy", "joy"]
    found = make_folds(table(rows), options(merges={"excitement": "joy"}))
    assert protocol_facts(found)["classes"] == ["anger", "fear", "joy"]


def test_levels_of_mssgan_and_the_speakers_own_mean():
    values = {"a": [1.0, 2.0, 2.1, 3.9, 4.0, 5.0], "b": [2.0, 3.0, 4.0, 2.0, 3.0, 4.0]}
    rows = [
        {"utterance_id": f"x/{name}_{place}", "corpus": "x", "speaker_id": f"x/{name}", "arousal": value}
        for name, numbers in values.items()
        for place, value in enumerate(numbers)
    ]
    levels = [
        {"name": "low", "up_to": 2},
        {"name": "medium", "up_to": 4, "inclusive": False},
        {"name": "high", "up_to": 5},
    ]
    folds = make_folds(table(rows), options(target="arousal", discretise={"kind": "levels", "levels": levels}))
    assert protocol_facts(folds)["classes"] == ["low", "medium", "high"]
    test = folds.filter(pc.and_(pc.equal(folds["fold"], 0), pc.equal(folds["role"], "test")))
    assert test["label"].to_pylist() == ["low", "low", "medium", "medium", "high", "high"]
    own = make_folds(table(rows), options(target="arousal", discretise={"kind": "speaker_mean"}))
    assert own["label"].to_pylist()[:12] == ["low"] * 3 + ["high"] * 3 + ["low", "low", "high"] * 2  # both means are 3
    with pytest.raises(ValueError, match="a numeric target needs the option discretise"):
        make_folds(table(rows), options(target="arousal"))
    short = {"kind": "levels", "levels": levels[:2]}
    with pytest.raises(ValueError, match=r"4 values such as 4 lie beyond the last level 'medium' \(up_to 4\)"):
        make_folds(table(rows), options(target="arousal", discretise=short))


def test_rows_of_the_corpora_without_a_label_may_be_left_out_and_are_counted():
    rows = speech("ab", per_class=1)
    rows += [
        {"utterance_id": f"x/{name}_none", "corpus": "x", "speaker_id": f"x/{name}", "emotion": None} for name in "ab"
    ]
    rows.append({"utterance_id": "y/1", "corpus": "y", "speaker_id": "y/1", "emotion": None})
    given = {"unlabelled_corpora": ["y"], "classes": ["joy", "anger"]}
    unlabelled = {}
    for used in (True, False):
        folds = make_folds(table(rows), options(unlabelled_rows=used, **given))
        unlabelled[used] = set(folds.filter(pc.equal(folds["role"], "unlabelled"))["utterance_id"].to_pylist())
    assert unlabelled == {True: {"x/a_none", "x/b_none", "y/1"}, False: {"y/1"}}
    reason = "no label, and folds.unlabelled_rows is false"
    assert {"corpus": "x", "reason": reason, "utterances": 2} in protocol_facts(folds)["left_out"]
