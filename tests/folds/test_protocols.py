"""Folds: who is tested under each protocol."""

import pyarrow.compute as pc
import pytest
from fold_tables import LOSO, ids, options, speakers, speech, split_rows, table

from semiser.folds.make import folds_hash, make_folds, protocol_facts

PAIRS = ("ab", "cd", "ef", "gh")  # who shares a session in `speech`


def test_held_out_tests_only_the_speakers_that_it_names():
    folds = make_folds(table(speech()), options(protocol=LOSO | {"held_out": ["x/c"]}))
    assert pc.unique(folds["fold"]).to_pylist() == [0]
    assert speakers(folds, 0, "test") == ["x/c"]
    with pytest.raises(ValueError, match="unknown speakers x/z; there are x/a, x/b, x/c, x/d"):
        make_folds(table(speech()), options(protocol=LOSO | {"held_out": ["x/z"]}))


@pytest.mark.parametrize("group", ["speaker", "session"])
def test_k_fold_deals_whole_groups(group):
    folds = make_folds(table(speech("abcdefgh")), options(protocol={"kind": "k_fold", "k": 2, "group": group}))
    tested = [speakers(folds, fold, "test") for fold in range(2)]
    assert sorted(tested[0] + tested[1]) == [f"x/{name}" for name in "abcdefgh"]
    assert len(tested[0]) == 4
    if group == "session":
        assert all((f"x/{first}" in part) == (f"x/{second}" in part) for part in tested for first, second in PAIRS)
    with pytest.raises(ValueError, match=f"k is 9, but x has . labelled {group}s"):
        make_folds(table(speech("abcdefgh")), options(protocol={"kind": "k_fold", "k": 9, "group": group}))


def test_partners_are_dealt_together_through_all_their_dialogues():
    """a talks with b, b with c, and nobody else with them; d talks with e, f alone."""
    rows = speech("abcdef")
    for row, dialogue in zip(rows, [*(["1"] * 6), *(["2"] * 6), *(["3"] * 8), *(["4"] * 4)], strict=True):
        row["dialogue_id"] = dialogue  # 4 rows of each speaker: b has two in either dialogue
    folds = make_folds(table(rows), options(protocol={"kind": "k_fold", "k": 3, "group": "partners"}))
    tested = [speakers(folds, fold, "test") for fold in range(3)]
    assert sorted(tested) == [["x/a", "x/b", "x/c"], ["x/d", "x/e"], ["x/f"]]
    named = [fold["test"] for fold in protocol_facts(folds)["folds"]]
    assert sorted(named) == ["x/a and x/b and x/c", "x/d and x/e", "x/f"]
    with pytest.raises(ValueError, match="k is 4, but x has 3 labelled groups of partners; lower k"):
        make_folds(table(rows), options(protocol={"kind": "k_fold", "k": 4, "group": "partners"}))


def test_speech_outside_dialogues_makes_no_partners():
    rows = [row | {"dialogue_id": "1" if row["speaker_id"] in ("x/a", "x/b") else None} for row in speech("abcd")]
    folds = make_folds(table(rows), options(protocol={"kind": "k_fold", "k": 3, "group": "partners"}))
    tested = [speakers(folds, fold, "test") for fold in range(3)]
    assert sorted(tested) == [["x/a", "x/b"], ["x/c"], ["x/d"]]


def test_k_fold_over_utterances_tests_each_once_and_depends_on_the_seed():
    chosen = {"kind": "k_fold", "k": 3, "group": "utterance"}
    first, again, other = (make_folds(table(speech(per_class=6)), options(protocol=chosen, seed=s)) for s in (1, 1, 2))
    tested = [name for fold in range(3) for name in ids(first, fold, "test")]
    assert sorted(tested) == sorted(row["utterance_id"] for row in speech(per_class=6))
    assert [len(ids(first, fold, "test")) for fold in range(3)] == [16, 16, 16]
    assert folds_hash(first) == folds_hash(again) != folds_hash(other)


def test_speaker_dependent_share_splits_inside_each_speaker_and_class():
    chosen = options(protocol={"kind": "speaker_dependent_share", "train_share": 0.6, "repeats": 2})
    folds = make_folds(table(speech("ab", per_class=5)), chosen)
    for repeat in range(2):
        train, test = ids(folds, repeat, "train"), ids(folds, repeat, "test")
        for cell in ("x/a_anger", "x/a_joy", "x/b_anger", "x/b_joy"):
            assert sum(name.startswith(cell) for name in train) == 3
            assert sum(name.startswith(cell) for name in test) == 2
    assert ids(folds, 0, "test") != ids(folds, 1, "test")


def test_of_two_utterances_of_a_speaker_and_class_one_is_tested_and_a_single_one_trains():
    chosen = options(protocol={"kind": "speaker_dependent_share", "train_share": 0.9})
    folds = make_folds(table([*speech("a", per_class=2), *speech("b", per_class=1)]), chosen)
    assert len(ids(folds, 0, "test")) == 2 and {name[:3] for name in ids(folds, 0, "test")} == {"x/a"}
    assert len(ids(folds, 0, "train")) == 4


def test_official_split_takes_the_corpus_at_its_word():
    names = {"kind": "official_split", "train": "Train", "validation": "Valid", "test": "Test"}
    folds = make_folds(table(split_rows()), options(protocol=names))
    assert [speakers(folds, 0, role) for role in ("train", "validation", "test")] == [["x/a"], ["x/b"], ["x/c"]]
    with pytest.raises(ValueError, match=r"x: no utterance has split dev \(found: Test, Train, Valid\)"):
        make_folds(table(split_rows()), options(protocol=names | {"validation": "dev"}))


def test_official_split_counts_what_it_leaves_out_and_bars_unlabelled_test_rows():
    rows = [
        *split_rows(),
        {"utterance_id": "x/1", "corpus": "x", "split": "Test"},
        {"utterance_id": "x/2", "corpus": "x", "split": "Train"},
        {"utterance_id": "x/3", "corpus": "x", "split": "bonus", "emotion": "joy"},
    ]
    names = {"kind": "official_split", "train": "Train", "test": "Test"}
    folds = make_folds(table(rows), options(protocol=names))
    assert ids(folds, 0, "unlabelled") == ["x/2"]
    left_out = {entry["reason"]: entry["utterances"] for entry in protocol_facts(folds)["left_out"]}
    assert left_out == {"labelled, but in none of the splits of the protocol": 3}  # speaker b's two and x/3
