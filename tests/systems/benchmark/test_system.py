"""The benchmark's pipeline on two dozen utterances: every method on the same folds, budgets and draws of labels."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pytest
from system_runs import run_system

from semiser.folds.settings import take_experiment
from semiser.pipeline_registry import register_pipelines
from semiser.systems.benchmark.options import TrainBenchmarkOptions

IDS = [f"c/{speaker}{number}" for speaker in "abcd" for number in range(6)]
EMOTION = ["low", "high"] * 12
FOLDS = {
    "experiment": "e",
    "corpora": ["c"],
    "classes": ["low", "high"],
    "protocol": {"kind": "k_fold", "k": 2},
    "validation": {"kind": "none"},
}


def utterances():
    columns = {"corpus": ["c"] * 24, "speaker_id": [name[:3] for name in IDS], "emotion": EMOTION}
    columns |= {"duration_s": [1.0 + number % 2 for number in range(24)]}  # short ones are `low`
    return pa.table({"utterance_id": IDS, **columns, "split": ["common", "common", "own"] * 8})


def features():
    """Two values per utterance of which the first tells the class."""
    values = np.random.default_rng(0).normal(size=(24, 2)).astype(np.float32)
    values[:, 0] += 6 * (np.array(EMOTION) == "high")
    field = pa.field("egemaps", pa.list_(pa.float32(), 2), metadata={"names": json.dumps(["a", "b"])})
    schema = pa.schema([pa.field("utterance_id", pa.string()), field])
    arrays = [pa.array(IDS), pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 2)]
    return pa.dataset.dataset(pa.table(arrays, schema=schema))


def options(**given):
    network = {"grouping": "joint", "hidden": [4, 4], "epochs": 1}
    return TrainBenchmarkOptions(
        **{"folds": FOLDS, "modalities": ["egemaps"], "shares": [0.34, 1], "draws": [0, 1], "dnn": network}
        | {"variants": ["svm", "self_training", "mixmatch"], "mixmatch": {"epochs": 1}}
        | {"tested_on": {"common": {"column": "split", "values": ["common"]}}}
        | given
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="module")
def made(folder):
    return run_system("benchmark", {"utterances": utterances(), "egemaps": features()}, options(), folder)


def roles(folds, share, draw, role):
    own = take_experiment(folds, f"e/share={share}/draw={draw}")
    rows = own.filter(pc.equal(own["role"], role)).to_pylist()
    return {(row["fold"], row["utterance_id"]) for row in rows}


def test_draws_and_budgets_change_the_labels_that_are_seen_and_nothing_else(made):
    folds = made["folds"]
    tests = [roles(folds, share, draw, "test") for share in ("0.34", "1") for draw in (0, 1)]
    assert all(found == tests[0] for found in tests) and len(tests[0]) == 24
    few = [roles(folds, "0.34", draw, "train") for draw in (0, 1)]
    assert len(few[0]) == len(few[1]) == 8  # of 6 in a class and fold 0.34 * 6 = 2
    assert few[0] != few[1]
    for draw in (0, 1):
        every = roles(folds, "1", draw, "train")
        assert few[draw] < every and len(every) == 24
        assert roles(folds, "0.34", draw, "unlabelled") == every - few[draw]


def test_a_method_is_trained_with_every_budget_and_its_draws_are_its_seeds(made):
    names = {f"{method}/share={share}" for method in ("svm", "self_training", "mixmatch") for share in ("0.34", "1")}
    metrics = made["train_benchmark_metrics"]
    assert set(metrics["variants"]) == names
    assert metrics["protocol"]["seeds"] == [0, 1]
    assert set(metrics["protocol"]["settings"]) == {"e/share=0.34", "e/share=1"}
    assert len(metrics["paired"]) == 6  # three pairs of methods with either budget
    assert made["knn_predictions"].num_rows == 0
    assert [(row["variant"], row["seed"], row["fold"]) for row in made["svm_models"][:4]] == [
        *(("svm/share=0.34", seed, fold) for seed in (0, 1) for fold in (0, 1)),
    ]


def test_the_table_has_labels_scores_and_costs(made):
    table = made["efficiency_table"].set_index(["tested", "method", "share"])
    assert len(table) == 2 * 4 * 3  # all and common, methods and duration, two budgets and their mean
    row = table.loc["all", "svm", "0.34"]
    figure = made["train_benchmark_metrics"]["variants"]["svm/share=0.34"]["uar"]
    assert row["labels"] == 4 and row["uar"] == figure["mean"] and row["ci95_low"] == figure["ci95"][0]
    assert row["seconds"] > 0 and row["processor_s"] >= 0 and row["memory_mib"] > 50
    assert row["trainings"] == 4  # two draws, two folds
    both = [table.loc["all", "svm", share]["uar"] for share in ("0.34", "1")]
    assert table.loc["all", "svm", "all"]["uar"] == pytest.approx(np.mean(both))


def test_what_the_length_of_files_tells_stands_beside_the_methods(made):
    """Two labels of a class are fewer than a leaf of the tree has: it guesses. Six of each tell all."""
    table = made["efficiency_table"].set_index(["tested", "method", "share"])["uar"]
    found = {share: table["all", "duration alone", share] for share in ("0.34", "1", "all")}
    assert found == {"0.34": 0.5, "1": 1.0, "all": 0.75}
    assert table["common", "duration alone", "1"] == 1.0
    assert ("all", "level alone", "1") not in table  # no utterance has a level


def test_the_figure_has_a_line_per_method_and_one_of_what_files_tell(made):
    (axis,) = made["efficiency_figure"].axes
    assert len(axis.containers) == 3
    (line,) = [line for line in axis.lines if line.get_label() == "duration alone"]
    assert line.get_xydata().tolist() == [[0.34, 0.5], [1.0, 1.0]]


def test_what_is_finished_is_not_trained_again(made, folder, monkeypatch):
    def fail(*given):
        raise AssertionError("a fold is trained again")

    monkeypatch.setattr("semiser.training.experiment.fit_in_processes", fail)
    again = run_system(
        "benchmark", {"utterances": utterances(), "egemaps": features()}, options(), folder, upto="ranking_table"
    )
    assert again["ranking_table"].equals(made["ranking_table"])
    assert again["efficiency_table"].equals(made["efficiency_table"])  # costs, too


@pytest.fixture(scope="module")
def across(tmp_path_factory):
    """Speakers a and b are a corpus, c and d another."""
    table = utterances()
    named = pa.array(["x" if name[2] in "ab" else "y" for name in IDS])
    table = table.set_column(table.schema.get_field_index("corpus"), "corpus", named)
    folds = FOLDS | {"corpora": ["x", "y"], "protocol": {"kind": "cross_corpus"}}
    chosen = options(folds=folds, tested_on={}, shares=[0.5], draws=[0], variants=["logistic", "self_training"])
    folder = tmp_path_factory.mktemp("across")
    return run_system("benchmark", {"utterances": table, "egemaps": features()}, chosen, folder)


def test_across_corpora_a_method_hears_the_tested_one_or_not(across):
    names = ["logistic/share=0.5", "self_training/share=0.5", "self_training/unlabelled=target/share=0.5"]
    assert list(across["train_benchmark_metrics"]["variants"]) == names
    own = take_experiment(across["folds"], "e/unlabelled=target/share=0.5/draw=0")
    rows = own.filter(pc.equal(own["fold"], 0)).to_pylist()
    speakers = {
        role: {row["utterance_id"][2] for row in rows if row["role"] == role} for role in ("test", "unlabelled")
    }
    assert len(speakers["test"]) == 1 and speakers["test"] < {"c", "d"}
    assert speakers["unlabelled"] == {"a", "b", "c", "d"} - speakers["test"]


def test_across_corpora_every_pair_has_its_figures(across):
    table = across["efficiency_table"]
    assert table["tested"].unique().tolist() == ["all", "y by x", "x by y"]
    rows = table.set_index(["tested", "method", "unlabelled"])["uar"]
    of_all = rows["all", "self_training", "target"]
    of_pairs = [rows[pair, "self_training", "target"] for pair in ("y by x", "x by y")]
    assert of_all == pytest.approx(np.mean(of_pairs))
    tests = across["tests_table"]
    compared = tests[tests["tested"] == "all"].set_index("a")["supervised"]
    assert compared["self_training/unlabelled=target"].tolist() == [True, False]  # against logistic, against itself


def test_it_is_run_as_benchmark():
    pipelines = register_pipelines()
    assert pipelines["benchmark"] is pipelines["train_benchmark"]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"shares": [0.1, 0.1]}, "shares names one twice"),
        ({"folds": FOLDS | {"label_budget": {"share": 0.1}}}, "hides labels before shares and draws do"),
        ({"tested_on": {"all": {"column": "split", "values": ["x"]}}}, "all is the name of all test utterances"),
        (
            {"folds": FOLDS | {"corpora": ["x", "y"], "protocol": {"kind": "cross_corpus", "hear_tested": True}}},
            "every method is trained with and without it",
        ),
        ({"variants": ["svm", "mmmd_with_acted"]}, "folds.acted names no corpus"),
    ],
)
def test_options_that_contradict_each_other_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        options(**given)


def test_a_command_line_may_name_numbers():
    assert options(shares="0.05+0.1", draws="0+2").shares == (0.05, 0.1)
    assert options(shares=0.05, draws=2).draws == (2,)


def test_all_methods_are_those_that_the_corpora_allow():
    assert "knn" in options(variants="all").variants and "mmmd_with_acted" not in options(variants="all").variants
