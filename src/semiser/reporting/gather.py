"""What the pipelines of an experiment left in its reporting folder, whichever of them were run."""

import csv
import io
import json
import re
import struct
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup  # part of jinja2

_PNG, _END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_SHORTEST = 45  # bytes: signature, header, end
_DOTS_PER_INCH = 150  # that the catalog saves figures with
_CSS_PIXELS_PER_INCH = 96
_SWEEPS = "_sweeps"  # the end of a pipeline's name
_PASSED_OVER = ("predict",)  # what a user asked of a model is no result of an experiment
_IN_DETAILS = ("confusion", "curves")  # drawn anew, variant by variant
_CAPTIONS = {
    "confusion": "Confusion matrices over all folds: rows are targets, in percent of the row, with counts.",
    "curves": "Training curves: mean over folds and seeds, in a band of one standard deviation.",
}


@dataclass(frozen=True)
class Picture:
    """A figure: its file's name, a caption, its size on a page in CSS pixels, and its content.

    Attributes:
        svg: an `<svg>` element; None where there is a PNG alone.
        address: the PNG's bytes as a `data:` address; empty beside an SVG.
    """

    name: str
    caption: str
    width: int
    height: int
    svg: Markup | None = None
    address: str = ""


@dataclass(frozen=True)
class Results:
    """What one pipeline left.

    Attributes:
        pipeline: name of its folder.
        metrics: its metrics.json; None where it has none, as sweeps.
        sweeps: name of a sweep to its metrics, where it is sweeps.
        details: its details.json; None where there is none.
        record: its run.json: command, time, versions; empty where there is none.
        pictures: its figures.
        tables: name to rows of its CSV files, metrics.csv apart.
    """

    pipeline: str
    metrics: dict[str, Any] | None
    record: dict[str, Any]
    pictures: list[Picture] = field(default_factory=list)
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    sweeps: dict[str, dict[str, Any]] = field(default_factory=dict)
    details: dict[str, Any] | None = None

    @property
    def system(self) -> str:
        """The system that the pipeline trains, or whose option it turns."""
        return self.pipeline.removeprefix("train_").removesuffix(_SWEEPS)


def gather(folder: str | Path) -> list[Results]:
    """Every pipeline's results, those with metrics first.

    Args:
        folder: the experiment's reporting folder.

    Raises:
        ValueError: a file is not what its name says; the message names it.
    """
    folder = Path(folder)
    places = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = [_read(path) for path in places if path.name not in _PASSED_OVER]
    kept = [results for results in found if results.metrics or results.pictures or results.tables]
    return sorted(kept, key=lambda results: results.metrics is None)


def gather_metrics(folder: Path) -> dict[str, dict[str, Any]]:
    """The metrics.json of every pipeline of an experiment, by the pipeline's name."""
    paths = sorted(folder.glob("*/metrics.json"))
    return {path.parent.name: _json(path) for path in paths}


def _read(folder: Path) -> Results:
    details = _json(folder / "details.json")
    paths = [path for path in sorted(folder.glob("*.png")) if details is None or path.stem not in _IN_DETAILS]
    pictures = [_picture(path) for path in paths]
    tables = {path.stem: _rows(path) for path in sorted(folder.glob("*.csv")) if path.name != "metrics.csv"}
    metrics, record = _json(folder / "metrics.json"), _json(folder / "run.json") or {}
    swept = sorted(folder.glob("*.json")) if folder.name.endswith(_SWEEPS) else []
    sweeps = {path.stem: _json(path) for path in swept if path.name != "run.json"}
    return Results(folder.name, metrics, record, pictures, tables, sweeps, details)


def _json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}): run its pipeline again, or remove it") from error


def _rows(path: Path) -> list[dict[str, str]]:
    text = path.read_bytes()
    if not text.endswith(b"\n"):
        raise ValueError(f"{path} ends in the middle of a line: run its pipeline again, or remove it")
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def _picture(path: Path) -> Picture:
    caption = _CAPTIONS.get(path.stem, path.stem.replace("_", " ").capitalize() + ".")
    data = path.read_bytes()
    if not (data.startswith(_PNG) and data.endswith(_END) and len(data) > _SHORTEST):
        raise ValueError(f"{path} is no whole PNG: run its pipeline again, or remove it")
    width, height = (round(side * _CSS_PIXELS_PER_INCH / _DOTS_PER_INCH) for side in struct.unpack(">II", data[16:24]))
    drawn = path.with_suffix(".svg")
    if not drawn.is_file():
        return Picture(path.stem, caption, width, height, address=f"data:image/png;base64,{b64encode(data).decode()}")
    text = drawn.read_text(encoding="utf-8")
    if "<svg" not in text or "<script" in text or not text.rstrip().endswith("</svg>"):
        raise ValueError(f"{drawn} is no SVG of ours: run its pipeline again, or remove it")
    svg = re.sub(r"<style>.*?</style>", "", text[text.index("<svg") :], count=1, flags=re.S)
    return Picture(path.stem, caption, width, height, svg=Markup(svg))
