"""What a set-up has and lacks: `kedro semiser doctor`.

Every check says what was found and, where something is missing, what to do. `missing` stops a run with the present
options; `note` does not.
"""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from semiser.corpora.options import CorpusOptions, IngestOptions
from semiser.corpora.utterance import UTTERANCES_SCHEMA, Utterance
from semiser.folds.table import ids_of
from semiser.needs import configured_systems
from semiser.options.base import Options, first_problem
from semiser.options.face_features import NetworkFamilyOptions
from semiser.options.family import FamilyOptions
from semiser.options.features import FeaturesOptions
from semiser.plan import plan_training, speakers_unknown
from semiser.shards.table import ShardedTable
from semiser.systems.system import get_system

ENOUGH_DISK_GB = 5.0
FEW_UTTERANCES, FEW_SPEAKERS = 10, 5
_FOR_FOLDS = tuple(name for name in UTTERANCES_SCHEMA.names if name not in ("words", "transcript"))
_DEVICES = ("device", "provider")  # options that are of this machine, too, and name no file
_PRIMARY = "data/03_primary/demo"
EXTRAS = {
    "demo": ("espeakng_loader", "makes the demo corpus anew"),
    "encoders": ("transformers", "wav2vec, speech_encoder, text_encoder and image_encoder features"),
    "onnx": ("onnxruntime", "ONNX networks of your own on faces and sound"),
    "tracking": ("mlflow", "experiment tracking"),
    "docs": ("mkdocs", "builds the documentation"),
}


@dataclass(frozen=True)
class Check:
    """One finding: `group` is the heading it stands under; `advice` is empty where there is nothing to do."""

    group: str
    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    advice: str = ""


def examine(parameters: Mapping[str, Any], project: str | Path, primary: str = _PRIMARY) -> Iterator[Check]:
    """All checks of a project with its parameters, in the order in which they are shown.

    Args:
        parameters: as Kedro loads them for an env.
        project: folder that relative paths start from.
        primary: where the experiment's feature tables lie, a folder or an fsspec path.
    """
    project = Path(project)
    rows: list[Utterance] = []
    yield from check_corpora(parameters.get("ingest", {}), project, rows)
    yield from check_training(parameters, rows)
    networks = [name for name, network in (parameters.get("train_faces") or {}).items() if network]
    yield from check_features(parameters.get("features", {}), project, primary, networks)
    yield from check_machine(project, parameters.get("training", {}).get("accelerator", "auto"))
    yield from check_extras()


def check_corpora(parameters: Mapping[str, Any], project: Path, rows: list[Utterance] | None = None) -> Iterator[Check]:
    """Each corpus: whether it is there, and how many utterances its reader finds, by names alone.

    Args:
        parameters: of `ingest`.
        project: folder that relative paths start from.
        rows: takes the utterances, for `check_training`.
    """
    for name, corpus in (parameters.get("corpora") or {}).items():
        if corpus is None:
            yield Check("corpora", name, "ok", "switched off")
            continue
        try:
            options = IngestOptions(corpora={name: corpus}).active[name]
        except ValidationError as error:
            yield Check("corpora", name, "missing", first_problem(error), f"mend ingest.corpora.{name}")
            continue
        yield _check_corpus(name, options, project / options.root, [] if rows is None else rows)


def _check_corpus(name: str, corpus: CorpusOptions, root: Path, kept: list[Utterance]) -> Check:
    from semiser.corpora.registry import get_reader

    if not root.is_dir():
        advice = f"set ingest.corpora.{name}.root to the corpus's folder"
        return Check("corpora", name, "missing", f"{corpus.root} is not a folder", advice)
    reader = get_reader(corpus.reader)
    try:
        rows = list(reader.read(name, root, reader.options(**corpus.options)))
    except (OSError, ValueError) as error:
        return Check("corpora", name, "missing", str(error), "mend it, or take the corpus out of ingest.corpora")
    utterances = [row for row in rows if isinstance(row, Utterance)]
    found, rejected = len(utterances), len(rows) - len(utterances)
    kept += utterances
    expected = (reader.expected if corpus.expected is None else corpus.expected).get("utterances")
    text = f"{found:,} utterances" + (f", {rejected:,} files that cannot be used" if rejected else "")
    if not found:
        advice = f"the reader {corpus.reader} looks for {reader.pattern}, such as {reader.example}"
        return Check("corpora", name, "missing", f"nothing usable in {corpus.root}", advice)
    if expected and expected != found:
        return Check("corpora", name, "note", f"{text}; {expected:,} are published", "see whether the copy is complete")
    return Check("corpora", name, "ok", text)


def check_training(parameters: Mapping[str, Any], rows: Sequence[Utterance]) -> Iterator[Check]:
    """Each training that is configured: whether its folds can be made, and what its figures will suffer from.

    Args:
        parameters: of the experiment.
        rows: utterances that the readers find, not looked into.
    """
    if not rows:
        return
    columns = {name: [getattr(row, name) for row in rows] for name in _FOR_FOLDS}
    utterances = pa.table(columns, schema=pa.schema([UTTERANCES_SCHEMA.field(name) for name in _FOR_FOLDS]))
    for name in configured_systems(parameters):
        system = get_system(name)
        try:
            folds = plan_training(system, parameters, utterances)
        except ValueError as error:
            said = str(error).removeprefix(f"{system.pipeline}: ")
            yield Check("training", system.pipeline, "missing", said)
            continue
        counts, speakers = _tested(folds, utterances)
        said = f"{len(folds['fold'].unique())} folds, {sum(counts.values()):,} utterances are tested"
        yield Check("training", system.pipeline, "ok", f"{said}: {', '.join(f'{k} {v:,}' for k, v in counts.items())}")
        if few := [label for label, count in counts.items() if count < FEW_UTTERANCES]:
            found = f"under {FEW_UTTERANCES} utterances of {', '.join(few)}"
            yield Check("training", system.pipeline, "note", found, "their recalls say little: merge or drop classes")
        if speakers < FEW_SPEAKERS:
            found = f"{speakers or 'no'} speakers are known among the tested"
            yield Check("training", system.pipeline, "note", found, "intervals over so few are too narrow")
        unknown = speakers_unknown(folds, utterances, system.options(**parameters[system.pipeline]))
        for corpus, count in unknown.items():
            found = f"{count:,} utterances of {corpus} without speaker"
            yield Check("training", system.pipeline, "note", found, "they are scaled by their own mean, all together")


def _tested(folds: pa.Table, utterances: pa.Table) -> tuple[dict[str, int], int]:
    """Tested utterances by class, each counted once, and how many speakers are known among them."""
    tested = folds.filter(pc.equal(folds["role"], "test"))
    labels = dict(zip(tested["utterance_id"].to_pylist(), tested["label"].to_pylist(), strict=True))
    heard = utterances.filter(pc.is_in(utterances["utterance_id"], ids_of(tested)))
    return dict(sorted(Counter(labels.values()).items())), len(pc.unique(heard["speaker_id"]).drop_null())


def check_features(
    parameters: Mapping[str, Any], project: Path, primary: str = _PRIMARY, networks: Collection[str] = ()
) -> Iterator[Check]:
    """Each family that is on: whether its files are there, and whether its table is complete.

    Args:
        parameters: of `features`.
        project: folder that relative paths start from.
        primary: where the manifests of the feature tables lie.
        networks: those that train_faces makes.
    """
    try:
        options = FeaturesOptions(**parameters)
    except ValidationError as error:
        yield Check("features", "options", "missing", first_problem(error), "mend the parameters of features")
        return
    for name, family in options.active.items():
        lacking = list(_lacking(name, family, project, networks))
        yield from lacking
        if not lacking:
            yield _check_table(name, primary if "://" in primary else str(project / primary))


def _lacking(name: str, family: FamilyOptions, project: Path, networks: Collection[str]) -> Iterator[Check]:
    """The files that a family is told to take and that are not there, and the network that it needs."""
    for option, path in _files(family):
        if not (project / path).exists():
            yield Check("features", name, "missing", f"{option}: nothing at {path}", f"set features.{name}.{option}")
    own = isinstance(family, NetworkFamilyOptions) and (family.weights or getattr(family, "onnx", None))
    if isinstance(family, NetworkFamilyOptions) and name not in networks and not own:
        advice = f"set train_faces.{name}.images, which it learns from, or features.{name}.weights"
        yield Check("features", name, "missing", "no network", advice)


def _check_table(name: str, primary: str) -> Check:
    manifest = ShardedTable(f"{primary}/{name}.json").manifest()
    if manifest is None:
        return Check("features", name, "note", "no complete table yet", "`kedro run --pipelines=features` makes it")
    corpora = sorted({shard["path"].split("/")[0] for shard in manifest["shards"]})
    return Check("features", name, "ok", f"{manifest['rows']:,} rows of {', '.join(corpora) or 'no corpus'}")


def _files(options: Options, above: str = "") -> Iterator[tuple[str, str]]:
    """Options that name files of this machine: those that are no part of a fingerprint, and are paths."""
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if isinstance(value, Options):
            yield from _files(value, f"{above}{name}.")
        elif field.exclude and isinstance(value, str | Path) and name not in _DEVICES:
            yield f"{above}{name}", str(value)


def check_machine(project: Path, accelerator: str) -> Iterator[Check]:
    """Processors, GPU and free disk."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check("machine", "processors", "ok", f"{processors}, one worker each for features")
    import torch

    if torch.cuda.is_available():
        yield Check("machine", "GPU", "ok", torch.cuda.get_device_name(0))
    elif accelerator == "cuda":
        advice = "install a torch with CUDA, or set training.accelerator to auto"
        yield Check("machine", "GPU", "missing", "training.accelerator is cuda, and torch finds none", advice)
    else:
        yield Check(
            "machine", "GPU", "ok", "none: training takes the processor, which the small networks here can do with"
        )
    free_gb = shutil.disk_usage(project).free / 1e9
    if free_gb >= ENOUGH_DISK_GB:
        yield Check("machine", "free disk", "ok", f"{free_gb:.1f} GB")
    else:
        yield Check("machine", "free disk", "note", f"{free_gb:.1f} GB", "features of large corpora need more")


def check_extras() -> Iterator[Check]:
    """The optional dependencies; none is needed for what is on by default."""
    for extra, (module, purpose) in EXTRAS.items():
        if find_spec(module):
            yield Check("extras", extra, "ok", f"installed: {purpose}")
        else:
            yield Check("extras", extra, "note", f"not installed: {purpose}", f'pip install -e ".[{extra}]"')
