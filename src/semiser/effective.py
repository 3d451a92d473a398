"""The options that an experiment runs with: those that it names, those of conf/base, and the defaults of the models."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from semiser.configuration import load_parameters
from semiser.corpora.options import IngestOptions
from semiser.faces.options import TrainFacesOptions
from semiser.needs import configured_systems
from semiser.options.features import FeaturesOptions
from semiser.options.training import TrainingOptions
from semiser.systems.system import get_system

# What a user must give, so that the options of conf/base can be looked at.
_FOLDS = {"experiment": "any", "corpora": ["any"]}
_ANY = {
    "train_baselines": {"folds": _FOLDS},
    "train_benchmark": {"folds": _FOLDS},
    "train_mmmd": {"folds": _FOLDS},
    "train_avspnet": {"background": {"corpora": ["other"]}, "corpora": ["any"], "tasks": {"emotion": {}}},
}
_SHARED: dict[str, type[BaseModel]] = {
    "features": FeaturesOptions,
    "train_faces": TrainFacesOptions,
    "training": TrainingOptions,
}


def experiment_parameters(conf: str | Path, env: str) -> dict[str, Any]:
    """The parameters of an env with stand-ins for folders that are the user's; of `base` also for corpora."""
    files = {"wav2vec": {"checkpoint": "given"}, "word2vec": {"vectors": "given"}}
    given = {"features": files} | (_ANY if env == "base" else {})
    return _with_roots(load_parameters(conf, None if env == "base" else env, given))


def _with_roots(tree: Any) -> Any:
    if not isinstance(tree, Mapping):
        return tree
    return {key: "given" if key == "root" and value is None else _with_roots(value) for key, value in tree.items()}


def effective_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted path to value, JSON-safe, of every option that the configured trainings and their features have."""
    models: dict[str, type[BaseModel]] = dict(_SHARED)
    for system in map(get_system, configured_systems(parameters)):
        models |= {system.pipeline: system.options}
        models |= {f"{system.name}_sweeps": system.sweeps.options} if system.sweeps else {}
    if (parameters.get("ingest") or {}).get("corpora"):
        models["ingest"] = IngestOptions
    return {
        path: value
        for group, model in models.items()
        for path, value in flat(_dump(model(**parameters.get(group) or {})), f"{group}.")
    }


def _dump(options: BaseModel) -> dict[str, Any]:
    """All values, those too that are no part of a fingerprint."""
    dumped = options.model_dump(mode="json")
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if isinstance(value, BaseModel):
            dumped[name] = _dump(value)
        elif field.exclude:
            dumped[name] = list(value) if isinstance(value, tuple) else value
    return dumped


def flat(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested options by their dotted paths; lists are leaves."""
    if not isinstance(tree, Mapping):
        yield above.removesuffix("."), tree
        return
    for key, value in tree.items():
        yield from flat(value, f"{above}{key}.")
