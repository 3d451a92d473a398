import pytest
from pydantic import ValidationError

from semiser.corpora.options import IngestOptions
from semiser.options.engine import EngineOptions
from semiser.options.features import FeaturesOptions
from semiser.options.training import TrainingOptions
from semiser.systems.mmmd.options import TrainMmmdOptions

CORPUS = {"reader": "emodb", "root": "somewhere"}
FOLDS = {"experiment": "e", "corpora": ["c"], "validation": {"kind": "none"}}


@pytest.mark.parametrize(
    "model, values, named",
    [
        (
            IngestOptions,
            {"corpora": {"c": CORPUS | {"raeder": "x"}}},
            r"corpora.c\n.*'raeder', did you mean 'reader'\?",
        ),
        (IngestOptions, {"corpora": {"c": CORPUS | {"reader": "emodbb"}}}, r"unknown reader 'emodbb'.*casia"),
        (IngestOptions, {"corpora": {"c": CORPUS | {"root": None}}}, r"no folder is set for c, from "),
        (IngestOptions, {"corpora": {"c": CORPUS | {"options": {"colour": 1}}}}, r"colour"),
        (IngestOptions, {"corpora": {"a/b": CORPUS}}, r"corpus name 'a/b'"),
        (IngestOptions, {"corpora": {"c": None}}, r"every corpus is switched off"),
        (FeaturesOptions, {"is10": {"sample_rate": 8_000}}, r"is10\n.*did you mean 'sample_rate_hz'"),
        (FeaturesOptions, {"is11": {}}, r"is11"),
        (EngineOptions, {"workers": 0}, r"workers"),
        (TrainingOptions, {"precision": "half"}, r"precision"),
        (TrainMmmdOptions, {"folds": FOLDS, "mmd": {"epoch": 3}}, r"mmd\n.*no option 'epoch', did you mean 'epochs'"),
        (TrainMmmdOptions, {"folds": FOLDS, "variants": "dnn+mdm"}, r"variants\n.*no 'mdm', did you mean 'mmd'"),
        (TrainMmmdOptions, {"folds": FOLDS, "mmd": {"epochs": "many"}}, r"mmd.epochs"),
        (TrainMmmdOptions, {"folds": FOLDS, "mmd": {"select": "validation"}}, r"nothing to select by"),
    ],
)
def test_a_typo_or_a_wrong_value_is_an_error_that_names_the_key(model, values, named):
    with pytest.raises(ValidationError) as caught:
        model(**values)
    import re

    assert re.search(named, str(caught.value), re.DOTALL), str(caught.value)


def test_options_do_not_change_under_way():
    with pytest.raises(ValidationError, match="frozen"):
        EngineOptions().workers = 3


def test_null_switches_a_corpus_off():
    options = IngestOptions(corpora={"a": CORPUS, "b": None})
    assert list(options.active) == ["a"]


def test_a_command_line_names_variants_without_brackets():
    chosen = [
        TrainMmmdOptions(folds=FOLDS | {"acted": acted}, variants=names).variants
        for names, acted in (
            ("dnn+mmd", []),
            ("svm", []),
            ("all", []),
            ("all", [{"corpus": "a", "emotions": {"anger": "anger"}}]),
        )
    ]
    assert chosen[:2] == [("dnn", "mmd"), ("svm",)]
    assert chosen[2] == ("svm", "dnn", "sae", "mixmatch", "mmd", "mmmd_without_acted")
    assert chosen[3] == (*chosen[2], "mmmd_with_acted", "mmmd_epoch_wise")
    assert TrainMmmdOptions(folds=FOLDS | {"corpora": "one+two"}).folds.corpora == ["one", "two"]
