"""Folds: who is tested, what stays hidden, and what the check refuses."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pydantic import ValidationError

from semiser.options.folds import FoldOptions
from semiser.training.folds import FOLDS_SCHEMA, check_folds, folds_hash, make_folds, protocol_facts

LOSO = {"kind": "leave_one_speaker_out"}
NONE = {"kind": "none"}
PAIRS = ("ab", "cd", "ef", "gh")  # who shares a session in `speech`


def table(rows: list[dict]) -> pa.Table:
    names = ("utterance_id", "corpus", "speaker_id", "session_id", "split", "emotion")
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    return pa.table(columns | {"arousal": pa.array([row.get("arousal") for row in rows], pa.float64())})


def speech(speakers: str = "abcd", per_class: int = 2, corpus: str = "x") -> list[dict]:
    """Every speaker says `per_class` utterances of anger and of joy; speakers sit in sessions of two."""
    rows = []
    for place, name in enumerate(speakers):
        for emotion in ("anger", "joy"):
            for take in range(per_class):
                rows.append(
                    {
                        "utterance_id": f"{corpus}/{name}_{emotion}_{take}",
                        "corpus": corpus,
                        "speaker_id": f"{corpus}/{name}",
                        "session_id": f"{corpus}/s{place // 2}",
                        "emotion": emotion,
                    }
                )
    return rows


def options(**changes) -> FoldOptions:
    return FoldOptions(**({"experiment": "e", "corpora": ["x"], "protocol": LOSO, "validation": NONE} | changes))


def ids(folds: pa.Table, fold: int, role: str) -> list[str]:
    inside = pc.and_(pc.equal(folds["fold"], fold), pc.equal(folds["role"], role))
    return sorted(folds.filter(inside)["utterance_id"].to_pylist())


def speakers(folds: pa.Table, fold: int, role: str) -> list[str]:
    return sorted({name.split("_")[0] for name in ids(folds, fold, role)})


def test_leave_one_speaker_out_has_the_worked_out_rows():
    folds = make_folds(table(speech("ab", per_class=1)), options())
    assert folds.schema.equals(FOLDS_SCHEMA)
    assert [tuple(row.values()) for row in folds.to_pylist()] == [
        ("e", 0, "x/a_anger_0", "test", "anger", "anger"),
        ("e", 0, "x/a_joy_0", "test", "joy", "joy"),
        ("e", 0, "x/b_anger_0", "train", "anger", "anger"),
        ("e", 0, "x/b_joy_0", "train", "joy", "joy"),
        ("e", 1, "x/a_anger_0", "train", "anger", "anger"),
        ("e", 1, "x/a_joy_0", "train", "joy", "joy"),
        ("e", 1, "x/b_anger_0", "test", "anger", "anger"),
        ("e", 1, "x/b_joy_0", "test", "joy", "joy"),
    ]


def test_held_out_tests_only_the_speakers_that_it_names():
    folds = make_folds(table(speech()), options(protocol=LOSO | {"held_out": ["x/c"]}))
    assert pc.unique(folds["fold"]).to_pylist() == [0]
    assert speakers(folds, 0, "test") == ["x/c"]
    with pytest.raises(ValueError, match="unknown speakers x/z; there are x/a, x/b, x/c, x/d"):
        make_folds(table(speech()), options(protocol=LOSO | {"held_out": ["x/z"]}))


def test_validation_speakers_follow_the_test_speaker_cyclically():
    folds = make_folds(table(speech()), options(validation={"kind": "speakers", "count": 2}))
    found = [(speakers(folds, fold, "test"), speakers(folds, fold, "validation")) for fold in range(4)]
    assert found == [
        (["x/a"], ["x/b", "x/c"]),
        (["x/b"], ["x/c", "x/d"]),
        (["x/c"], ["x/a", "x/d"]),
        (["x/d"], ["x/a", "x/b"]),
    ]
    with pytest.raises(ValueError, match="takes 3 of 3 training speakers"):
        make_folds(table(speech()), options(validation={"kind": "speakers", "count": 3}))


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


def test_validation_share_is_taken_from_each_class_of_the_training_part():
    folds = make_folds(table(speech("ab", per_class=10)), options(validation={"kind": "share", "share": 0.2}))
    validation = ids(folds, 0, "validation")
    assert [name.split("_")[1] for name in validation] == ["anger"] * 2 + ["joy"] * 2  # 0.2 of ten each
    assert speakers(folds, 0, "validation") == ["x/b"] == speakers(folds, 0, "train")
    assert len(ids(folds, 0, "train")) == 16


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


def split_rows() -> list[dict]:
    rows = speech("abc", per_class=1)
    for row in rows:
        row["split"] = {"a": "Train", "b": "Valid", "c": "Test"}[row["speaker_id"][-1]]
    return rows


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


def test_permuting_the_test_labels_leaves_training_and_validation_unchanged():
    rows = speech("abc", per_class=6)
    permuted = [dict(row) for row in rows]
    of_a = [row for row in permuted if row["speaker_id"] == "x/a"]
    words = np.random.default_rng(0).permutation([row["emotion"] for row in of_a])
    for row, word in zip(of_a, words, strict=True):
        row["emotion"] = str(word)
    assert permuted != rows
    chosen = options(validation={"kind": "share", "share": 0.3}, label_budget={"share": 0.5})
    parts = [make_folds(table(part), chosen).filter(pc.field("fold") == 0) for part in (rows, permuted)]
    seen = [part.filter(pc.not_equal(part["role"], "test")) for part in parts]
    assert seen[0].equals(seen[1])
    assert not parts[0].equals(parts[1])


def test_folds_do_not_depend_on_the_order_of_utterances():
    rows = speech("abcd", per_class=3)
    chosen = options(protocol={"kind": "k_fold", "k": 2}, label_budget={"share": 0.5})
    assert make_folds(table(rows), chosen).equals(make_folds(table(rows[::-1]), chosen))


def test_hash_is_of_the_content_in_any_order():
    folds = make_folds(table(speech("ab")), options())
    turned = folds.take(list(range(len(folds)))[::-1]).replace_schema_metadata(None)
    assert folds_hash(turned) == folds_hash(folds)
    assert len(folds_hash(folds)) == 64
    changed = folds.to_pylist()
    changed[0]["true_label"] = None
    assert folds_hash(pa.Table.from_pylist(changed, FOLDS_SCHEMA)) != folds_hash(folds)


def with_roles(folds: pa.Table, **roles: str) -> pa.Table:
    """Fold 0 of a table with the roles of some utterances changed; other utterances are named by their end."""
    rows = [row for row in folds.to_pylist() if row["fold"] == 0]
    for row in rows:
        row["role"] = roles.get(row["utterance_id"].removeprefix("x/"), row["role"])
    return pa.Table.from_pylist(rows, FOLDS_SCHEMA)


@pytest.mark.parametrize(
    ("role", "used"), [("train", "train, test"), ("validation", "validation, test"), ("unlabelled", "unlabelled, test")]
)
def test_check_refuses_a_test_speaker_in_another_role(role, used):
    utterances = table(speech("ab"))
    leaking = with_roles(make_folds(utterances, options()), a_joy_0=role)
    with pytest.raises(ValueError, match=rf"fold 0: 1 test speakers also play another role, such as x/a \({used}\)"):
        check_folds(leaking, utterances, options())


def test_check_lets_declared_cases_pass_and_no_more():
    utterances = table(speech("ab"))
    folds = make_folds(utterances, options())
    check_folds(with_roles(folds, a_joy_0="unlabelled"), utterances, options(transductive=True))
    with pytest.raises(ValueError, match="also play another role"):
        check_folds(with_roles(folds, a_joy_0="train"), utterances, options(transductive=True))
    dependent = options(protocol={"kind": "k_fold", "k": 2, "group": "utterance"})
    check_folds(with_roles(folds, a_joy_0="train"), utterances, dependent)


def test_check_refuses_doubles_empty_parts_and_missing_classes():
    utterances = table(speech("ab"))
    folds = make_folds(utterances, options()).filter(pc.field("fold") == 0)
    double = pa.concat_tables([folds, with_roles(folds, a_joy_0="validation").slice(2, 1)])
    with pytest.raises(
        ValueError, match=r"1 utterances have more than one row, such as x/a_joy_0 \(test, validation\)"
    ):
        check_folds(double, utterances, options())
    with pytest.raises(ValueError, match="no utterance has the role test"):
        check_folds(folds.filter(pc.field("role") == "train"), utterances, options())
    with pytest.raises(ValueError, match="no training utterance has the class joy"):
        check_folds(with_roles(folds, b_joy_0="validation", b_joy_1="validation"), utterances, options())
    with pytest.raises(ValueError, match="2 utterances such as x/b_joy_0 are not in utterances"):
        check_folds(folds, utterances.slice(0, 6), options())
    with pytest.raises(ValueError, match="unknown role"):
        check_folds(with_roles(folds, b_joy_0="tset"), utterances, options())


def test_official_split_that_shares_a_speaker_must_say_so():
    rows = split_rows()
    for row in rows:
        row["speaker_id"] = "x/a"
    names = {"kind": "official_split", "train": "Train", "validation": "Valid", "test": "Test"}
    with pytest.raises(ValueError, match="official_split with speaker_dependent"):
        make_folds(table(rows), options(protocol=names))
    folds = make_folds(table(rows), options(protocol=names | {"speaker_dependent": True}))
    assert len(ids(folds, 0, "test")) == 2


def test_errors_name_the_corpus_and_the_way_out():
    with pytest.raises(ValueError, match=r"x: leave_one_speaker_out needs at least two .* found 1 \(x/a\); choose"):
        make_folds(table(speech("a")), options())
    with pytest.raises(ValueError, match="unknown corpus z: utterances holds x"):
        make_folds(table(speech("ab")), options(corpora=["z"]))
    nameless = [row | {"speaker_id": None} for row in speech("ab")]
    with pytest.raises(ValueError, match="x: speaker_id is null in 8 labelled utterances"):
        make_folds(table(nameless), options())
    with pytest.raises(ValueError, match="no labelled utterance in x: column 'emotion' has none of the classes"):
        make_folds(table(speech("ab")), options(classes=["fear", "calm"]))
    with pytest.raises(ValueError, match="no training utterance has the class calm"):
        make_folds(table(speech("ab")), options(classes=["anger", "joy", "calm"]))
    with pytest.raises(ValueError, match="utterance_id occurs more than once"):
        make_folds(table(speech("ab") * 2), options())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unlabelled_corpora": ["x"]}, "in corpora and in unlabelled_corpora"),
        ({"merges": {"fear": "joy"}, "classes": ["fear", "joy"]}, "classes names fear"),
        ({"label_budget": {}}, "exactly one"),
        ({"label_budget": {"share": 0}}, "greater than 0"),
        ({"validation": {"kind": "held_out_speakers"}}, "needs a held-out group"),
        ({"protocol": {"kind": "speaker_dependent_share"}, "validation": {"kind": "speakers"}}, "use share or none"),
        ({"protocol": {"kind": "leave_one_out"}}, "leave_one_speaker_out"),
        ({"sede": 1}, "sede"),
        (
            {"protocol": {"kind": "official_split", "validation": "dev"}, "validation": {"kind": "share"}},
            "set validation.kind to none",
        ),
    ],
)
def test_options_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        options(**changes)
