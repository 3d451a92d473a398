"""Folds: the table, its facts and its hash, and what they do not depend on."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from fold_tables import options, speech, table

from semiser.folds.make import FOLDS_SCHEMA, check_folds, folds_hash, make_folds
from semiser.folds.settings import join_experiments, take_experiment
from semiser.folds.table import each_fold, protocol_facts


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


def test_names_take_24_bytes_a_row_and_are_dictionaries_in_a_file_too(tmp_path):
    rows = table(speech("abcd", per_class=5))
    folds = make_folds(rows, options())
    assert len({chunk.dictionary.buffers()[2].address for chunk in folds["utterance_id"].chunks}) == 1
    assert sum(
        chunk.indices.nbytes for name in folds.column_names if name != "fold" for chunk in folds[name].chunks
    ) <= (
        21 * len(folds)  # five columns of int32, and a bit that says what is null
    )
    pq.write_table(folds, tmp_path / "folds.parquet", row_group_size=7)
    read = pq.read_table(tmp_path / "folds.parquet")
    assert read.schema.equals(FOLDS_SCHEMA) and folds_hash(read) == folds_hash(folds)
    check_folds(read, rows, options())


def test_a_fold_is_a_view_of_the_table_where_its_rows_lie_together():
    folds = make_folds(table(speech("abc", per_class=2)), options())
    address = [chunk.indices.buffers()[1].address for chunk in folds["role"].chunks]
    found = list(each_fold(folds))
    assert [(name, number, len(fold)) for name, number, fold in found] == [("e", number, 12) for number in range(3)]
    assert [fold["role"].chunk(0).indices.buffers()[1].address for _, _, fold in found] == address
    mixed = folds.take(pa.array([0, 12, 1, 13, 2]))
    assert [fold["utterance_id"].to_pylist() for _, _, fold in each_fold(mixed)] == [
        folds["utterance_id"].take(pa.array(rows)).to_pylist() for rows in ([0, 1, 2], [12, 13])
    ]


def test_experiments_whose_names_differ_are_checked_together():
    rows = table(speech("abc", per_class=2))
    others = table(speech("bc", per_class=2))
    parts = [make_folds(rows, options(experiment="one")), make_folds(others, options(experiment="two"))]
    check_folds(join_experiments(parts), rows, options())
    with pytest.raises(ValueError, match="experiment 'one', fold 0: 4 utterances such as x/a_anger_0 are not in"):
        check_folds(join_experiments(parts), others, options())


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


def test_a_speakers_mean_is_that_of_everyone_where_some_take_no_part():
    """Each says 0.5, 1, 4.5 and 10: of all four the mean is 4, of the last three 5.2."""
    rows = speech("ab", per_class=2)
    for row, value in zip(rows, [0.5, 1.0, 4.5, 10.0] * 2, strict=True):
        row["arousal"] = value
    part = [row for row in rows if row["arousal"] > 0.5]
    chosen = options(target="arousal", discretise={"kind": "speaker_mean"})
    found = [make_folds(table(part), chosen, everyone) for everyone in (None, table(rows))]
    assert [folds["true_label"].to_pylist()[:3] for folds in found] == [["low", "low", "high"], ["low", "high", "high"]]


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


def test_experiments_of_one_table_are_taken_apart_as_they_were_made():
    rows = table(speech("ab", per_class=1))
    parts = [make_folds(rows, options(experiment=name, seed=seed)) for seed, name in enumerate(("one", "two"))]
    stacked = join_experiments(parts)
    assert stacked.num_rows == 16
    for part, name in zip(parts, ("one", "two"), strict=True):
        picked = take_experiment(stacked, name)
        assert picked == part and protocol_facts(picked) == protocol_facts(part)
        assert folds_hash(picked) == folds_hash(part)
    with pytest.raises(ValueError, match="the folds have no experiment 'three'; there are one, two"):
        take_experiment(stacked, "three")
