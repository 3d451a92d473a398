"""Hooks of the project."""

import difflib
import logging
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

PARAMETER_GROUPS = (
    "engine",
    "features",
    "ingest",
    "mmmd_sweeps",
    "mssgan_sweeps",
    "train_faces",
    "train_mmmd",
    "train_mssgan",
    "training",
)


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


class LastWord:
    """Say that a run is through, which Kedro's own log says among too much else."""

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline) -> None:
        """Log the end of a run."""
        logger.info("finished: %d nodes; tables and figures are below data/08_reporting", len(pipeline.nodes))


def check_parameter_groups(parameters: dict[str, Any]) -> None:
    """Raise ValueError where a key of `parameters` is none of `PARAMETER_GROUPS`."""
    for group in parameters:
        if group not in PARAMETER_GROUPS:
            near = difflib.get_close_matches(group, PARAMETER_GROUPS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(f"unknown parameter group {group!r}{hint} Known are {', '.join(PARAMETER_GROUPS)}")
