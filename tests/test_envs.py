"""The envs of conf: what base says, and what an experiment has of it and of its own."""

from pathlib import Path

import pytest

from semiser.configuration import load_parameters
from semiser.effective import effective_options, experiment_parameters
from semiser.needs import configured_systems, needed_families
from semiser.systems.system import get_system, system_names

CONF = Path(__file__).parents[1] / "conf"
FOLDS = {"folds": {"experiment": "any", "corpora": ["any"]}}
SIZES = load_parameters(CONF, None)["train_benchmark"]["systems"]  # for a CPU; the models' own are the papers'
MUST_SAY = dict.fromkeys(("baselines", "began", "cmkt", "mmmd", "mssgan"), FOLDS) | {
    "benchmark": FOLDS | {"systems": SIZES},
    "avspnet": {"background": {"corpora": ["other"]}, "corpora": ["any"], "tasks": {"emotion": {}}},
}
FEATURES = ("is10", "egemaps", "compare2016", "emobase", "is10_lld", "fbank")
# Env to the trainings that it configures, and the families that they need.
EXPERIMENTS = {
    **{f"{name}_features": (["baselines", "mmmd"], FEATURES) for name in ("ased", "casia", "emodb", "nemo")},
    **{f"{name}_benchmark": (["benchmark"], ("is10",)) for name in ("ased", "casia", "emodb", "nemo")},
    "ased_front_ends": (["benchmark"], ("is10", "segments", "chunks", "voice")),
    "ased_systems": (["benchmark"], ("is10", "fbank")),
    "avspnet_casia": (["avspnet"], ("segments", "voice")),
    "avspnet_iemocap": (["avspnet"], ("segments", "voice", "valence")),
    "avspnet_nnime": (["avspnet"], ("segments", "voice", "valence")),
    "began_emodb": (["began"], ("is10", "chunks")),
    "began_emodb_librispeech": (["began"], ("is10", "chunks")),
    "began_omg": (["began"], ("is10", "chunks")),
    "began_savee": (["began"], ("is10", "chunks")),
    "casia": (["mmmd"], ("is10",)),
    "casia_ssl": (["mmmd"], ("is10",)),
    "cmkt_casia": (["cmkt"], ("fbank",)),
    "cmkt_ch_sims": (["cmkt"], ("stft", "expression")),
    "cmkt_iemocap": (["cmkt"], ("wav2vec",)),
    "emodb": (["mmmd"], ("is10",)),
    "emodb_front_ends": (["benchmark"], ("is10", "segments", "voice")),
    "cross_corpus": (["benchmark"], ("is10",)),
    "mmmd_iemocap": (["mmmd"], ("is10", "word2vec")),
    "mmmd_ivd": (["mmmd"], ("is10", "word2vec", "social")),
    "mssgan": (["mssgan"], ("fft", "fbank", "dface")),
    "ssgan_casia": (["mssgan"], ("fft", "fbank")),
}


@pytest.mark.parametrize("system", system_names())
def test_base_says_what_the_models_have_by_default(system):
    model, base = get_system(system).options, load_parameters(CONF, None)[f"train_{system}"]
    assert model(**base | MUST_SAY[system]) == model(**MUST_SAY[system])


def test_base_configures_nothing():
    base = load_parameters(CONF, None)
    assert configured_systems(base) == [] and needed_families(base) == ()
    assert base["ingest"]["corpora"] is None
    assert base["train_faces"] == {"expression": None, "dface": None}


def test_every_env_is_looked_at():
    envs = {path.name for path in CONF.iterdir() if any(path.glob("*.yml"))}
    assert envs == {"base", "demo", *EXPERIMENTS}


@pytest.mark.parametrize("env", EXPERIMENTS)
def test_an_experiment_has_its_own_corpora_and_what_its_training_needs(env):
    parameters = experiment_parameters(CONF, env)
    assert not [name for name in parameters["ingest"]["corpora"] if name.startswith("demo")]
    assert (configured_systems(parameters), needed_families(parameters)) == EXPERIMENTS[env]
    assert effective_options(parameters)  # each group fits its model


def test_no_option_of_a_method_differs_between_benchmarks():
    """Those across corpora in what is trained, too: methods and shares, but for no option of a method."""
    envs = ["cross_corpus", "ased_systems", "ased_front_ends", "emodb_front_ends",
            *(name for name in EXPERIMENTS if name.endswith("_benchmark"))]  # fmt: skip
    chosen = ("folds.", "tested_on", "shares", "draws", "variants", "modality_sets", "systems.avspnet.background")
    own = ("ingest.", *(f"train_benchmark.{name}" for name in chosen))
    shared = [
        {path: value for path, value in effective_options(experiment_parameters(CONF, env)).items()
         if path.startswith("train_benchmark.") and not path.startswith(own)}
        for env in envs
    ]  # fmt: skip
    assert len(envs) >= 8 and all(options == shared[0] for options in shared)


def test_the_demo_configures_every_system():
    demo = load_parameters(CONF, "demo")
    assert configured_systems(demo) == system_names()
    assert needed_families(demo) == (
        *("is10", "segments", "chunks", "fft", "fbank", "stft", "voice"),
        *("word2vec", "social", "valence", "expression", "dface"),
    )


@pytest.mark.parametrize(
    "env, option, value",
    [
        ("casia", "train_mmmd.mmd.batch_size", 64),
        ("casia", "train_mmmd.mmd.balanced", True),
        ("emodb", "train_mmmd.scaling.strategy", "speaker"),
        ("casia_ssl", "train_mmmd.dnn.grouping", "joint"),
        ("ased_benchmark", "train_benchmark.dnn.grouping", "joint"),
        ("ased_benchmark", "train_benchmark.mixmatch.epochs", 30),
        ("casia_ssl", "train_mmmd.mixmatch_acted.temperature", 0.3),
        ("avspnet_casia", "features.segments.pad_short", True),
        ("avspnet_casia", "train_avspnet.network.proxy_hidden", [512, 128]),
        ("began_emodb", "train_began.encoder.learning_rate", 0.0005),
        ("ssgan_casia", "train_mssgan.scaling.unlabelled", "self"),
        ("cmkt_casia", "train_cmkt.folds.validation.kind", "none"),
    ],
)
def test_our_experiments_have_the_options_that_were_chosen_for_them(env, option, value):
    assert effective_options(experiment_parameters(CONF, env))[option] == value
