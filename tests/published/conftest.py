"""Published experiments in small: an env as it stands, run by its documented command, cut in size by --params alone."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from semiser.evaluation.published import Published, read_published

ROOT = Path(__file__).parents[2]
SMALL = {"engine.workers": 1, "features.shards.utterances": 20}


@dataclass(frozen=True)
class Finished:
    """What an experiment left.

    Attributes:
        folder: of the project.
        env: of the experiment.
        log: of its runs.
    """

    folder: Path
    env: str
    log: str

    def at(self, layer: str, *below: str) -> Path:
        """A path of the experiment's in a layer of `data`, such as `08_reporting`."""
        return self.folder.joinpath("data", layer, self.env, *below)

    def table(self, layer: str, *below: str) -> Any:
        """A Parquet file of the experiment as a data frame."""
        return pq.read_table(self.at(layer, *below)).to_pandas()

    def document(self, layer: str, *below: str) -> Any:
        """A JSON file of the experiment."""
        return json.loads(self.at(layer, *below).read_bytes())

    def metrics(self, system: str) -> dict[str, Any]:
        """The metrics.json of a system's training."""
        return self.document("08_reporting", f"train_{system}", "metrics.json")

    def beside(self) -> dict[tuple[str, ...], dict[str, str]]:
        """The rows of report.csv by table, variant, setting and metric of the paper."""
        with self.at("08_reporting", "report.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {(row["table"], row["variant"], row["setting"], row["metric"]): row for row in rows}

    def rows_without_ours(self, system: str, *tables: str) -> list[Published]:
        """Rows of a paper's tables that a variant of ours is named for and that the report sets nothing beside."""
        beside = self.beside()
        rows = [row for row in read_published(system) if row.table in tables]
        assert rows and not [row for row in rows if _place(row) not in beside]
        return [row for row in rows if row.ours and not beside[_place(row)]["ours"]]


def _place(row: Published) -> tuple[str, ...]:
    return row.table, row.variant, row.setting, row.metric


@dataclass(frozen=True)
class Project:
    """A copy of the project, with corpora in folders of their own."""

    folder: Path

    def kedro(self, env: str, pipelines: str, params: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        """`kedro run --env=<env> --pipelines=<pipelines> --params <params>`, whatever comes of it."""
        given = ",".join(f"{name}={value}" for name, value in {**SMALL, **params}.items())
        command = [sys.executable, "-m", "kedro", "run", f"--env={env}", f"--pipelines={pipelines}", "--params", given]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=900)

    def run(self, env: str, pipelines: str, params: Mapping[str, Any]) -> Finished:
        """The same, which must end well."""
        run = self.kedro(env, pipelines, params)
        assert run.returncode == 0, run.stderr[-6000:]
        return Finished(self.folder, env, run.stderr)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """The project's conf and code in a folder of their own."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("local"))
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    return Project(folder)
