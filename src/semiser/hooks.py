"""Hooks of the project."""

import difflib
import logging
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from semiser import torchrun
from semiser.needs import as_configured, check_run, training_pipelines
from semiser.options.tracking import TrackingOptions

logger = logging.getLogger(__name__)

# What there is beside the systems' own groups.
SHARED_GROUPS = tuple("engine experiment features ingest places predict tracking train_faces training".split())


class KnownParameters:
    """Refuse a parameter group that no node takes, before any work.

    Inside a group the typed options find a typo; a typo in the group's own name would go unnoticed.
    """

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Check the names of the groups of conf and --params.

        Raises:
            ValueError: an unknown group; the message names it and the nearest known ones.
        """
        check_parameter_groups(context.config_loader["parameters"])


class Needs:
    """An experiment needs what it configures: its features are extracted, and what it does not name is not checked."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Fill `features.extract`, and leave out trainings that name no corpora.

        Raises:
            ValueError: the options of a training are wrong.
        """
        self._parameters = as_configured(context.config_loader["parameters"])
        context.config_loader["parameters"] = self._parameters

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Refuse a run that the experiment does not configure.

        Raises:
            ValueError: see `semiser.needs.check_run`.
        """
        command = command_line({"env": run_params.get("env"), "runtime_params": run_params.get("runtime_params")})
        check_run(self._parameters, run_params.get("pipeline_names") or ["__default__"], command)


class Torchrun:
    """Where torchrun started the run, `training.devices` is the number of processes that it started."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Put the number into the parameters.

        Raises:
            RuntimeError: each process is about to run the pipeline.
            ValueError: another number is asked for.
        """
        if (processes := torchrun.processes()) is None:
            return
        if torchrun.rank() > 0:
            raise RuntimeError(
                "under torchrun the first process runs the pipeline and the others help it to train: start "
                "`torchrun ... -m semiser --pipelines=...` instead of kedro"
            )
        parameters = context.config_loader["parameters"]
        training = parameters.get("training", {})
        if (devices := training.get("devices", 1)) not in (1, processes):
            raise ValueError(
                f"training.devices is {devices}, but torchrun started {processes} processes: leave it at 1, the number "
                "is torchrun's (--nnodes times --nproc-per-node)"
            )
        context.config_loader["parameters"] = parameters | {"training": training | {"devices": processes}}


class RunRecord:
    """Write `run.json` beside every metrics.json: the command, when it was run, and the versions that ran."""

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol) -> None:
        """Keep the catalog, which knows where metrics are saved."""
        self._catalog = catalog

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Keep what the run was started with."""
        self._command = command_line(run_params)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Write the record where the metrics of a training pipeline were saved."""
        if dataset_name.endswith("_metrics"):
            from semiser.reporting.record import write_record

            write_record(self._catalog[dataset_name], self._command)


def command_line(run_params: dict[str, Any]) -> str:
    """The command that starts a run with these pipelines, env, tags, nodes and params."""
    words = ["kedro", "run"]
    if run_params.get("env"):
        words += ["--env", run_params["env"]]
    for option, name in (("--pipelines", "pipeline_names"), ("--tags", "tags"), ("--nodes", "node_names")):
        if run_params.get(name) and run_params[name] != ["__default__"]:
            words.append(f"{option}={','.join(run_params[name])}")
    if run_params.get("runtime_params"):
        words += ["--params", ",".join(f"{key}={value}" for key, value in _flat(run_params["runtime_params"]))]
    return shlex.join(words)


def _flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", "null" if value is None else value


class Tracking:
    """Record a run by MLflow where `tracking.enabled` asks for it; otherwise nothing is imported and nothing kept."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read the options, and refuse a run that could not be recorded before any work.

        Raises:
            ImportError: MLflow is not installed.
        """
        self._parameters = context.config_loader["parameters"]
        self._options = TrackingOptions(**self._parameters.get("tracking", {}))
        self._project = context.project_path
        if self._options.enabled:
            from semiser.tracking import require_mlflow

            require_mlflow()

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol) -> None:
        """Keep what the record will name."""
        self._command, self._catalog = command_line(run_params), catalog
        self._metrics: dict[str, Path] = {}
        self._curves: dict[str, Any] = {}

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Note the metrics and curves that this run made."""
        if not self._options.enabled:
            return
        if dataset_name.endswith("_metrics"):
            path = Path(self._catalog[dataset_name]._describe()["filepath"])
            self._metrics[path.parent.name] = path
        elif dataset_name.endswith("_curves"):
            self._curves[dataset_name] = data

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Write the record."""
        if self._options.enabled and self._metrics:
            from semiser.tracking import record

            record(self._options, self._project, self._command, self._parameters, self._metrics, self._curves)


class LastWord:
    """Say that a run is through, which Kedro's own log says among too much else."""

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Log the end of a run."""
        logger.info("finished: %d nodes; tables and figures are below data/08_reporting", len(pipeline.nodes))


def parameter_groups() -> list[str]:
    """Every group that there may be, sorted: the shared ones and those of the systems."""
    return sorted({*SHARED_GROUPS, *training_pipelines()})


def check_parameter_groups(parameters: dict[str, Any]) -> None:
    """Raise ValueError where a key of `parameters` is none of `parameter_groups`."""
    known = parameter_groups()
    for group in parameters:
        if group not in known:
            near = difflib.get_close_matches(group, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(f"unknown parameter group {group!r}{hint} Known are {', '.join(known)}")
