"""Folds: who validates, which labels are hidden, and who is heard unlabelled."""

import pyarrow.compute as pc
import pytest
from fold_tables import ids, options, speakers, speech, table

from semiser.folds.make import make_folds, protocol_facts


def test_validation_speakers_follow_the_test_speaker_cyclically():
    folds = make_folds(table(speech()), options(validation={"kind": "speakers", "count": 2}))
    found = [(speakers(folds, fold, "test"), speakers(folds, fold, "validation")) for fold in range(4)]
    assert found == [
        (["x/a"], ["x/b", "x/c"]),
        (["x/b"], ["x/c", "x/d"]),
        (["x/c"], ["x/a", "x/d"]),
        (["x/d"], ["x/a", "x/b"]),
    ]
    for count in (3, 4):
        with pytest.raises(ValueError, match=f"takes {count} of 3 training speakers"):
            make_folds(table(speech()), options(validation={"kind": "speakers", "count": count}))


def test_leave_one_session_out_with_a_held_out_speaker_for_validation():
    chosen = options(
        protocol={"kind": "leave_one_session_out"}, validation={"kind": "held_out_speakers", "count": 1}, seed=3
    )
    folds = make_folds(table(speech()), chosen)
    for fold, (session, others) in enumerate([(["x/a", "x/b"], ["x/c", "x/d"]), (["x/c", "x/d"], ["x/a", "x/b"])]):
        validation, test = speakers(folds, fold, "validation"), speakers(folds, fold, "test")
        assert len(validation) == len(test) == 1
        assert sorted(validation + test) == session
        assert speakers(folds, fold, "train") == others
    both = options(protocol={"kind": "leave_one_session_out"}, validation={"kind": "held_out_speakers", "count": 2})
    with pytest.raises(ValueError, match="takes 2 of the 2 held-out speakers and leaves none to test"):
        make_folds(table(speech()), both)
    more = both.model_copy(update={"validation": both.validation.model_copy(update={"count": 3})})
    with pytest.raises(ValueError, match="takes 3 of the 2 held-out speakers and leaves none to test"):
        make_folds(table(speech()), more)


def test_validation_share_is_taken_from_each_class_of_the_training_part():
    folds = make_folds(table(speech("ab", per_class=10)), options(validation={"kind": "share", "share": 0.2}))
    validation = ids(folds, 0, "validation")
    assert [name.split("_")[1] for name in validation] == ["anger"] * 2 + ["joy"] * 2  # 0.2 of ten each
    assert speakers(folds, 0, "validation") == ["x/b"] == speakers(folds, 0, "train")
    assert len(ids(folds, 0, "train")) == 16
    folds = make_folds(table(speech("ab", per_class=10)), options(validation={"kind": "share", "share": 0.8}))
    assert len(ids(folds, 0, "validation")) == 16
    for share, of_each in ((0.01, 1), (0.6, 2), (0.99, 3)):  # of four: at least one to each part
        folds = make_folds(table(speech("ab", per_class=4)), options(validation={"kind": "share", "share": share}))
        assert len(ids(folds, 0, "validation")) == 2 * of_each


def test_label_budget_keeps_a_share_of_each_class_and_budgets_are_nested():
    rows = table(speech("abc", per_class=10))  # 20 of each class train
    kept = {}
    for share in (0.01, 0.25, 0.5, 1.0):
        folds = make_folds(rows, options(label_budget={"share": share}, seed=5))
        kept[share] = set(ids(folds, 0, "train"))
        hidden = folds.filter(pc.equal(folds["role"], "unlabelled"))
        assert hidden["label"].null_count == len(hidden)
        assert hidden["true_label"].null_count == 0
        assert len(kept[share]) + len(ids(folds, 0, "unlabelled")) == 40
    assert [len(kept[share]) for share in kept] == [2, 10, 20, 40]
    assert kept[0.01] < kept[0.25] < kept[0.5] < kept[1.0]
    for names in kept.values():
        assert sum("anger" in name for name in names) * 2 == len(names)
    absolute = make_folds(rows, options(label_budget={"per_class": 3}, seed=5))
    assert len(ids(absolute, 0, "train")) == 6


def test_unlabelled_rows_come_from_other_corpora_and_from_training_speakers():
    rows = [
        *speech("ab"),
        {"utterance_id": "x/a_u", "corpus": "x", "speaker_id": "x/a"},
        {"utterance_id": "x/b_u", "corpus": "x", "speaker_id": "x/b"},
        {"utterance_id": "x/nobody", "corpus": "x"},
        {"utterance_id": "y/1", "corpus": "y", "speaker_id": "y/1", "emotion": "joy"},
        {"utterance_id": "y/2", "corpus": "y", "emotion": "pride"},
    ]
    folds = make_folds(table(rows), options(unlabelled_corpora=["y"]))
    assert ids(folds, 0, "unlabelled") == ["x/b_u", "y/1", "y/2"]
    assert ids(folds, 1, "unlabelled") == ["x/a_u", "y/1", "y/2"]
    facts = protocol_facts(folds)
    assert facts["folds"][0]["unlabelled_kept_apart"] == 2
    known = {row["utterance_id"]: (row["label"], row["true_label"]) for row in folds.to_pylist()}
    assert (known["y/1"], known["y/2"]) == ((None, "joy"), (None, None))
    open_to_all = make_folds(table(rows), options(unlabelled_corpora=["y"], transductive=True))
    assert ids(open_to_all, 0, "unlabelled") == ["x/a_u", "x/b_u", "x/nobody", "y/1", "y/2"]


def test_unlabelled_rows_of_validation_speakers_are_kept_apart():
    unlabelled = [{"utterance_id": f"x/{n}_u", "corpus": "x", "speaker_id": f"x/{n}"} for n in "abc"]
    rows = speech("abc") + unlabelled
    folds = make_folds(table(rows), options(validation={"kind": "speakers"}))
    assert ids(folds, 0, "unlabelled") == ["x/c_u"]  # a is tested, b validates
    shared = make_folds(table(rows), options(validation={"kind": "share", "share": 0.25}))
    assert ids(shared, 0, "unlabelled") == ["x/b_u", "x/c_u"]
