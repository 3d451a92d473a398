"""The catalog: every dataset has one entry, of few, and every dataset has a producer or is raw."""

from pathlib import Path

import pytest
from kedro.io import DataCatalog

from semiser.configuration import ExperimentConfigLoader
from semiser.pipeline_registry import register_pipelines

CONF = Path(__file__).parents[2] / "conf"
IN_MEMORY = ("experiment",)


@pytest.fixture(scope="module")
def entries() -> dict:
    loader = ExperimentConfigLoader(str(CONF), None, {"experiment": "mine"}, base_env="base", default_run_env="base")
    return loader["catalog"]


@pytest.fixture(scope="module")
def pipelines() -> dict:
    return register_pipelines()


def test_the_catalog_is_short(entries):
    assert len([name for name in entries if not name.startswith("_")]) <= 60


def test_every_dataset_but_the_experiment_in_memory_has_an_entry(entries, pipelines):
    catalog = DataCatalog.from_config(entries)
    names = {name for pipeline in pipelines.values() for name in pipeline.datasets() if not name.startswith("params:")}
    without = {name for name in names if catalog.config_resolver.match_dataset_pattern(name) is None} - set(entries)
    assert {name.rsplit(".", 1)[-1] for name in without} == set(IN_MEMORY)


def test_every_dataset_has_one_producer(pipelines):
    produced = {name for pipeline in pipelines.values() for name in pipeline.all_outputs()}
    taken = {name for pipeline in pipelines.values() for name in pipeline.inputs() if not name.startswith("params:")}
    assert taken <= produced


def test_what_is_the_experiments_lies_below_its_name(entries):
    shared = ("data/01_raw", "data/04_feature")
    paths = [entry.get("filepath") or entry.get("path") for entry in entries.values() if isinstance(entry, dict)]
    assert all("/mine/" in path or path.startswith(shared) for path in paths if path)


def test_models_of_a_variant_and_of_all_variants_are_told_apart(entries):
    resolver = DataCatalog.from_config(entries).config_resolver
    assert resolver.resolve_pattern("train_mmmd.mmd_models")["filepath"] == "data/06_models/mine/train_mmmd/mmd.json"
    assert resolver.resolve_pattern("train_mmmd_models")["filepath"] == "data/06_models/mine/train_mmmd/models.json"
    swept = resolver.resolve_pattern("mmmd_sweeps.temperature_models")
    assert swept["filepath"] == "data/06_models/mine/mmmd_sweeps/temperature.json"
    assert resolver.resolve_pattern("mmmd_sweeps.temperature_table")["filepath"] == (
        "data/08_reporting/mine/mmmd_sweeps/temperature.csv"
    )
