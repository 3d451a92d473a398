import re

import pytest
from pydantic import ValidationError

from semiser.systems.mssgan.options import CropOptions, CtGanOptions, TaskOptions, TrainMssganOptions

FOLDS = {"experiment": "e", "corpora": ["c"]}


def test_the_defaults_are_the_published_ones():
    options = TrainMssganOptions(folds=FOLDS)
    assert [setting.suffix for setting in options.settings][:2] == [
        "task=arousal/features=fbank",
        "task=arousal/features=fft",
    ]
    assert options.network.generator_channels == (512, 256, 128, 64)
    assert options.network.discriminator_channels == (128, 256, 512, 1024)
    assert (options.network.kernel, options.network.dropout, options.crop.frames) == (5, 0.2, 128)
    assert (options.optimisation.batch_size, options.optimisation.learning_rate) == (64, 2e-4)
    gan = options.system("mssgan").gan
    assert (gan.consistency_weight, gan.hidden_factor, gan.discriminator_steps, gan.generator_steps) == (1, 0.1, 1, 1)


def test_variants_have_the_settings_of_their_number_of_modalities():
    options = TrainMssganOptions(folds=FOLDS, features=["fbank", "fbank+dface"])
    assert [s.features for s in options.settings_of("ssgan")] == ["fbank"] * 2
    assert [s.features for s in options.settings_of("mssgan")] == ["fbank+dface"] * 2
    assert options.system("fsbase").gan is None and options.system("ssbase").self_training


def test_a_task_with_votes_has_folds_over_its_levels_and_one_that_is_null_has_none():
    tasks = {"arousal": TrainMssganOptions(folds=FOLDS).tasks["arousal"], "valence": None}
    options = TrainMssganOptions(folds=FOLDS, tasks=tasks, features=["fbank"])
    (setting,) = options.settings
    folds = options.task_folds(setting)
    assert (folds.experiment, folds.target, folds.discretise) == ("e/task=arousal/features=fbank", "arousal", None)
    assert folds.classes == ["low", "medium", "high"]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: CtGanOptions(kernel=4), "kernel must be odd"),
        (lambda: CropOptions(frames=64, kept_frames=32), "kept_frames must be at least frames = 64, not 32"),
        (lambda: CropOptions(frames_averaged=3), "frames must be a multiple of frames_averaged = 3"),
        (lambda: TaskOptions(target="arousal", votes="arousal_votes"), "discretise must say which levels"),
        (lambda: TrainMssganOptions(folds=FOLDS, variants=["mssgan"], features=["fbank"]), "nothing to train"),
        (
            lambda: TrainMssganOptions(folds=FOLDS | {"validation": {"kind": "none"}}),
            "optimisation.select is `validation`, but folds.validation is `none`",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_any_frames_of_sound_are_features_and_nothing_else():
    chosen = TrainMssganOptions(folds=FOLDS, features=["is10_lld", "stft", "egemaps_lld+dface"])
    assert chosen.families() == ("is10_lld", "stft", "egemaps_lld", "dface")
    for wrong in ("segments", "is10", "dface+fbank", "fft+fbank", "fbank+expression", "dface+dface"):
        with pytest.raises(
            ValueError, match=rf"features names {re.escape(wrong)}, of which no crops are cut: .*is10_lld"
        ):
            TrainMssganOptions(folds=FOLDS, features=[wrong])
