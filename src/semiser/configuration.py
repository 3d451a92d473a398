"""Kedro's configuration with the experiment's name: `${experiment:}` in any file of conf."""

from copy import deepcopy
from pathlib import Path
from typing import Any, cast

from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext
from kedro.validation.exceptions import ParameterValidationError
from omegaconf import OmegaConf

from semiser.errors import Misnamed, did_you_mean
from semiser.needs import as_configured, tell_missing


class ExperimentConfigLoader(OmegaConfigLoader):
    """Loads conf for one experiment, whose name is the env's unless `--params experiment=<name>` gives another.

    Everything that belongs to the experiment lies below this name, so two experiments know nothing of each other.
    """

    def __init__(self, conf_source: str, env: str | None = None, *args: Any, **kwargs: Any):
        """See OmegaConfigLoader.

        Raises:
            Misnamed: there is no such env; the message says which there are.
        """
        self._read: dict[str, dict[str, Any]] = {}
        super().__init__(conf_source, env, *args, **kwargs)
        if env and Path(conf_source).is_dir() and not Path(conf_source, env).is_dir():
            raise Misnamed(f"--env {env}: there is no folder {Path(conf_source, env)}{_envs(Path(conf_source), env)}")

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return str((self.runtime_params or {}).get("experiment") or self.env or self.default_run_env or self.base_env)

    def __getitem__(self, key: str) -> dict[str, Any]:
        # Resolvers belong to the process, and another session of it may have been another experiment's.
        OmegaConf.register_new_resolver("experiment", lambda: self.experiment, replace=True)
        if key in self:  # given and not loaded, as a hook does
            return super().__getitem__(key)
        if key not in self._read:  # hooks and Kedro ask for the same files again and again
            self._read[key] = super().__getitem__(key)
        return deepcopy(self._read[key])


def _envs(conf: Path, wanted: str) -> str:
    """What an env may be that is not there."""
    known = sorted(folder.name for folder in conf.iterdir() if folder.is_dir() and folder.name != "base")
    return did_you_mean(wanted, known) or f"; there are {', '.join(known)}"


class ConfiguredLoader(ExperimentConfigLoader):
    """The same as everything in Kedro has it: parameters without the trainings that the experiment does not configure.

    It stands here and in no hook, since kedro-viz loads and checks parameters without hooks.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        found = super().__getitem__(key)
        return as_configured(found) if key == "parameters" else found


class ExperimentContext(KedroContext):
    """Parameters checked by the models of the nodes that are to run; where folders are missing it says so first."""

    @property
    def params(self) -> dict[str, Any]:
        """The parameters.

        Raises:
            ValueError: folders or files that only the user has are not given; see `semiser.needs.missing_files`.
            ParameterValidationError: other options are wrong.
        """
        try:
            return super().params
        except ParameterValidationError as error:
            wrong = error
        try:
            loader = cast(ExperimentConfigLoader, self.config_loader)
            missing = tell_missing(loader["parameters"], loader.experiment)
        except ValueError:
            missing = ""
        raise ValueError(missing) if missing else wrong


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
