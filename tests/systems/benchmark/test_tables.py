"""The benchmark's tables on figures that are worked out by hand."""

import pandas as pd
import pyarrow as pa
import pytest

from semiser.systems.benchmark.tables import Measured, described, over_budgets, paired_tests, ranking


def entry(difference, p):
    interval = [difference - 0.1, difference + 0.1]
    return {"uar": {"difference": difference, "ci95": interval, "p": p, "smallest_p": 2 / 1024}}


def uar(mean):
    return {"uar": {"mean": mean, "std": 0.0, "ci95": [mean, mean]}}


MEASURED = [
    Measured(
        "all",
        {"dnn/share=0.1": uar(0.5), "mixmatch/share=0.1": uar(0.7), "svm/share=0.1": uar(0.6), "svm/share=1": uar(0.9)},
        {
            "mixmatch/share=0.1 - dnn/share=0.1": entry(0.2, 0.01),
            "svm/share=0.1 - dnn/share=0.1": entry(0.1, 0.03),
            "svm/share=0.1 - mixmatch/share=0.1": entry(-0.1, 0.02),
        },
    )
]


def test_p_is_corrected_among_the_methods_with_the_same_labels():
    tests = paired_tests(MEASURED)
    assert tests["share"].tolist() == ["0.1"] * 3
    # Sorted: 0.01 * 3 = 0.03, 0.02 * 2 = 0.04, 0.03 * 1 = 0.03, which may not fall below the one before.
    assert tests["p_holm"].tolist() == pytest.approx([0.03, 0.04, 0.04])
    assert tests["p_holm_least"].tolist() == [6 / 1024] * 3  # three tests of ten speakers
    assert tests["supervised"].tolist() == [True, False, False]


def test_what_unlabelled_speech_is_worth_is_a_family_of_its_own():
    pairs = {"mixmatch/share=0.1 - dnn/share=0.1": 0.01, "self_training/share=0.1 - logistic/share=0.1": 0.02,
             "mixmatch/share=0.1 - logistic/share=0.1": 0.5}  # fmt: skip
    tests = paired_tests([Measured("all", {}, {name: entry(0.1, p) for name, p in pairs.items()})])
    assert tests["p_holm"].tolist() == pytest.approx([0.03, 0.04, 0.5])
    assert tests["supervised"].tolist() == [True, True, False]
    assert (
        tests["p_holm_supervised"][:2].tolist() == pytest.approx([0.02, 0.02]) and tests["p_holm_supervised"].isna()[2]
    )


def test_the_ranking_says_which_methods_differ():
    found = ranking(MEASURED, paired_tests(MEASURED)).set_index(["share", "rank"])
    assert found["method"].tolist() == ["mixmatch", "svm", "dnn", "svm"]
    assert found.loc[("0.1", 1), "ahead_of"] == "dnn, svm" and found.loc[("0.1", 1), "behind"] == ""
    assert found.loc[("0.1", 2), "ahead_of"] == "dnn" and found.loc[("0.1", 2), "behind"] == "mixmatch"
    assert found.loc[("1", 1), "ahead_of"] == ""


def test_a_setting_that_is_no_column_stays_with_the_method():
    found = described("avspnet_random/recognition=statistics/features=fbank/share=0.1")
    assert found == {"method": "avspnet_random/recognition=statistics", "features": "fbank", "share": "0.1"}


def test_a_method_alone_has_no_test_and_a_rank():
    alone = [Measured("all", {"svm/share=1": uar(0.9)}, {})]
    tests = paired_tests(alone)
    assert isinstance(tests, pd.DataFrame) and tests.empty
    assert ranking(alone, tests)["rank"].tolist() == [1]


def test_budgets_become_draws_of_one_variant():
    table = pa.table(
        {
            "experiment": ["e/share=0.1"] * 2 + ["e/share=1"] * 2,
            "variant": ["svm/share=0.1"] * 2 + ["svm/share=1"] * 2,
            "seed": [0, 1, 0, 1],
            "fold": [0] * 4,
            "probabilities": [[1.0]] * 4,
        }
    )
    assert over_budgets(table).to_pydict() == {
        "experiment": ["all"] * 4,
        "variant": ["svm/share=all"] * 4,
        "seed": [0, 1, 2, 3],
        "fold": [0] * 4,
    }
