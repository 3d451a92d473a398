"""What was run: a JSON document per run, `<reporting folder>/runs/<UTC time>-<short id>.json`."""

import hashlib
import json
import os
import socket
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from semiser.experiments.lock import is_held
from semiser.publish import publishing_on_disk
from semiser.reporting.findings import find_best
from semiser.reporting.record import versions

RUNS = "runs"
State = Literal["running", "finished", "failed", "interrupted"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Model(_Document):
    """A trained fold: `folder` is relative to the pipeline's models."""

    variant: str
    seed: int
    fold: int
    folder: str
    key: str


_MODELS = TypeAdapter(list[Model])


class Headline(_Document):
    """The best variant of a task: `setting` is that task and label budget, as in variants' names, and may be empty."""

    variant: str
    setting: str
    metric: str
    mean: float
    ci95: tuple[float | None, float | None]


class Result(_Document):
    """What a training pipeline found: its metrics.json, the best of it, and the models that were scored."""

    headlines: list[Headline]
    folds_hash: str | None
    metrics: dict[str, Any]
    models: list[Model]


class Record(_Document):
    """A run.

    Attributes:
        id: `<UTC time>-<short id>`.
        experiment: that it belongs to.
        env: of its configuration, None for the default.
        pipelines: that were run; empty for the default.
        command: that starts it again.
        pid, host: process that ran it.
        start, end: UTC; end is None while it runs, and where it was interrupted.
        state: `interrupted` is a run whose process ended without a word.
        error: of a failed run, in a line.
        versions: of semiser and of what decides results.
        options: the parameter groups that its nodes took, defaults filled in, but for places.
        options_hash: SHA-256 of the options.
        results: of every training pipeline that was evaluated, by its name.
    """

    id: str
    experiment: str
    env: str | None = None
    pipelines: list[str] = []
    command: str
    pid: int
    host: str
    start: datetime
    end: datetime | None = None
    state: State = "running"
    error: str | None = None
    versions: dict[str, str]
    options: dict[str, Any]
    options_hash: str
    results: dict[str, Result] = {}

    @property
    def holder(self) -> str:
        """Who this is, for one that has to wait for it."""
        return f"`{self.command}` (process {self.pid} on {self.host}, since {self.start:%Y-%m-%d %H:%M:%S} UTC)"


def new_record(
    experiment: str,
    command: str,
    options: Mapping[str, Any],
    env: str | None = None,
    pipelines: list[str] | None = None,
) -> Record:
    """The record of a run that begins now in this process."""
    start = datetime.now(UTC)
    return Record(
        id=f"{start:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}",
        experiment=experiment,
        env=env,
        pipelines=pipelines or [],
        command=command,
        pid=os.getpid(),
        host=socket.gethostname(),
        start=start,
        versions=versions(),
        options=dict(options),
        options_hash=hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest(),
    )


def write_record(folder: Path, record: Record) -> None:
    """Publish a record below the experiment's reporting folder."""
    with publishing_on_disk(folder / RUNS / f"{record.id}.json") as file:
        file.write(record.model_dump_json(indent=1).encode())


def read_records(folder: Path) -> list[Record]:
    """All runs of the experiment with this reporting folder, oldest first.

    A run that never said how it ended is `running` while the experiment is held, and else `interrupted`.

    Raises:
        ValueError: a record is not what its name says; the message names it.
    """
    records = _read_all(folder)
    if any(record.state == "running" for record in records) and not is_held(folder):
        return [_settled(record) for record in records]
    return records


def settle(folder: Path) -> None:
    """Write `interrupted` into the records of runs that never said how they ended.

    Only who holds the experiment knows that they are over.
    """
    for record in _read_all(folder):
        if record.state == "running":
            write_record(folder, _settled(record))


def _settled(record: Record) -> Record:
    return record.model_copy(update={"state": "interrupted"}) if record.state == "running" else record


def _read_all(folder: Path) -> list[Record]:
    return sorted((_read(path) for path in (folder / RUNS).glob("*.json")), key=lambda record: record.start)


def _read(path: Path) -> Record:
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path} is no record of a run ({error}): remove it") from error


def read_result(metrics: Path, models: Path) -> Result:
    """What a training pipeline found.

    Args:
        metrics: its metrics.json, in a folder of its name.
        models: its models' folder, with a receipt `<variant>.json` per variant.
    """
    document = json.loads(metrics.read_bytes())
    return Result(
        headlines=[
            Headline(variant=best.best, setting=best.setting, metric=best.metric, mean=best.mean, ci95=best.ci95)
            for best in find_best(metrics.parent.name, document)
        ],
        folds_hash=document["protocol"].get("folds_hash"),
        metrics=document,
        models=[model for model in read_receipts(models) if model.variant in document["variants"]],
    )


def read_receipts(models: Path) -> list[Model]:
    """The trained folds that a pipeline's present receipts name: the lists among `<models>/*.json`.

    Raises:
        ValueError: one is no receipt; the message names it.
    """
    found: dict[str, Model] = {}
    for path in sorted(models.glob("*.json")):
        try:
            document = json.loads(path.read_bytes())
            rows = _MODELS.validate_python(document) if isinstance(document, list) else []
        except ValueError as error:  # pydantic's is one, too
            raise ValueError(f"{path} is no receipt of trained folds: run its training pipeline again") from error
        found |= {model.folder: model for model in rows}  # a pipeline has a receipt of all variants, too
    return list(found.values())
