"""Registered pipelines; `kedro run --pipelines=x` imports only x."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """All pipelines by the name of their folder; `__default__` goes from raw corpora to the report."""
    found = find_pipelines(raise_errors=True)
    if "__default__" in found:
        found["__default__"] = found["features"] + found["train_mmmd"] + found["report"]
    return found
