"""Who did best, and how sure that is, on figures made up to be worked out by hand."""

import pytest

from semiser.reporting.findings import find_best, holm, metric_label, task_of


def figure(mean, low=None, high=None):
    return {"mean": mean, "std": 0.01, "ci95": [low, high], "per_fold": [mean], "pooled": mean}


def metrics(variants, paired=(), units=12, corpora=("emodb",), metric="uar"):
    statistics = {"ci95": f"percentile bootstrap of the mean, 2000 resamples of {units} units (speaker)"}
    protocol = {"corpora": {name: {} for name in corpora}, "classes": ["a", "b", "c", "d"], "statistics": statistics}
    tests = {
        pair: {metric: {"difference": difference, "ci95": [None, None], "p": p, "test": "swap", "utterances": 9}}
        for pair, difference, p in paired
    }
    return {
        "protocol": protocol,
        "variants": {name: {metric: figure(mean)} for name, mean in variants.items()},
        "paired": tests,
    }


def test_the_best_its_lead_and_its_chance():
    (found,) = find_best("train_x", metrics({"svm": 0.5, "net": 0.6}, [("net - svm", 0.1, 0.02)]))
    assert (found.best, found.second, found.lead, found.p, found.chance) == ("net", "svm", 0.1, 0.02, 0.25)
    assert found.ahead_of == ("svm",) and found.units == 12 and found.caution == "" and not found.demo
    assert found.certainty == "The lead is significant over every other variant."


def test_a_pair_counts_in_either_direction():
    (found,) = find_best("train_x", metrics({"svm": 0.6, "net": 0.5}, [("net - svm", -0.1, 0.3)]))
    assert (found.best, found.lead) == ("svm", 0.1)
    assert found.certainty == "Not sure: the lead is not significant over the other variant and may be chance."


def test_several_comparisons_are_corrected():
    pairs = [("a - b", 0.1, 0.04), ("a - c", 0.2, 0.001), ("a - d", 0.3, 0.03)]
    (found,) = find_best("train_x", metrics({"a": 0.7, "b": 0.6, "c": 0.5, "d": 0.4}, pairs))
    # Holm: 0.001 * 3 < 0.05, then 0.03 * 2 > 0.05 stops.
    assert found.ahead_of == ("c",)
    assert "significant over c (5 % level, 3 comparisons, Holm's correction), not over the others" in found.certainty


def test_a_lead_is_claimed_over_those_alone_that_it_was_tested_against():
    variants = {"a": 0.7, "b": 0.7, "c": 0.5, "d": 0.4}
    (found,) = find_best("train_x", metrics(variants, [("a - d", 0.3, 0.01)]))
    assert found.certainty == "The lead is significant over d. It was not tested against the 2 others."
    (found,) = find_best("train_x", metrics(variants, [("a - d", 0.3, 0.4)]))
    assert found.certainty == (
        "Not sure: the lead is not significant over the 1 that it was tested against and may be chance. "
        "It was not tested against the 2 others."
    )


def test_a_lead_that_no_exchange_could_prove_is_said_to_be_one():
    # All 64 exchanges of six speakers: p is 2 / 64 = 0.031 at least, which two comparisons double.
    pairs = [("a - b", 0.2, 0.03125), ("a - c", 0.3, 0.03125)]
    of_six = metrics({"a": 0.7, "b": 0.5, "c": 0.4}, pairs, units=6)
    for entry in of_six["paired"].values():
        entry["uar"]["smallest_p"] = 2 / 64
    (found,) = find_best("train_x", of_six)
    assert found.certainty == (
        "Not sure: the lead is not significant over any of the 2 other variants (5 % level, 2 comparisons, Holm's "
        "correction) and may be chance. It could not be: with 6 speakers p is 0.031 at least, and 2 comparisons "
        "ask for one below 0.025."
    )


def test_tasks_and_shares_are_apart_and_features_compete():
    variants = {
        "ssgan/task=arousal/features=fft": 0.6,
        "ssgan/task=arousal/features=fbank": 0.7,
        "ssgan/task=valence/features=fft": 0.4,
        "net/share=0.25": 0.3,
    }
    found = {finding.setting: finding for finding in find_best("train_x", metrics(variants))}
    assert set(found) == {"task=arousal", "task=valence", "share=0.25"}
    assert found["task=arousal"].best == "ssgan/task=arousal/features=fbank"
    assert found["task=arousal"].certainty == "The best was not tested against the others."
    assert found["task=arousal"].lead == pytest.approx(0.1)
    assert found["task=valence"].certainty == "There is no other variant to compare with."


def test_few_speakers_and_the_demo_are_named():
    (found,) = find_best("train_x", metrics({"a": 0.5}, units=4, corpora=("demo_wild", "demo_acted")))
    assert found.caution.startswith("Only 4 speakers were tested") and found.demo


def test_concordance_decides_where_there_is_no_uar():
    (found,) = find_best("train_x", metrics({"a": 0.1, "b": 0.3}, metric="ccc/arousal"))
    assert (found.metric, found.best, found.chance) == ("ccc/arousal", "b", None)


def test_an_undefined_figure_is_passed_over():
    (found,) = find_best("train_x", metrics({"a": None, "b": 0.3}))
    assert found.best == "b" and found.second is None
    assert find_best("train_x", metrics({"a": None})) == []


def test_holm_by_hand():
    # 3 * 0.01, 2 * 0.024, 0.04 but no less than the one before
    assert holm({"a": 0.01, "b": 0.024, "c": 0.04}) == pytest.approx({"a": 0.03, "b": 0.048, "c": 0.048})
    assert holm({"a": 0.02, "b": 0.001}) == pytest.approx({"a": 0.02, "b": 0.002})
    assert holm({"a": 0.9, "b": 0.8}) == pytest.approx({"a": 1.0, "b": 1.0})
    assert holm({}) == {}


def test_names():
    assert task_of("net/task=emotion/features=x/share=0.25") == "task=emotion/share=0.25"
    assert metric_label("f1/anger") == "F1 anger" and metric_label("ccc/arousal") == "CCC arousal"
    assert metric_label("uar") == "UAR"
