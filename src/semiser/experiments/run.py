"""A run from its first moment to its last: it holds its experiment, and leaves a record."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from semiser.experiments.catalog import metrics_files, options_of
from semiser.experiments.lock import claim
from semiser.experiments.records import new_record, read_records, read_result, settle, write_record
from semiser.experiments.tree import Tree, is_on_disk
from semiser.options.runs import RunsOptions
from semiser.publish import sweep

if TYPE_CHECKING:
    from filelock import FileLock
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)
WAIT_OR_RENAME = (
    "Wait for it with `--params runs.wait=true`, or run under another name with `--params experiment=<name>`"
)


class ExperimentTaken(RuntimeError):
    """Another run is at work on the experiment."""


class Run:
    """A run that holds its experiment until `finish` or `release`, or until its process ends."""

    def __init__(
        self,
        folder: Path,
        models: Path,
        metrics: Mapping[str, Path],
        command: str,
        options: Mapping[str, Any],
        env: str | None = None,
        pipelines: list[str] | None = None,
        wait: bool = False,
    ):
        """Take the experiment and begin the record.

        Args:
            folder: the experiment's reporting folder, whose name is the experiment's.
            models: its models, in a folder per pipeline.
            metrics: training pipeline to the metrics.json that the run may write.
            command: that started the run.
            options: JSON-safe, by parameter group.
            env: of the configuration.
            pipelines: that are run, None for the default.
            wait: for another run of the experiment to end.

        Raises:
            ExperimentTaken: there is another run, and `wait` is false; the message names it.
        """
        self._folder, self._models = folder, models
        self._lock = take(folder, wait)
        self._record = new_record(folder.name, command, options, env, pipelines)
        self._metrics = {name: (path, _stamp(path)) for name, path in metrics.items()}
        write_record(folder, self._record)

    def finish(self, error: Exception | None = None) -> None:
        """Write how the run ended and what it found, and let go of the experiment."""
        try:
            written = [name for name, (path, before) in self._metrics.items() if _stamp(path) not in (None, before)]
            ending = {
                "end": datetime.now(UTC),
                "state": "finished" if error is None else "failed",
                "error": error and f"{type(error).__name__}: {error}".splitlines()[0],
                "results": {name: read_result(self._metrics[name][0], self._models / name) for name in written},
            }
            write_record(self._folder, self._record.model_copy(update=ending))
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the experiment; a run that did not finish counts as interrupted."""
        self._lock.release()


def take(folder: Path, wait: bool = False, instead: str = WAIT_OR_RENAME) -> "FileLock":
    """The lock of the experiment whose reporting folder this is.

    Args:
        folder: of the experiment.
        wait: for the process that has it.
        instead: what one can do who is refused, a sentence.

    Raises:
        ExperimentTaken: another process has it, and `wait` is false.
    """
    if (lock := claim(folder)) is None:
        running = [record for record in read_records(folder) if record.state == "running"]
        holder = running[-1].holder if running else "a run that is just beginning, or `kedro semiser clean`"
        if not wait:
            raise ExperimentTaken(f"another run is at work on the experiment {folder.name}: {holder}. {instead}")
        logger.warning("experiment %s: waiting until %s ends", folder.name, holder)
        lock = claim(folder, wait=True)
        assert lock is not None  # it waited
    settle(folder)
    return lock


def begin(run_params: Mapping[str, Any], command: str, pipeline: "Pipeline", catalog: "CatalogProtocol") -> Run | None:
    """The Kedro run that is about to begin; None where its results go to an object store, which has no lock.

    Args:
        run_params: as Kedro's hooks get them.
        command: that started the run.
        pipeline: its nodes.
        catalog: its datasets, parameters among them.

    Raises:
        ExperimentTaken: another run is at work on the experiment.
    """
    places = to_jsonable_python(catalog.load("params:places"))
    project = Path(run_params["project_path"])
    if not (is_on_disk(places["reporting"]) and is_on_disk(places["models"])):
        return None
    run = Run(
        folder=project / places["reporting"],
        models=project / places["models"],
        metrics=metrics_files(pipeline, catalog),
        command=command,
        options=options_of(pipeline, catalog),
        env=run_params.get("env"),
        pipelines=sorted(run_params.get("pipeline_names") or []) or None,
        wait=RunsOptions(**catalog.load("params:runs")).wait,
    )
    for folder in Tree.of(places, project).folders_of(Path(places["reporting"]).name):
        for leftover in sweep(folder):
            logger.info("removed %s, which a killed run did not finish", leftover)
    return run


def _stamp(path: Path) -> tuple[int, int] | None:
    """Differs before and after a file was published, None where there is none."""
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns
