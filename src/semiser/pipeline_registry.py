"""Registered pipelines: ingest, features and what else is there once, and those of every declared system."""

from importlib import import_module

from kedro.pipeline import Pipeline

from semiser.needs import aliases, training_pipelines
from semiser.pipelines.report import create_pipeline as create_report
from semiser.pipelines.system import create_sweeps, create_training
from semiser.systems.system import get_system, system_names

PIPELINES = ("ingest", "train_faces", "features", "report", "predict")


def pipeline_names() -> list[str]:
    """The names of all pipelines, without building them."""
    return [*PIPELINES, *training_pipelines(), *aliases(), "__default__"]


def register_pipelines() -> dict[str, Pipeline]:
    """All pipelines by name; `__default__` goes from raw corpora to the report of MMMD."""
    found = {name: import_module(f"semiser.pipelines.{name}").create_pipeline() for name in PIPELINES}
    for system in map(get_system, system_names()):
        found[system.pipeline] = create_training(system)
        if system.sweeps:
            found[f"{system.name}_sweeps"] = create_sweeps(system)
    found |= {alias: found[pipeline] for alias, pipeline in aliases().items()}
    found["__default__"] = found["features"] + found["train_mmmd"] + create_report(["mmmd"])
    return found
