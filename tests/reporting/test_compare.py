"""Which of our figures stands beside which published one, and what it is called."""

import pytest
from reporting.test_findings import figure

from semiser.reporting.compare import compare


def metrics(variants, corpus="emodb", classes=7, **protocol):
    facts = {"corpora": {corpus: {}}, "classes": [str(number) for number in range(classes)], **protocol}
    return {"protocol": facts, "variants": variants, "paired": {}}


def _matches(system, found):
    return {(row.table, row.variant, row.setting, row.metric): ours for row, ours in compare(system, [found]) if ours}


def test_a_variant_meets_its_number_and_another_corpus_is_called_so():
    found = _matches("mmmd", metrics({"dnn": {"macro_f1": figure(0.4, 0.3, 0.5)}, "svm": {"macro_f1": figure(0.9)}}))
    ((key, ours),) = found.items()
    assert key == ("Table 1", "DNN", "", "macro_f1")
    assert (ours.mean, ours.low, ours.high, ours.corpora, ours.comparable) == (
        0.4,
        0.3,
        0.5,
        ("emodb",),
        "another corpus",
    )


@pytest.mark.parametrize(
    "corpus, classes, comparable",
    [
        ("iemocap", 4, "same corpus"),
        ("IEMOCAP", 6, "same corpus, other classes"),
        ("casia", 4, "another corpus"),
    ],
)
def test_only_the_same_corpus_with_the_same_classes_is_comparable(corpus, classes, comparable):
    variants = {"supervised": {"uar": figure(0.5)}}
    found = _matches("cmkt", metrics(variants, corpus, classes))
    assert found["Table 5", "Supervised learning", "", "uar"].comparable == comparable
    assert found["Table 3", "Supervised learning", "", "uar"].comparable == "another corpus"


def test_settings_of_the_name_and_of_the_protocol_must_fit():
    variants = {
        "random/task=arousal/share=0.25": {"uar": figure(0.5)},
        "autoencoder/task=valence": {"uar": figure(0.4)},
    }
    found = _matches("avspnet", metrics(variants, label_budget={"share": 1.0}))
    assert set(found) == {
        ("Table 3", "R", "task=arousal/share=0.25", "uar"),
        ("Table 3", "AE", "task=valence/share=1", "uar"),
    }
    assert len(compare("avspnet", [metrics(variants)])) == 160


def test_modalities_come_from_the_protocol_whatever_their_order():
    variants = {"mmd": {"uar": figure(0.5)}}
    assert set(_matches("mmmd", metrics(variants, modalities=["text", "acoustic"]))) == {
        ("Table 2", "MMD", "modalities=acoustic+text", "uar")
    }
    assert _matches("mmmd", metrics(variants, modalities=["acoustic", "text", "social"])) == {}


def test_a_variant_with_a_setting_that_the_paper_does_not_have_is_none_of_its():
    found = metrics(
        {"consistent_random/epsilon=0.9": {"uar": figure(0.5)}, "supervised/share=0.1": {"uar": figure(0.4)}}
    )
    assert set(_matches("cmkt", found)) == {("Table 4", "Consistent & random", "epsilon=0.9", "uar")}


def test_of_several_option_sets_the_published_one_meets_the_papers_numbers():
    names = [f"random/task=arousal/share=1/recognition={name}" for name in ("tuned", "published")]
    found = _matches("avspnet", metrics({name: {"uar": figure(0.5)} for name in names}))
    assert {key: ours.variant for key, ours in found.items()} == {
        ("Table 3", "R", "task=arousal/share=1", "uar"): names[1]
    }


def test_without_metrics_the_paper_stands_alone():
    assert all(ours is None for _, ours in compare("began", []))
    assert compare("unknown", [metrics({"a": {"uar": figure(0.5)}})]) == []
