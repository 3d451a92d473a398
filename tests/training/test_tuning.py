"""The study: what it may see, its space, resuming."""

import pytest
from fold_tables import ids, options, speech, table

from semiser.folds.make import make_folds, protocol_facts
from semiser.options.tuning import Choices, Range, TuneOptions
from semiser.training import tuning


def _space(**space):
    return TuneOptions(trials=4, space=space or {"rate": {"low": 0.1, "high": 10, "log": True}})


def test_the_validation_part_is_tested_and_nothing_of_the_test_part_is_left():
    folds = make_folds(table(speech("abc")), options(validation={"kind": "speakers"}))
    found = tuning.validation_as_test(folds)
    assert ids(found, 0, "test") == ids(folds, 0, "validation") and not ids(found, 0, "validation")
    assert not set(ids(folds, 0, "test")) & set(found.filter(found["fold"].to_numpy() == 0)["utterance_id"].to_pylist())
    assert ids(found, 0, "train") == ids(folds, 0, "train")
    assert protocol_facts(found) == protocol_facts(folds)
    assert tuning.validation_as_test(folds, first=2)["fold"].unique().to_pylist() == [0, 1]


def test_folds_without_validation_are_refused():
    with pytest.raises(ValueError, match=r"fold 0 has no validation part to tune on: set folds\.validation"):
        tuning.validation_as_test(make_folds(table(speech("abc")), options()))


def test_the_best_values_of_the_space_are_found_and_a_stopped_study_goes_on(tmp_path):
    space = _space(rate={"low": 0.1, "high": 10, "log": True}, widths={"choices": [[], [8, 8]]},
                   epochs={"low": 2, "high": 4, "integer": True})  # fmt: skip
    tried = []

    def score(values):
        tried.append(values)
        if len(tried) == 3:
            raise KeyboardInterrupt
        return -abs(values["rate"] - 1) + len(values["widths"])

    with pytest.raises(KeyboardInterrupt):
        tuning.search(score, space, tmp_path / "s" / "study.sqlite", "name")
    found = tuning.search(score, space, tmp_path / "s" / "study.sqlite", "name")
    finished = [values for number, values in enumerate(tried, start=1) if number != 3]
    assert found["trials"] == 4 == len(finished)
    assert [
        {name: row[name] for name in values} for row, values in zip(found["scores"], finished, strict=True)
    ] == finished
    assert found["best"] == max(finished, key=lambda v: -abs(v["rate"] - 1) + len(v["widths"]))
    assert all(0.1 <= v["rate"] <= 10 and v["widths"] in ([], [8, 8]) and v["epochs"] in (2, 3, 4) for v in tried)
    assert tuning.search(score, space, tmp_path / "s" / "study.sqlite", "name") == found and len(tried) == 5
    other = tuning.search(lambda values: 1.0, space, tmp_path / "s" / "study.sqlite", "other")
    assert other["trials"] == 4


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r"semiser\[tune\]"):
        tuning.search(lambda values: 0.0, _space(), tmp_path / "study.sqlite", "name")


@pytest.mark.parametrize("wrong", [{"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}])
def test_ranges_are_checked(wrong):
    with pytest.raises(ValueError, match="a range needs low <= high"):
        Range(**wrong)


def test_a_space_tells_choices_from_ranges():
    found = _space(a={"choices": [0.1, None]}, b={"low": 1, "high": 2}).space
    assert isinstance(found["a"], Choices) and isinstance(found["b"], Range)
