"""The options of every published experiment are the paper's, or there is a reason."""

import importlib.util
from pathlib import Path

import pytest

from semiser.configuration import load_parameters
from semiser.effective import effective_options, experiment_parameters, flat
from semiser.evaluation import hyperparameters
from semiser.evaluation.hyperparameters import (
    PUBLISHED_ENVS,
    Hyperparameter,
    compare_options,
    read_hyperparameters,
)
from semiser.systems.system import get_system, system_names

ROOT = Path(__file__).parents[2]
PUBLISHED = [(system, env) for system, envs in PUBLISHED_ENVS.items() for env in envs]


@pytest.mark.parametrize("system, env", PUBLISHED)
def test_an_option_is_the_papers_or_has_a_reason(system, env):
    options = effective_options(experiment_parameters(ROOT / "conf", env))
    found = compare_options(system, env, options)
    assert {row.option: row.fault for row in found if row.fault} == {}


@pytest.mark.parametrize("system, env", PUBLISHED)
def test_what_conf_says_of_a_published_experiment_is_in_the_table(system, env):
    group = get_system(system).pipeline
    said = load_parameters(ROOT / "conf", None if env == "base" else env)[group]
    known = {row.option for row in read_hyperparameters(system) if row.env in ("", env)}
    assert {path for path, _ in flat(said, f"{group}.")} - known - {f"{group}.folds.experiment"} == set()


def test_numbers_of_the_papers_by_hand():
    """Read in the papers and not in the tables."""
    base = effective_options(experiment_parameters(ROOT / "conf", "base"))
    assert (base["train_mmmd.mmd.batch_size"], base["train_mmmd.mmd.pooled"]) == (256, 2048)
    iemocap = effective_options(experiment_parameters(ROOT / "conf", "avspnet_iemocap"))
    assert (iemocap["train_avspnet.network.kernels"], iemocap["train_avspnet.pretraining.learning_rate"]) == (32, 0.001)
    assert iemocap["train_avspnet.recognition.published.hidden"] == [1024, 512, 128]
    savee = effective_options(experiment_parameters(ROOT / "conf", "began_savee"))
    assert savee["train_began.encoder.learning_rate"] == 0.00005 and savee["train_began.encoder.epochs"] == 100
    mssgan = effective_options(experiment_parameters(ROOT / "conf", "mssgan"))
    assert mssgan["train_mssgan.network.discriminator_channels"] == [128, 256, 512, 1024]
    cmkt = effective_options(experiment_parameters(ROOT / "conf", "cmkt_ch_sims"))
    assert (cmkt["train_cmkt.network.blocks"], cmkt["train_cmkt.threshold"], cmkt["features.stft.frames"]) == (
        8,
        0.9,
        555,
    )


def _row(value, source, note="", env=""):
    return Hyperparameter(env, "a.b", value, source, note)


@pytest.mark.parametrize(
    "rows, fault",
    [
        ([_row(1, "4.2")], ""),
        ([_row(2, "4.2")], "the paper has 2, and no reason is given"),
        ([_row(2, "4.2"), _row(1, "ours", "for a CPU")], ""),
        ([_row(2, "4.2"), _row(1, "ours")], "ours, but no reason is given"),
        ([_row(2, "4.2"), _row(3, "ours", "for a CPU")], "the table has 3 as ours"),
        ([_row(1, "4.2"), _row(3, "ours", "for a CPU")], "it is the paper's, but the table has a reason why not"),
        ([_row(1, "4.2"), _row(1, "4.3")], "the table says it twice"),
        ([_row(1, "4.2"), _row(5, "4.3", env="other")], ""),
        ([Hyperparameter("", "a.c", 1, "4.2", "")], "no such option"),
    ],
)
def test_a_difference_without_a_reason_is_a_fault(monkeypatch, rows, fault):
    monkeypatch.setattr(hyperparameters, "read_hyperparameters", lambda system: rows)
    (found,) = compare_options("x", "mine", {"a.b": 1})
    assert found.fault == fault


def test_every_system_with_a_paper_has_a_table():
    assert set(PUBLISHED_ENVS) == {name for name in system_names() if get_system(name).paper}


def test_pages_are_made_of_the_present_options_and_figures():
    spec = importlib.util.spec_from_file_location("make_options", ROOT / "docs/make_options.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    for page, text in module.pages().items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name}: run `python docs/make_options.py`"
