"""Two runs whose predictions are few enough to be counted."""

import pyarrow.parquet as pq
import pytest
from experiments.holders import predictions
from reporting.test_findings import metrics

from semiser.experiments.compare import compare_runs, differing, find_run
from semiser.experiments.records import Model, Result, new_record, write_record
from semiser.experiments.tree import Tree

# Four utterances of each of two speakers, a fold per speaker.
TRUTH = [(fold, f"{speaker}{n}", speaker, "ab"[n % 2]) for fold, speaker in enumerate("st") for n in range(4)]


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "08_reporting", tmp_path / "06_models", tmp_path / "04_feature")


def _trained(tree, experiment, wrong=(), folds_hash="f01d", truth=TRUTH, options=None, variants=("net",), seed=0):
    """A recorded run with predictions that are right but for some utterances."""
    rows = [(*row, row[3] if row[1] not in wrong else "ba"[row[3] == "b"]) for row in truth]
    models = []
    for fold in sorted({row[0] for row in rows}):
        folder = f"net/seed-{seed}/fold-{fold:02d}/{folds_hash}{len(wrong)}"
        place = tree.models / experiment / "train_x" / folder
        place.mkdir(parents=True, exist_ok=True)
        table = predictions([row for row in rows if row[0] == fold], seed=seed)
        pq.write_table(table, place / "predictions.parquet")
        models.append(Model(variant="net", seed=seed, fold=fold, folder=folder, key="k"))
    document = metrics(dict.fromkeys(variants, 0.5))
    document["protocol"]["folds_hash"] = folds_hash
    result = Result(headlines=[], folds_hash=folds_hash, metrics=document, models=models)
    record = new_record(experiment, "kedro run", options or {}).model_copy(
        update={"results": {"train_x": result}, "state": "finished"}
    )
    write_record(tree.reporting / experiment, record)
    return record


def test_options_that_differ_have_their_dotted_path():
    a = {"mmd": {"epochs": 3, "hidden": [8, 4], "c": 1}, "scaling": {"strategy": "global"}}
    b = {"mmd": {"epochs": 5, "hidden": [8, 4]}, "scaling": {"strategy": "global"}, "new": None}
    assert list(differing(a, b)) == [("mmd.epochs", 3, 5), ("mmd.c", 1, "-"), ("new", "-", None)]
    assert list(differing(a, a)) == []


def test_common_folds_are_compared_utterance_by_utterance(tree):
    a = _trained(tree, "one", options={"train_x": {"epochs": 3}, "ingest": {}})
    b = _trained(tree, "two", wrong=["s0", "t0"], options={"train_x": {"epochs": 5}})
    found = compare_runs(tree, a, b)
    assert found.options == [("train_x.epochs", 3, 5)] and found.groups == [("ingest", a.id)]
    (difference,) = found.differences
    assert (difference.pipeline, difference.variant, difference.on) == ("train_x", "net", "the same folds")
    # One of two a's of each speaker is lost: recall 1/2 and 1, UAR 3/4 against 1.
    assert difference.metrics["uar"]["difference"] == pytest.approx(0.25)
    assert (difference.metrics["uar"]["utterances"], difference.metrics["uar"]["test"]) == (8, "t")
    assert compare_runs(tree, b, a).differences[0].metrics["uar"]["difference"] == pytest.approx(-0.25)


def test_other_folds_are_compared_on_common_utterances_as_one(tree):
    a = _trained(tree, "one", wrong=["s0"])
    swapped = [(1 - row[0], *row[1:]) for row in TRUTH if row[1] != "t3"]
    b = _trained(tree, "two", folds_hash="07e4", truth=swapped)
    (difference,) = compare_runs(tree, a, b).differences
    assert difference.on == "common test utterances, pooled, as the folds differ"
    # Seven in common: a has 3 of 4 a's and all 3 b's, b has all.
    assert difference.metrics["uar"]["difference"] == pytest.approx(-0.125)
    assert difference.metrics["uar"]["utterances"] == 7


def _reason(tree, a, b):
    found = compare_runs(tree, a, b)
    assert found.differences == []
    ((pipeline, variant, reason),) = found.left_out
    assert (pipeline, variant) == ("train_x", "net")
    return reason


def test_what_cannot_be_compared_is_said(tree):
    a = _trained(tree, "one")
    other_seed = _trained(tree, "two", seed=1)
    assert _reason(tree, a, other_seed) == "no utterance was tested by both with the same seed in the same fold"
    twice = [*TRUTH, *((2, *row[1:]) for row in TRUTH[:1])]
    again = _trained(tree, "three", folds_hash="07e4", truth=twice)
    assert _reason(tree, a, again) == "the folds differ, and utterances are tested in more than one of them"
    (tree.models / "one/train_x" / a.results["train_x"].models[0].folder / "predictions.parquet").unlink()
    assert "1 of 2 tables of predictions are gone, such as " in _reason(tree, a, other_seed)


def test_a_variant_that_one_has_alone_is_passed_over(tree):
    found = compare_runs(tree, _trained(tree, "one"), _trained(tree, "two", variants=("svm",)))
    assert found.differences == [] and found.left_out == []


def test_a_run_is_found_by_its_id_or_as_the_last_of_its_experiment(tree):
    first = _trained(tree, "one")
    last = _trained(tree, "one", wrong=["s0"])
    write_record(tree.reporting / "one", new_record("one", "kedro run --pipelines=report", {}))
    write_record(tree.reporting / "bare", new_record("bare", "kedro run --pipelines=ingest", {}))
    assert find_run(tree, first.id) == first
    assert find_run(tree, "one") == last
    with pytest.raises(ValueError, match="no recorded run of the experiment bare trained anything"):
        find_run(tree, "bare")
    with pytest.raises(ValueError, match=r"tow is neither an experiment \(bare, one\) nor a run's id"):
        find_run(tree, "tow")
