"""Hugging Face `datasets`: folders of `save_to_disk`, folders with Parquet or Arrow files, and folders with `metadata`.

Every `.parquet` below the root is read, every `.arrow` (those that `state.json` names where there is one), and, where
there are neither, every `metadata.csv` or `metadata.jsonl` with its column `file_name`, which a `metadata.parquet` has,
too. Columns mean those of
`utterances`, as in the reader `manifest`. The features that the files carry (schema metadata `huggingface`) name the
classes of a `ClassLabel`, whose numbers are read as these names, and the column of sound, which is a struct of `bytes`
and `path` (https://huggingface.co/docs/datasets/about_dataset_features). Embedded sound is written to the folder that
the option `cache` names, each once, under the hash of its bytes; without the option it is an error. The library
`datasets` is not needed.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AfterValidator, Field

from semiser.corpora.files import Misfit, iter_files, leaves_root
from semiser.corpora.lists import ListOptions, read_objects, to_path
from semiser.corpora.manifest import TableOptions, describe_cells, name_columns
from semiser.corpora.reader import Reader
from semiser.corpora.suffixes import AUDIO, VIDEO
from semiser.corpora.tables import describe_lines, read_lines
from semiser.corpora.text import is_there
from semiser.corpora.utterance import Rejected, Utterance
from semiser.publish import publishing_on_disk

logger = logging.getLogger(__name__)

BATCH_ROWS = 64  # rows that are held with their sound
_SAMPLED = 200  # rows that columns are known by

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_SPLITS = ("train", "test", "validation", "valid", "val", "dev", "eval")
_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3", b"FORM": ".aiff"}
_LOST = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)
_SOUND = "audio_path"
METADATA, _FILE = "metadata", "file_name"  # a table beside sounds, and its column of their names


def _check_cache(cache: str) -> str:
    if leaves_root(cache):
        raise ValueError(f"cache {cache!r} leaves the root: name a folder below it (which may be a link)")
    return cache


class HuggingFaceOptions(TableOptions, ListOptions):
    """Options of the reader.

    Attributes:
        audio: the column of sound; None: the one that the features call `Audio`, else the struct with `bytes`.
        cache: folder below the root that embedded sound is written to; None: nothing is written.
    """

    ignore: tuple[str, ...] | Literal["*"] = "*"
    audio: str | None = None
    cache: Annotated[str, AfterValidator(_check_cache)] | None = Field(default=None, min_length=1)


def read(corpus: str, root: Path, options: HuggingFaceOptions) -> Iterator[Utterance | Rejected]:
    """Rows of all files, sorted by their names, each in its order.

    Raises:
        ValueError: a file cannot be read, its columns are not understood, or it embeds sound and no cache is named.
    """
    paths = [path for path in iter_files(root, {".parquet", ".arrow"}) if _belongs(root, path)]
    for path in paths:
        yield from _read_columns(corpus, root, path, options)
    if not paths:
        for path in iter_files(root, {".csv", ".jsonl"}):
            if path.stem == METADATA:
                yield from _read_metadata(corpus, root, path, options)


def sample(root: Path) -> tuple[list[str], list[list[str]], bool] | None:
    """Columns beside the sound, some rows as text, and whether the sound is embedded; None where there is no sound.

    Raises:
        ValueError: the first file cannot be read.
    """
    path = next((path for path in iter_files(root, {".parquet", ".arrow"}) if _belongs(root, path)), None)
    if path is None:
        for table in iter_files(root, {".csv", ".jsonl"}):
            if table.stem == METADATA:
                lines = read_objects(root / table) if table.suffix == ".jsonl" else read_lines(root / table, {_FILE})
                rows = [cells for _, cells in islice(lines, _SAMPLED) if isinstance(cells, dict)]
                return _as_text([name for name in (rows or [{}])[0] if name != _FILE], rows, {}, False)
        return None
    try:
        schema, batches = _open(root / path)
    except _LOST as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    features = _features(schema)
    sound = _find_sound(schema, features) or (_FILE if path.stem == METADATA and _FILE in schema.names else None)
    if sound is None:
        return None
    names = [name for name in schema.names if name != sound]
    rows = list(islice(_rows_of(path, batches, [*names, sound]), _SAMPLED))
    embedded = any(isinstance(cell := row[sound], dict) and cell.get("bytes") for row in rows)
    return _as_text(names, rows, _classes(features), embedded)


def _as_text(
    names: list[str], rows: list[dict[str, Any]], classes: Mapping[str, list[str]], embedded: bool
) -> tuple[list[str], list[list[str]], bool]:
    cells = [[_name_class(row.get(name), classes.get(name), name) for name in names] for row in rows]
    return names, [["" if cell is None else str(cell) for cell in row] for row in cells], embedded


def _classes(features: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {name: feature["names"] for name, feature in features.items() if feature.get("_type") == "ClassLabel"}


# ---- files with columns


def _belongs(root: Path, path: PurePosixPath) -> bool:
    """Whether a file is of a dataset: not what `map` left beside it."""
    state = _read_state(root / path.parent)
    if path.suffix.lower() == ".arrow" and "_data_files" in state:
        return any(file.get("filename") == path.name for file in state["_data_files"])
    return not path.name.startswith(("cache-", "tmp"))


def _read_state(folder: Path) -> dict[str, Any]:
    path = folder / "state.json"
    if not is_there(path):
        return {}
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} in {folder.name} is not JSON: {error}") from error
    return state if isinstance(state, dict) else {}


def _split_of(root: Path, path: PurePosixPath) -> str | None:
    if isinstance(split := _read_state(root / path.parent).get("_split"), str):
        return split
    bare = _SHARD.sub("", path.stem)
    name = bare.rpartition("-")[2]
    if name.isdecimal() or name in ("data", METADATA):
        return path.parent.name if path.parent.name not in ("data", "") else None
    return name if bare != path.stem or name in _SPLITS else None


def _read_columns(
    corpus: str, root: Path, path: PurePosixPath, options: HuggingFaceOptions
) -> Iterator[Utterance | Rejected]:
    try:
        schema, batches = _open(root / path)
    except _LOST as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    features = _features(schema)
    sound = options.audio or _find_sound(schema, features)
    if sound is None and path.stem == METADATA and _FILE in schema.names:
        options = options.model_copy(update={"aliases": options.aliases | {_FILE: _SOUND}})
    theirs = [name for name in schema.names if name != sound]
    names = name_columns(str(path), theirs, options)
    if sound is None and _SOUND not in names.values():
        raise ValueError(
            f"{path}: no column of sound among {', '.join(map(repr, schema.names))}: name it in the option `audio`, "
            "or a column of paths in the option `aliases`"
        )
    if sound is not None and sound not in schema.names:
        raise ValueError(f"{path}: no column {sound!r}, there are {', '.join(map(repr, schema.names))}")
    wanted = [*names, *([sound] if sound is not None else [])]
    split = _split_of(root, path)
    describe = partial(_describe, corpus, root, path, split, options, names, sound, _classes(features))
    rows = enumerate(_rows_of(path, batches, wanted), start=1)
    yield from describe_lines(corpus, str(path), rows, describe)


def _open(path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if path.suffix.lower() == ".parquet":
        file = pq.ParquetFile(path)
        return file.schema_arrow, file.iter_batches(batch_size=BATCH_ROWS)
    stream = pa.ipc.open_stream(pa.memory_map(str(path)))
    return stream.schema, iter(stream)


def _rows_of(path: PurePosixPath, batches: Iterator[pa.RecordBatch], wanted: list[str]) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        for batch in batches:
            for start in range(0, len(batch), BATCH_ROWS):
                for row in batch.select(wanted).slice(start, BATCH_ROWS).to_pylist():
                    number += 1
                    yield row | {"": number}
    except _LOST as error:
        raise ValueError(f"{path} cannot be read beyond row {number}: {error}") from error


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """The features that are objects, by column; none where the file carries none."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {name: feature for name, feature in found.items() if isinstance(feature, dict)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _find_sound(schema: pa.Schema, features: Mapping[str, dict[str, Any]]) -> str | None:
    found = [name for name, feature in features.items() if feature.get("_type") == "Audio"]
    found += [
        field.name for field in schema if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    ]
    return found[0] if found else None


def _describe(
    corpus: str,
    root: Path,
    file: PurePosixPath,
    split: str | None,
    options: HuggingFaceOptions,
    names: Mapping[str, str],
    sound: str | None,
    classes: Mapping[str, list[str]],
    row: dict[str, Any],
) -> Utterance:
    cells = {ours: _name_class(row[theirs], classes.get(theirs), theirs) for theirs, ours in names.items()}
    cells["split"] = cells.get("split") or split
    own = cells.get(_SOUND)
    if sound is not None:
        own, cells[_SOUND] = _place(root, file, options, row[sound])
        stem = PurePosixPath(own).stem if own else f"{file.name}:{row['']}"
        cells["utterance_id"] = cells.get("utterance_id") or (f"{split}/{stem}" if split else stem)
    else:
        beside = file.parent if file.stem == METADATA else ""
        cells[_SOUND] = to_path(root, str(PurePosixPath(beside, own or "")), options, str(file.parent))
    return describe_cells(corpus, options, cells)


def _name_class(value: Any, names: list[str] | None, column: str) -> Any:
    """The name of a class's number; -1 is the library's for no label."""
    if names is None or value is None or value == -1:
        return None if names is not None else value
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise Misfit(f"{column} {value!r} is none of the {len(names)} classes")
    return names[value]


def _place(root: Path, file: PurePosixPath, options: HuggingFaceOptions, value: Any) -> tuple[str, str]:
    """The name that a row gives its sound, which may be empty, and the path where the sound is, from the root."""
    if isinstance(value, str):
        value = {"path": value}
    if not isinstance(value, dict) or not (value.get("bytes") or value.get("path")):
        raise Misfit("no sound")
    name, content = str(value.get("path") or "").replace("\\", "/"), value.get("bytes")
    if not content:
        return name, to_path(root, name, options, str(file.parent))
    if not isinstance(content, bytes):
        raise Misfit(f"bytes of sound are {type(content).__name__}")
    if options.cache is None:
        raise ValueError(
            f"{file} embeds its sound: name a folder below the root in the option `cache`, and it is written there"
        )
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in (*AUDIO, *VIDEO):
        suffix = next((ending for magic, ending in _MAGIC.items() if content.startswith(magic)), "")
    if not suffix:
        raise Misfit(f"the embedded sound {name!r} begins like no known kind")
    digest = hashlib.sha256(content).hexdigest()[:32]
    path = PurePosixPath(options.cache, digest[:2], f"{digest}{suffix}")
    if not (root / path).is_file() or (root / path).stat().st_size != len(content):
        with publishing_on_disk(root / path, size=len(content)) as out:
            out.write(content)
    return name, str(path)


# ---- folders of sound with a table


def _read_metadata(
    corpus: str, root: Path, path: PurePosixPath, options: HuggingFaceOptions
) -> Iterator[Utterance | Rejected]:
    lines: Iterator[tuple[int, dict[str, Any] | Misfit]]
    lines = iter(read_objects(root / path) if path.suffix == ".jsonl" else read_lines(root / path, {_FILE}))
    split = _split_of(root, path)

    def describe(cells: dict[str, Any]) -> Utterance:
        named = {name: value for name, value in cells.items() if name != _FILE}
        names = name_columns(str(path), list(named), options)
        found = {ours: named[theirs] for theirs, ours in names.items()} | {
            _SOUND: to_path(root, str(path.parent / str(cells.get(_FILE) or "")), options)
        }
        found["split"] = found.get("split") or split
        return describe_cells(corpus, options, found)

    yield from describe_lines(corpus, str(path), lines, describe)


READER = Reader(
    read=read,
    pattern="Parquet or Arrow files of Hugging Face datasets, at any depth, or metadata.csv, .jsonl or .parquet beside "
    "the sounds",
    example="data/train-00000-of-00001.parquet",
    options=HuggingFaceOptions,
    signs=tuple(f"{folder}{name}" for folder in ("", "*/", "*/*/") for name in ("*.arrow", "*.parquet", "metadata.*")),
)
