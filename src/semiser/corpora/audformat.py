"""audformat databases: `db.yaml` and its tables, as audb gives them out (https://audeering.github.io/audformat).

A row of a segmented table is an utterance, as is a file that filewise tables alone name; what filewise tables say of a
file (often its speaker) goes for its segments. Columns mean those of `utterances`, as in the reader `manifest`; a
column with labels that are objects, as speakers have them, gives the gender and language in them. The split of a table
(`split_id`) is that of its rows. Where two tables say different things of one utterance, the option `tables` chooses.
Tables are read from CSV or Parquet: pickles beside them, a cache of the library, are refused, since a pickle can run
anything.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from semiser.corpora.files import Misfit
from semiser.corpora.lists import ListOptions, to_path
from semiser.corpora.manifest import TableOptions, describe_cells, name_columns
from semiser.corpora.reader import Reader
from semiser.corpora.tables import describe_lines
from semiser.corpora.utterance import Rejected, Utterance
from semiser.media.content import is_regular

if TYPE_CHECKING:
    import audformat

HEADER = "db.yaml"

_ALIASES = {"speaker": "speaker_id", "transcription": "transcript", "text": "transcript", "session": "session_id"}
_OF_LABELS = ("gender", "language")

Key = tuple[str, float | None, float | None]  # file, start and end in seconds; None: from its start, to its end


class AudformatOptions(TableOptions, ListOptions):
    """Options of the reader.

    Attributes:
        tables: the tables to read, such as `[emotion, files]`; None: all.
    """

    ignore: tuple[str, ...] | Literal["*"] = "*"
    tables: tuple[str, ...] | None = None


def read(corpus: str, root: Path, options: AudformatOptions) -> Iterator[Utterance | Rejected]:
    """Rows of the database, in the order of its tables.

    Raises:
        FileNotFoundError: there is no `db.yaml`.
        ValueError: the database cannot be read, has tables as pickles, lacks a table that is named, or two tables
            contradict each other.
    """
    database = _load(root)
    names = list(options.tables if options.tables is not None else database.tables)
    if missing := [name for name in names if name not in database.tables]:
        raise ValueError(f"{HEADER} has no table {', '.join(missing)}; there are {', '.join(database.tables)}")
    files: dict[str, dict[str, Any]] = {}
    segments: dict[Key, dict[str, Any]] = {}
    for name in names:
        for key, cells in _rows_of(database, name, options):
            found = files.setdefault(key[0], {}) if key[1:] == (None, None) else segments.setdefault(key, {})
            _merge(found, cells, name, key)
    cut = {file for file, _, _ in segments}
    whole: list[tuple[Key, dict[str, Any]]] = [((name, None, None), {}) for name in files if name not in cut]
    language = database.languages[0] if len(database.languages) == 1 else None
    describe = partial(_describe, corpus, root, options, language, files)
    yield from describe_lines(corpus, HEADER, enumerate([*segments.items(), *whole], start=1), describe)


def _load(root: Path) -> "audformat.Database":
    import audformat

    if not (root / HEADER).is_file():
        raise FileNotFoundError(f"no {HEADER} in {root}, the header of an audformat database: is the root its folder?")
    if pickles := sorted(path.name for path in root.glob("*.pkl")):
        raise ValueError(
            f"{', '.join(pickles[:3])} below {root.name}: tables as pickles are not read. Save the database with "
            "storage_format='csv' or 'parquet', or remove them where a .csv or .parquet of the same name is there"
        )
    for path in sorted(root.glob("db*.*")):  # the library waits for a pipe
        if not path.is_dir() and not is_regular(path):
            raise ValueError(f"{path.name} below {root.name} is a pipe or a device, which may never end")
    try:
        return audformat.Database.load(str(root), load_data=False, num_workers=1)
    except Exception as error:  # the library raises what its parsers raise
        raise ValueError(f"{HEADER} cannot be read as an audformat database: {error}") from error


def _rows_of(
    database: "audformat.Database", name: str, options: AudformatOptions
) -> Iterator[tuple[Key, dict[str, Any]]]:
    table = database.tables[name]
    try:
        frame = table.get()
    except Exception as error:
        raise ValueError(f"table {name} of {HEADER} cannot be read: {error}") from error
    aliased = options.model_copy(update={"aliases": _ALIASES | options.aliases})
    names = name_columns(f"table {name}", list(frame.columns), aliased)
    labels = {column: _labels_of(database, table, column) for column in names}
    columns = [frame[column].astype(object).where(frame[column].notna(), None).tolist() for column in names]
    for index, *values in zip(frame.index, *columns, strict=True):
        cells: dict[str, Any] = {"split": table.split_id} if table.split_id else {}
        for (theirs, ours), value in zip(names.items(), values, strict=True):
            cells[ours] = value
            if isinstance(more := labels[theirs].get(value), Mapping):
                cells |= {key: more[key] for key in _OF_LABELS if more.get(key) is not None}
        yield _to_key(index), {key: value for key, value in cells.items() if value is not None}


def _labels_of(database: "audformat.Database", table: "audformat.Table", column: str) -> Mapping[Any, Any]:
    scheme = table.columns[column].scheme_id
    labels = database.schemes[scheme].labels if scheme is not None else None
    return labels if isinstance(labels, Mapping) else {}


def _to_key(index: Any) -> Key:
    if not isinstance(index, tuple):
        return str(index), None, None
    file, start, end = index
    first: float | None = None if pd.isna(start) else start.total_seconds()
    last: float | None = None if pd.isna(end) else end.total_seconds()
    return str(file), None if last is None and not first else first, last


def _merge(found: dict[str, Any], cells: dict[str, Any], table: str, key: Key) -> None:
    for name, value in cells.items():
        if found.setdefault(name, value) != value:
            raise ValueError(
                f"table {table} says {name} {value!r} of {key[0]}, another says {found[name]!r}: choose by the option "
                "`tables`"
            )


def _describe(
    corpus: str,
    root: Path,
    options: AudformatOptions,
    language: str | None,
    files: Mapping[str, dict[str, Any]],
    row: tuple[Key, dict[str, Any]],
) -> Utterance:
    (file, start, end), own = row
    if start is not None and end is None:
        raise Misfit(f"the segment of {file} from {start:g} s has no end: write the file's")
    cells: dict[str, Any] = {"language": language} | files.get(file, {}) | own
    if options.language:
        cells["language"] = options.language
    path = to_path(root, file, options)
    return describe_cells(corpus, options, cells | {"audio_path": path, "start_s": start, "end_s": end})


READER = Reader(
    read=read,
    pattern="db.yaml, the header of an audformat database, with its tables as CSV or Parquet and its media",
    example="db.yaml",
    options=AudformatOptions,
    signs=("db.yaml",),
)
