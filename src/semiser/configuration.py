"""Kedro's configuration with the experiment's name: `${experiment:}` in any file of conf."""

from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from semiser.needs import as_configured


class ExperimentConfigLoader(OmegaConfigLoader):
    """Loads conf for one experiment, whose name is the env's unless `--params experiment=<name>` gives another.

    Everything that belongs to the experiment lies below this name, so two experiments know nothing of each other.
    """

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return str((self.runtime_params or {}).get("experiment") or self.env or self.default_run_env or self.base_env)

    def __getitem__(self, key: str) -> dict[str, Any]:
        # Resolvers belong to the process, and another session of it may have been another experiment's.
        OmegaConf.register_new_resolver("experiment", lambda: self.experiment, replace=True)
        return super().__getitem__(key)


class ConfiguredLoader(ExperimentConfigLoader):
    """The same as everything in Kedro has it: parameters without the trainings that the experiment does not configure.

    It stands here and in no hook, since kedro-viz loads and checks parameters without hooks.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        found = super().__getitem__(key)
        return as_configured(found) if key == "parameters" else found


def load_parameters(conf: str | Path, env: str | None, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """The parameters of an experiment as conf says them, those included that a run does without.

    Args:
        conf: folder of the envs.
        env: name of one; None: base alone.
        params: as given by --params.
    """
    arguments: dict[str, Any] = {
        "base_env": "base",
        "default_run_env": "base",
        "merge_strategy": {"parameters": "soft"},
    }
    return ExperimentConfigLoader(str(conf), env, params, **arguments)["parameters"]
