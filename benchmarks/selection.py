"""What the programs `select_*.py` share: a system on the tables of an experiment that was run before."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from semiser.datasets.sharded import ShardedTableDataset
from semiser.options.base import Options
from semiser.options.training import TrainingOptions
from semiser.systems.system import System, Work


def work_on(
    system: System, options: Options, training: TrainingOptions, data: str | Path, experiment: str, models: str
) -> Work:
    """The system's work with its folds, for `semiser.pipelines.steps.train`.

    Args:
        system: the declaration.
        options: of the system.
        training: seeds and device.
        data: the project's data folder.
        experiment: whose utterances and feature tables; a table whose family was off is None.
        models: folder of the models.
    """
    tables = {
        name: ShardedTableDataset(filepath=f"{data}/03_primary/{experiment}/{name}.json").load()
        for name in system.tables
    }
    utterances = pq.read_table(Path(data, "02_intermediate", experiment, "utterances.parquet"))
    work = Work(system, options, training, models, utterances, tables)
    return replace(work, folds=system.make_folds(work))


def change(group: dict[str, Any], changes: Sequence[str]) -> None:
    """Set options of a parameter group: `option=value` each, dots between groups, values as JSON."""
    for each in changes:
        path, value = each.split("=", 1)
        *groups, last = path.split(".")
        target = group
        for name in groups:
            target = target.setdefault(name, {})
        target[last] = json.loads(value)
