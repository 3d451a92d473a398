"""Options of MMMD: what the names of variants and settings stand for."""

import pytest
from pydantic import ValidationError

from semiser.systems.mmmd.options import GuardOptions, TrainMmmdOptions
from semiser.systems.mmmd.sweeps import MmmdSweepsOptions

FOLDS = {"experiment": "e", "corpora": ["c"]}
TRAIN = TrainMmmdOptions(folds=FOLDS, mixmatch={"epochs": 7, "temperature": 0.5}, dnn={"grouping": "joint"})


@pytest.mark.parametrize(
    "name, grouping, epochs, mixed, pre_trained, acted",
    [
        ("dnn", "joint", 20, False, False, "none"),
        ("sae", "joint", 20, False, True, "none"),
        ("mixmatch", "joint", 7, True, False, "none"),
        ("mmd", "family", 20, False, False, "none"),
        ("mmmd_without_acted", "family", 7, True, False, "none"),
        ("mmmd_with_acted", "family", 7, True, False, "random"),
        ("mmmd_epoch_wise", "family", 7, True, False, "first"),
        ("softmatch", "joint", 20, False, False, "none"),
        ("mmmd_softmatch", "family", 20, False, False, "none"),
    ],
)
def test_variants_are_named_sets_of_options(name, grouping, epochs, mixed, pre_trained, acted):
    options = TRAIN.neural(name)
    assert (options.network.grouping, options.network.epochs) == (grouping, epochs)
    assert (options.mixmatch is not None, options.sae is not None, options.acted) == (mixed, pre_trained, acted)


def test_the_guard_over_consistency_mixes_dnn_and_softmatch():
    options = TRAIN.guarded("softmatch_guarded")
    assert options.supervised == TRAIN.neural("dnn") and options.semi_supervised == TRAIN.neural("softmatch")
    assert options.semi_supervised.consistency == TRAIN.softmatch and options.guard == TRAIN.guard
    half = TRAIN.guarded("softmatch_half")
    assert (half.supervised, half.semi_supervised) == (options.supervised, options.semi_supervised)
    assert half.guard == GuardOptions(parts=0, shares=(0.5,))
    over_paths = TRAIN.guarded("mmmd_half")
    assert over_paths.supervised == TRAIN.neural("mmd") and over_paths.guard == half.guard
    assert over_paths.semi_supervised == TRAIN.neural("mmmd_softmatch")


@pytest.mark.parametrize(
    "modalities, columns",
    [
        (["acoustic"], ("is10",)),
        (["text"], ("word2vec",)),
        (["text", "acoustic"], ("is10", "word2vec")),
        (["acoustic", "text", "social"], ("is10", "word2vec", "query_topic", "accent")),
    ],
)
def test_modalities_name_the_feature_columns(modalities, columns):
    assert TrainMmmdOptions(folds=FOLDS, modalities=modalities).columns == columns


def test_a_variant_with_acted_utterances_needs_an_acted_corpus():
    with pytest.raises(ValidationError, match=r"mmmd_epoch_wise, but folds\.acted names no corpus"):
        TrainMmmdOptions(folds=FOLDS, variants=["mmmd_epoch_wise"])


def test_a_sweep_changes_one_option_and_nothing_else():
    sweeps = MmmdSweepsOptions(unlabelled_weight=[0, 0.01], epochs=3)
    settings = list(sweeps.settings("unlabelled_weight", TRAIN))
    assert [name for name, *_ in settings] == ["0", "0.01"]
    assert [chosen.mixmatch.unlabelled_weight for _, chosen, _ in settings] == [0, 0.01]
    assert {chosen.mixmatch.temperature for _, chosen, _ in settings} == {0.5}
    assert sweeps.neural("unlabelled_weight", settings[1][1]).network.epochs == 3
    features = {name: chosen for name, _, chosen in sweeps.settings("modalities", TRAIN)}
    assert features["acoustic+text+topic"].columns == ("is10", "word2vec", "query_topic")
    assert features["acoustic"].columns == ("is10",)


def test_mmd_is_swept_over_its_modalities_and_with_mixmatch_over_the_rest():
    sweeps = MmmdSweepsOptions(variant="mmd")
    assert sweeps.variant_of("modalities") == "mmd" and sweeps.neural("modalities", TRAIN).mixmatch is None
    assert sweeps.variant_of("temperature") == "mmmd_without_acted"
    assert sweeps.neural("temperature", TRAIN).mixmatch == TRAIN.mixmatch


def test_sets_of_modalities_are_read_together_and_name_their_trainings():
    options = TrainMmmdOptions(folds=FOLDS, modality_sets=[["acoustic"], ["acoustic", "text"]], modalities=["social"])
    assert options.columns == ("is10", "word2vec") and options.families() == ("is10", "word2vec")
    names = {name: chosen.columns for name, chosen in options.feature_sets.items()}
    assert names == {"/modalities=acoustic": ("is10",), "/modalities=acoustic+text": ("is10", "word2vec")}
    assert TrainMmmdOptions(folds=FOLDS).feature_sets == {"": None}


def test_a_setting_out_of_range_is_refused():
    with pytest.raises(ValidationError, match="temperature"):
        list(MmmdSweepsOptions(temperature=[0]).settings("temperature", TRAIN))
