"""What a run's catalog says of it: the options that it takes, and where its results lie."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from semiser.experiments.tree import is_on_disk

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

WHERE_OR_HOW = ("places", "report")  # groups that change no result


def options_of(pipeline: "Pipeline", catalog: "CatalogProtocol") -> dict[str, Any]:
    """The parameter groups that the nodes take, JSON-safe, with the defaults of their models filled in."""
    groups = sorted(name.removeprefix("params:") for name in pipeline.inputs() if name.startswith("params:"))
    return {group: to_jsonable_python(catalog.load(f"params:{group}")) for group in groups if group not in WHERE_OR_HOW}


def metrics_files(pipeline: "Pipeline", catalog: "CatalogProtocol") -> dict[str, Path]:
    """Each training pipeline of a run to its metrics.json, where that is on a disk."""
    names = [name for name in pipeline.all_outputs() if is_metrics(name)]
    paths = {name.removesuffix("_metrics"): file_of(catalog, name) for name in names}
    return {name: path for name, path in sorted(paths.items()) if path}


def is_metrics(dataset_name: str) -> bool:
    """Whether a dataset is the metrics of a training pipeline, `<pipeline>_metrics`, and not those of a sweep."""
    return dataset_name.endswith("_metrics") and "." not in dataset_name


def file_of(catalog: "CatalogProtocol", dataset_name: str) -> Path | None:
    """Where a dataset lies on a disk of this machine, None where it does not."""
    described = catalog[dataset_name]._describe()
    place = described.get("filepath") or described.get("path")
    return Path(str(place)) if place is not None and is_on_disk(str(place)) else None


def results_folder(files: Sequence[Path], reporting: Path) -> Path | None:
    """The deepest folder with all of these files, or with those of them that are tables and figures.

    Args:
        files: that nothing in the run took up again.
        reporting: the experiment's reporting folder; its files go before others.
    """
    shown = [path.parent for path in files if path.is_relative_to(reporting)] or [path.parent for path in files]
    return Path(os.path.commonpath(shown)) if shown else None
