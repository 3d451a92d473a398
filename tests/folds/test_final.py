"""All folds of an experiment as one, for its final model."""

import json

import pyarrow as pa

from semiser.folds.final import join_folds
from semiser.folds.make import make_folds
from semiser.folds.options import FoldOptions
from semiser.folds.table import FOLDS_SCHEMA


def _table(rows):
    columns = ["fold", "utterance_id", "role", "label"]
    rows = [dict(zip(columns, row, strict=True)) | {"experiment": "e", "true_label": row[3]} for row in rows]
    return pa.Table.from_pylist(rows, FOLDS_SCHEMA).replace_schema_metadata(
        {"protocol": json.dumps({"classes": ["x"]})}
    )


FOLDS = _table(
    [
        (0, "a1", "test", "x"), (0, "b1", "train", "x"), (0, "b2", "unlabelled", None), (0, "c1", "validation", "x"),
        (0, "p1", "acted", "x"), (0, "u1", "unlabelled", None),
        (1, "a1", "train", "x"), (1, "b1", "test", "x"), (1, "b2", "test", "x"), (1, "c1", "train", "x"),
        (1, "p1", "acted", "x"), (1, "u2", "unlabelled", None),
    ]
)  # fmt: skip


def _roles(table):
    return {row["utterance_id"]: (row["role"], row["label"]) for row in table.to_pylist()}


def test_everybody_is_there_once_and_what_a_budget_hides_stays_hidden():
    found = join_folds(FOLDS)
    assert _roles(found) == {
        "a1": ("train", "x"), "b1": ("train", "x"), "b2": ("unlabelled", None), "c1": ("train", "x"),
        "p1": ("acted", "x"), "u1": ("unlabelled", None), "u2": ("unlabelled", None),
    }  # fmt: skip
    assert len(found) == 7 and set(found["fold"].to_pylist()) == {0}
    assert found.schema.metadata == FOLDS.schema.metadata and found.schema.equals(FOLDS_SCHEMA)


def test_the_validation_part_of_the_first_fold_is_kept_where_it_selects():
    assert _roles(join_folds(FOLDS, keep_validation=True))["c1"] == ("validation", "x")


def test_an_utterance_that_is_only_ever_tested_trains():
    official = _table([(0, "a1", "train", "x"), (0, "b1", "test", "x")])
    assert _roles(join_folds(official)) == {"a1": ("train", "x"), "b1": ("train", "x")}


def test_every_label_of_a_leave_one_speaker_out_experiment_is_seen_and_about_a_budgets_share():
    ids = [f"{speaker}{n:02}" for speaker in "abcd" for n in range(20)]
    utterances = pa.table(
        {
            "utterance_id": ids,
            "corpus": ["c"] * 80,
            "speaker_id": [name[0] for name in ids],
            "emotion": ["x", "y"] * 40,
        }
    )
    options = FoldOptions(experiment="e", corpora=["c"], validation={"kind": "none"})
    assert join_folds(make_folds(utterances, options))["role"].to_pylist() == ["train"] * 80
    tenth = options.model_copy(update={"label_budget": options.label_budget.model_copy(update={"share": 0.1})})
    found = join_folds(make_folds(utterances, tenth))
    assert 6 <= found["role"].to_pylist().count("train") <= 12 and len(found) == 80
