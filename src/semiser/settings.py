"""Project settings: https://docs.kedro.org/en/stable/configure/ explains each."""

from semiser.configuration import ConfiguredLoader, ExperimentContext
from semiser.hooks import (
    Feasible,
    InProject,
    KnownParameters,
    LastWord,
    Needs,
    NodeByNode,
    RunRecord,
    Runs,
    Torchrun,
    Tracking,
    WithdrawTables,
    Workers,
)

# The last is called first: names are checked before others read the parameters.
HOOKS = (
    NodeByNode(),
    WithdrawTables(),
    RunRecord(),
    Runs(),
    Tracking(),
    Workers(),
    LastWord(),
    Feasible(),
    Torchrun(),
    Needs(),
    KnownParameters(),
    InProject(),
)

CONTEXT_CLASS = ExperimentContext
CONFIG_LOADER_CLASS = ConfiguredLoader
# An env names only what differs from conf/base: with the default strategy it would replace whole groups.
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "demo",
    "merge_strategy": {"parameters": "soft"},
}
