"""Folds: what the check refuses."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from fold_tables import ids, options, speech, split_rows, table

from semiser.folds.make import FOLDS_SCHEMA, check_folds, make_folds


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
