"""The experiment's name in conf."""

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader

from semiser.configuration import ConfiguredLoader, ExperimentConfigLoader


@pytest.fixture
def conf(tmp_path: Path) -> str:
    for env in ("base", "demo", "mine"):
        (tmp_path / env).mkdir()
    (tmp_path / "base/parameters.yml").write_text("models: data/06_models/${experiment:}\n")
    return str(tmp_path)


def _models(conf: str, env: str | None, params: dict | None = None) -> str:
    loader = ExperimentConfigLoader(conf, env, params, base_env="base", default_run_env="demo")
    return loader["parameters"]["models"]


def test_an_experiment_is_named_as_its_env_or_by_a_parameter(conf):
    assert _models(conf, None) == "data/06_models/demo"
    assert _models(conf, "mine") == "data/06_models/mine"
    assert _models(conf, "mine", {"experiment": "other"}) == "data/06_models/other"


def test_two_loaders_of_a_process_keep_their_names(conf):
    first = ExperimentConfigLoader(conf, "mine", base_env="base", default_run_env="demo")
    second = ExperimentConfigLoader(conf, "demo", base_env="base", default_run_env="demo")
    assert [loader["parameters"]["models"].rsplit("/")[-1] for loader in (first, second)] == ["mine", "demo"]


def test_a_file_of_conf_is_read_once_and_what_is_handed_out_is_the_asker_s(conf, monkeypatch):
    loader = ExperimentConfigLoader(conf, "mine", base_env="base", default_run_env="demo")
    loader["parameters"]["models"] = "changed"
    monkeypatch.setattr(OmegaConfigLoader, "load_and_merge_dir_config", None)
    assert loader["parameters"]["models"] == "data/06_models/mine"
    loader["parameters"] = {"given": 1}  # as a hook does
    assert loader["parameters"] == {"given": 1}


def test_the_project_gets_what_the_experiment_configures_and_needs(tmp_path, conf):
    (tmp_path / "base/parameters_systems.yml").write_text("train_began: {stage: 1}\ntrain_mmmd: {acted_weight: 1}\n")
    began = "train_began: {folds: {experiment: e, corpora: [c], validation: {kind: none}}, variants: [began]}"
    (tmp_path / "mine/parameters.yml").write_text(began)
    arguments = {"base_env": "base", "default_run_env": "demo", "merge_strategy": {"parameters": "soft"}}
    parameters = ConfiguredLoader(conf, "mine", **arguments)["parameters"]
    assert set(parameters) == {"models", "train_began", "features", "final"}
    assert parameters["train_began"]["stage"] == 1 and parameters["features"] == {"extract": ["chunks"]}
