"""Hooks of the project."""

import difflib
import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic_core import to_jsonable_python

from semiser import torchrun
from semiser.datasets.sharded import ShardedTableDataset
from semiser.experiments.catalog import file_of, is_metrics, results_folder
from semiser.needs import check_run, configured_systems, training_pipelines
from semiser.options.tracking import TrackingOptions
from semiser.training.side_by_side import stop

if TYPE_CHECKING:
    from semiser.experiments.run import Run

logger = logging.getLogger(__name__)

# What there is beside the systems' own groups.
SHARED_GROUPS = tuple(
    "engine experiment features final ingest places predict report runs tracking train_faces training".split()
)


class InProject:
    """Paths in parameters start from the project's folder, as the catalog's do, from wherever the run was started."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Go there for the run."""
        self._from = os.getcwd()
        os.chdir(run_params["project_path"])

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Go back."""
        os.chdir(self._from)

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """Go back."""
        os.chdir(self._from)


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
    """Refuse a run that the experiment does not configure, before any work."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters."""
        self._parameters = context.config_loader["parameters"]

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Look at the pipelines that are asked for.

        Raises:
            ValueError: see `semiser.needs.check_run`.
        """
        command = command_line({"env": run_params.get("env"), "runtime_params": run_params.get("runtime_params")})
        check_run(self._parameters, run_params.get("pipeline_names") or ["__default__"], command)


class Feasible:
    """Refuse a training that the utterances do not allow, once ingest has them and before features are extracted."""

    _asked: Sequence[str] = ()
    _configured: Sequence[str] = ()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the parameters."""
        self._parameters = context.config_loader["parameters"]

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """See what is trained; a run that stops at ingest is asked nothing."""
        self._catalog = catalog
        more = len(pipeline.only_nodes_with_tags("ingest").nodes) < len(pipeline.nodes)
        self._configured = configured_systems(self._parameters) if more else ()
        namespaces = {node.namespace for node in pipeline.nodes}
        self._asked = [name for name in self._configured if namespaces & {f"train_{name}", f"{name}_sweeps"}]

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Make the folds that there will be.

        Raises:
            ValueError: see `semiser.plan.plan_training`.
        """
        if dataset_name == "utterances" and self._configured:
            from semiser.plan import refuse_impossible

            utterances = self._catalog.load("utterances").read()
            refuse_impossible(self._asked, self._configured, self._parameters, utterances)


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


class NodeByNode:
    """Say which node begins, and how many there are."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Number the nodes in the order in which they run."""
        number = len(pipeline.nodes)
        self._places = {node.name: f"[{place}/{number}]" for place, node in enumerate(pipeline.nodes, start=1)}

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Log the node."""
        logger.info("%s %s", self._places.get(node.name, "[-]"), node.name)


class WithdrawTables:
    """Withdraw a feature table before the node runs that makes it anew.

    Whatever comes of the run, no training takes the table of a run before it for that of the present options.
    """

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol) -> None:
        """Remove the manifests of the tables that the node is to save."""
        for name in node.outputs:
            if isinstance(table := catalog.get(name), ShardedTableDataset):
                table.withdraw()


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


class Runs:
    """One run of an experiment at a time, each with a record below the experiment's reporting folder.

    In a session that goes on after Ctrl-C (a notebook) the run that was cut off is let go when the next one begins;
    the end of a process lets go of everything.
    """

    _run: "Run | None" = None

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Take the experiment before any work.

        Raises:
            ExperimentTaken: another run is at work on it.
        """
        from semiser.experiments.run import begin

        if self._run:
            self._run.release()
        self._run = begin(run_params, command_line(run_params), pipeline, catalog)

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Record the run, after all else that is written of it."""
        self._end()

    @hook_impl(trylast=True)
    def on_pipeline_error(self, error: Exception) -> None:
        """Record the run and why it failed."""
        self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        if self._run:
            self._run.finish(error)
        self._run = None


_LISTS = (
    ("--pipelines", "pipeline_names"),
    ("--tags", "tags"),
    ("--namespaces", "namespaces"),
    ("--nodes", "node_names"),
    ("--from-nodes", "from_nodes"),
    ("--to-nodes", "to_nodes"),
    ("--from-inputs", "from_inputs"),
    ("--to-outputs", "to_outputs"),
)


def command_line(run_params: dict[str, Any]) -> str:
    """The command that starts a run with these pipelines, env, tags, nodes and params."""
    words = ["kedro", "run"]
    if run_params.get("env"):
        words += ["--env", run_params["env"]]
    for option, name in _LISTS:
        if (given := run_params.get(name)) and given != ["__default__"]:
            words.append(f"{option}={','.join(sorted(given))}")  # Kedro hands pipelines over in any order
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
        if is_metrics(dataset_name) and (path := file_of(self._catalog, dataset_name)):
            self._metrics[path.parent.name] = path
        elif dataset_name.endswith("_curves"):
            self._curves[dataset_name] = data

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Write the record."""
        if self._options.enabled and self._metrics:
            from semiser.tracking import record

            models = self._project / self._parameters["places"]["models"]
            record(self._options, self._project, self._command, self._parameters, self._metrics, models, self._curves)


class Workers:
    """End the workers of the trainings with the run: what they began for variants that it does not train is dropped."""

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """End them."""
        stop()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """End them, and what they are at."""
        stop()


class LastWord:
    """Say that a run is through, which Kedro's own log says among too much else."""

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Log the end of a run, whose it was, and where its results lie."""
        project, number = Path(run_params["project_path"]), len(pipeline.nodes)
        reporting = project / to_jsonable_python(catalog.load("params:places"))["reporting"]
        files = [path for name in sorted(pipeline.outputs()) if (path := file_of(catalog, name))]
        folder = results_folder([project / path for path in files], reporting)
        lies = "" if folder is None else f"; results are below {os.path.relpath(folder, project)}"
        logger.info("finished: %d node%s of experiment %s%s", number, "s" * (number != 1), reporting.name, lies)


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
