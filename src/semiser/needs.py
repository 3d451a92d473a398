"""What an experiment needs follows from what it configures: pure functions on its parameters.

A training is configured where its group, `train_<system>`, names corpora. Its features are extracted, its pipelines can
be run, and of the others nothing is asked.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from semiser.corpora.options import without_root
from semiser.faces.registry import get_face_reader
from semiser.options.base import first_problem
from semiser.options.families import FAMILIES, GIVE
from semiser.systems.system import get_system, system_names

NETWORKS = ("expression", "dface")  # families whose weights train_faces makes

Parameters = Mapping[str, Any]


def training_pipelines() -> dict[str, str]:
    """Every pipeline that trains a system, and its sweeps, to the parameter group that configures it."""
    systems = [get_system(name) for name in system_names()]
    sweeps = {f"{system.name}_sweeps": system.pipeline for system in systems if system.sweeps}
    return {system.pipeline: system.pipeline for system in systems} | sweeps


def aliases() -> dict[str, str]:
    """Further names of training pipelines, to the pipeline's own."""
    return {system.alias: system.pipeline for system in map(get_system, system_names()) if system.alias}


def configured_systems(parameters: Parameters) -> list[str]:
    """The systems whose training names corpora."""
    return [name for name in system_names() if _corpora(parameters.get(get_system(name).pipeline) or {})]


def _corpora(group: Parameters) -> Any:
    """Those of the folds, or of a system that makes folds for each of its tasks."""
    return (group.get("folds") or {}).get("corpora") or group.get("corpora")


def needed_families(parameters: Parameters) -> tuple[str, ...]:
    """The feature families that the configured trainings need, in the order of `FAMILIES`.

    Without a dictionary there is no valence: AV-SpNET says so and leaves the front ends out that learn it.

    Raises:
        ValueError: the options of a configured training are wrong; the message names the first that is.
    """
    needed = {family for name in configured_systems(parameters) for family in _families(name, parameters)}
    if not (parameters.get("features") or {}).get("valence"):
        needed.discard("valence")
    return tuple(family for family in FAMILIES if family in needed)


def _families(name: str, parameters: Parameters) -> tuple[str, ...]:
    system = get_system(name)
    try:
        return system.options(**parameters[system.pipeline]).families()
    except ValidationError as error:
        raise ValueError(first_problem(error, system.pipeline)) from error


def as_configured(parameters: Parameters) -> dict[str, Any]:
    """The parameters without trainings that are not configured, and with what follows from the others.

    Kedro checks every group that is there by its typed model, so one without corpora must not be there. Sweeps of a
    configured training need no group in conf: theirs is then the default. `features.extract` becomes the families that
    the trainings need, and `final.model` the only training, unless they are given.
    """
    configured = _groups(configured_systems(parameters))
    missing = {get_system(name).pipeline for name in system_names()} - set(configured)
    unused = [group for group, needs in training_pipelines().items() if needs in missing]
    features = parameters.get("features") or {}
    if features.get("extract") is None:
        features = features | {"extract": list(needed_families(parameters))}
    sweeps: dict[str, Any] = {name: {} for name, group in training_pipelines().items() if name != group}
    final = parameters.get("final") or {}
    if final.get("model") is None and len(configured) == 1:
        final = final | {"model": configured[0]}
    used = {name: group for name, group in {**sweeps, **parameters}.items() if name not in unused}
    return used | {"features": features, "final": final}


def _groups(systems: Iterable[str]) -> list[str]:
    return [get_system(name).pipeline for name in systems]


def missing_files(parameters: Parameters) -> dict[str, str]:
    """Dotted option to what belongs there, of everything that an experiment asks for and only the user has.

    These are folders of its corpora and face images, and what its families cannot do without.

    Raises:
        ValueError: a reader that is named is none.
    """
    corpora = (parameters.get("ingest") or {}).get("corpora") or {}
    missing = {f"ingest.corpora.{name}.root": source for name, source in without_root(corpora).items()}
    for name, network in (parameters.get("train_faces") or {}).items():
        images = network and network.get("images")
        if isinstance(images, Mapping) and images.get("root", "") is None:
            missing[f"train_faces.{name}.images.root"] = get_face_reader(str(images.get("reader"))).source
    features = parameters.get("features") or {}
    asked = features.get("extract")
    for family in needed_families(parameters) if asked is None else asked:
        option, _, what = GIVE.get(family, "").partition(", ")
        own, needed = features.get(family) or {}, option.rpartition(".")[2]
        if option and (not own or (needed in ("checkpoint", "model") and not own.get(needed))):
            missing[option] = what
    text = features.get("word2vec") or {}
    if text.get("pretrained") and not text.get("vectors"):
        missing["features.word2vec.vectors"] = "a file of the word vectors that its conf names: docs/features.md"
    return missing


def tell_missing(parameters: Parameters, experiment: str) -> str:
    """One line for a user whose experiment lacks what only they have: every option to give, and what belongs there.

    Empty where nothing is missing.
    """
    listed = "; ".join(f"{option} ({what})" if what else option for option, what in missing_files(parameters).items())
    return f"{experiment} needs what only you have, given by --params or in an env of yours: {listed}" if listed else ""


def check_run(parameters: Parameters, pipelines: Iterable[str], command: str = "kedro run") -> None:
    """Refuse a run that the experiment does not configure, before any work.

    Args:
        parameters: of the experiment.
        pipelines: names of those that are to be run; `__default__` trains MMMD.
        command: how the run was started, without its pipelines.

    Raises:
        ValueError: a training names no corpora, or a face family has no network; the message says what to do.
        FileNotFoundError: the input of predict is not there.
    """
    if "predict" in pipelines:
        check_input(parameters.get("predict") or {})
    asked = ["features", "train_mmmd"] if "__default__" in pipelines else list(pipelines)
    configured = _groups(configured_systems(parameters))
    for name, group in (training_pipelines() | aliases()).items():
        if name in asked and group not in configured:
            raise ValueError(_not_configured(name, group, configured, command))
    if "features" in asked and (lacking := families_without_network(parameters)):
        name = lacking[0]
        raise ValueError(
            f"the features {name} need a network, and none is configured: say what it learns from "
            f"(train_faces.{name}.images.reader and .root, or train_faces.{name}.images=drawn to try the chain), or "
            f"where the weights of one lie (features.{name}.weights)"
        )


def check_input(predict: Parameters) -> None:
    """Refuse a prediction whose files are not there, before libraries and models are loaded.

    Raises:
        FileNotFoundError: nothing is at the path of the input or the card.
    """
    if (given := predict.get("input")) and not Path(given).exists():
        raise FileNotFoundError(
            f"predict.input: nothing at {given}: give an audio or video file, a folder of them, or a manifest"
        )
    if (given := predict.get("card")) and not Path(given).exists():
        raise FileNotFoundError(
            f"predict.card: nothing at {given}: give the card.json of a trained model, below "
            "data/06_models/<experiment>/<pipeline>/<variant>"
        )


def families_without_network(parameters: Parameters) -> list[str]:
    """The face families that are to be extracted and have neither weights nor a network that is to be trained."""
    features, networks = parameters.get("features") or {}, parameters.get("train_faces") or {}
    extract = features.get("extract")
    asked = needed_families(parameters) if extract is None else extract
    return [
        name
        for name in NETWORKS
        if name in asked and not networks.get(name) and not _has_weights(features.get(name) or {})
    ]


def _has_weights(family: Parameters) -> bool:
    if (family.get("onnx") or {}).get("model"):
        return True
    return bool(family.get("weights")) and Path(family["weights"], "card.json").exists()


def _not_configured(name: str, group: str, configured: list[str], command: str) -> str:
    said = f"{name} is not configured in this experiment: {group} names no corpora. "
    if not configured:
        return f"{said}No training is: choose an experiment by --env (docs/index.md), or write one"
    runs = ", ".join(f"`{command} --pipelines=features,{pipeline}`" for pipeline in configured)
    return f"{said}It configures {', '.join(configured)}: {runs}"
