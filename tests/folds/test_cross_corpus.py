"""Folds across corpora: one trains, another is tested."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fold_tables import ids, options, speakers, speech, table

from semiser.folds.leakage import check_folds
from semiser.folds.make import FOLDS_SCHEMA, make_folds, protocol_facts

ACROSS = {"kind": "cross_corpus", "parts": 2}


def three():
    """x and y have anger and joy, z has fear, too; one utterance of x's speaker a has no label."""
    rows = speech("abcd", corpus="x") + speech("ef", corpus="y") + speech("ghi", corpus="z")
    return [*rows, rows[-1] | {"utterance_id": "z/fear", "emotion": "fear"}, unlabelled("x", "a"), unlabelled("y", "e")]


def unlabelled(corpus, speaker):
    name = f"{corpus}/{speaker}"
    return speech("a")[0] | {"utterance_id": f"{name}_bare", "corpus": corpus, "speaker_id": name, "emotion": None}


def across(rows, corpora=("x", "y", "z"), **given):
    protocol = ACROSS | given.pop("protocol", {})
    return make_folds(table(rows), options(corpora=list(corpora), classes=None, protocol=protocol, **given))


def test_every_corpus_trains_and_every_other_is_tested_in_parts_of_its_speakers():
    folds = across(three())
    facts = protocol_facts(folds)
    assert facts["classes"] == ["anger", "joy"]
    pairs = [(fold["trained_on"], fold["tested_on"]) for fold in facts["folds"]]
    expected = [("x", "y"), ("x", "z"), ("y", "x"), ("y", "z"), ("z", "x"), ("z", "y")]
    assert pairs == [pair for pair in expected for _ in range(2)]
    assert facts["left_out"][0] == {"corpus": "z", "reason": "label fear is not among the classes", "utterances": 1}
    for number, (trained, tested) in enumerate(pairs):
        assert all(name.startswith(f"{trained}/") for name in speakers(folds, number, "train"))
        assert all(name.startswith(f"{tested}/") for name in speakers(folds, number, "test"))
    of_z = [speakers(folds, number, "test") for number in (2, 3)]  # trained on x
    assert sorted(map(len, of_z)) == [1, 2] and sorted(of_z[0] + of_z[1]) == ["z/g", "z/h", "z/i"]
    assert of_z == [speakers(folds, number, "test") for number in (6, 7)]  # the same parts when y trains
    assert ids(folds, 0, "unlabelled") == ["x/a_bare"]  # of the corpus that trains, and of no other


def test_the_other_speakers_of_the_tested_corpus_are_heard_where_it_is_said():
    folds = across(three(), corpora=("x", "y"), protocol={"hear_tested": True})
    tested, heard = (speakers(folds, 0, role) for role in ("test", "unlabelled"))
    assert len(tested) == 1 and {name for name in heard if name[0] == "y"} == {"y/e", "y/f"} - set(tested)
    rows = folds.filter(pc.and_(pc.equal(folds["role"], "unlabelled"), pc.equal(folds["fold"], 0)))
    assert rows["label"].null_count == len(rows)
    bare = [ids(folds, number, "unlabelled").count("y/e_bare") for number in (0, 1)]
    assert sorted(bare) == [0, 1]  # heard in the fold in which its speaker is not tested


def test_a_label_budget_hides_labels_of_the_corpus_that_trains_alone():
    folds = across(three(), corpora=("x", "y"), label_budget={"per_class": 1})
    assert len(ids(folds, 0, "train")) == 2
    assert all(name.startswith("x/") for name in ids(folds, 0, "unlabelled"))


@pytest.mark.parametrize(
    "emotions, message",
    [
        (
            {"anger": "fear", "joy": "boredom"},
            r"x \(anger, joy\) and y \(boredom, fear\) share no class; two are needed",
        ),
        ({"joy": "boredom"}, r"x \(anger, joy\) and y \(anger, boredom\) share anger alone"),
    ],
)
def test_corpora_that_share_fewer_than_two_classes_are_refused_by_name(emotions, message):
    other = [row | {"emotion": emotions.get(row["emotion"], row["emotion"])} for row in speech("ef", corpus="y")]
    with pytest.raises(ValueError, match=message):
        across(speech("ab") + other, corpora=("x", "y"))


def test_pairs_that_share_classes_which_are_not_common_to_all_are_refused():
    def said(corpus, first, second):
        names = {"anger": first, "joy": second}
        return [row | {"emotion": names[row["emotion"]]} for row in speech("ab", corpus=corpus)]

    rows = said("x", "anger", "joy") + said("x", "fear", "calm") + said("y", "anger", "joy") + said("y", "a", "b")
    rows += said("z", "fear", "calm") + said("z", "a", "b")
    for number, row in enumerate(rows):
        row["utterance_id"] += f"_{number}"
    with pytest.raises(ValueError, match="x, y, z have together no class in common"):
        across(rows)


def test_too_few_speakers_for_the_parts_and_one_corpus_are_refused():
    with pytest.raises(ValueError, match="y: cross_corpus deals its speakers into 2 parts, but it has 1 with labels"):
        across(speech("ab") + speech("e", corpus="y"), corpora=("x", "y"))
    with pytest.raises(ValueError, match="needs two corpora at least, not x"):
        across(speech("ab"), corpora=("x",))


def test_a_fold_in_which_the_tested_corpus_gives_a_label_is_refused():
    utterances = table(speech("abcd", corpus="x") + speech("ef", corpus="y"))
    chosen = options(corpora=["x", "y"], classes=None, protocol=ACROSS)
    rows = make_folds(utterances, chosen).to_pylist()
    other = next(row for row in rows if row["role"] == "test" and row["fold"] == 1)
    assert other["utterance_id"].startswith("y/")
    leaking = [*(row for row in rows if row["fold"] == 0), other | {"fold": 0, "role": "train"}]
    with pytest.raises(ValueError, match="fold 0: y gives labels and is tested"):
        check_folds(pa.Table.from_pylist(leaking, schema=FOLDS_SCHEMA), utterances, chosen)
