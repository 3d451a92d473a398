"""One's own corpus as a table: CSV, JSON lines or Parquet with the columns of `utterances`, one row per utterance.

The way in for Internet voice logs, own acted speech, TV programmes and every corpus whose layout no other reader
knows. The table is read line by line (Parquet by batches). A line that cannot be used is rejected under
`<file>:<line>` (for Parquet, the row); a table whose columns are not understood is an error.
"""

import csv
import json
import logging
import math
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AfterValidator, Field, model_validator

from semiser.corpora.emotions import EXPRESSIONS, UnknownEmotion, canonical_emotion
from semiser.corpora.files import Misfit
from semiser.corpora.reader import (
    EmotionWords,
    Language,
    Reader,
    ReaderOptions,
    check_gender,
    check_language,
    unknown_emotion,
)
from semiser.corpora.tables import describe_lines, parse_object
from semiser.corpora.text import check_encoding, find_encoding, iter_lines
from semiser.corpora.utterance import UTTERANCES_SCHEMA, Rejected, Utterance, Word

logger = logging.getLogger(__name__)
_UNNAMED = re.compile(r"|Unnamed: 0|__index_level_0__")  # what a data frame's index becomes

BATCH_ROWS = 1024

# What ingest knows or measures itself: such columns of a manifest are passed over.
_INGESTED = (
    "corpus", "duration_s", "sample_rate_hz", "channels", "level_db", "audio_bytes", "audio_modified_ns", "video_bytes",
    "video_modified_ns",
)  # fmt: skip
COLUMNS = tuple(name for name in UTTERANCES_SCHEMA.names if name not in _INGESTED)

_PREFIXED = ("utterance_id", "speaker_id", "session_id", "dialogue_id")
_PATHS = ("audio_path", "video_path")
_NUMBERS = {name for name in COLUMNS if pa.types.is_floating(UTTERANCES_SCHEMA.field(name).type)}
_VOTES = ("arousal_votes", "valence_votes", "dominance_votes")
_SIDES = ("left", "right")
_TIMES = ("start_s", "end_s")
_DRIVE = re.compile(r"[A-Za-z]:")

Label = Literal[
    "arousal", "valence", "dominance", "sentiment", "sentiment_text", "sentiment_vision", "sentiment_multimodal"
]


class TableOptions(ReaderOptions):
    """Options of readers of tables whose columns mean those of `utterances`.

    Attributes:
        aliases: the table's column names to those of `utterances`.
        ignore: columns of the table to pass over; `*`: all that have no meaning here, which are named in the log.
        emotions: the table's emotion words to canonical names.
        language: BCP 47 tag of the rows that have none.
        scales: lowest and highest value of each dimensional label; a value outside rejects its line.
    """

    aliases: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] | Literal["*"] = ()
    emotions: EmotionWords = Field(default_factory=dict)
    language: Language | None = None
    scales: dict[Label, tuple[float, float]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_names(self) -> "TableOptions":
        if wrong := sorted(set(self.aliases.values()) - set(COLUMNS)):
            raise ValueError(f"aliases: {', '.join(wrong)} is no column; there are {', '.join(COLUMNS)}")
        if wrong := sorted(label for label, (low, high) in self.scales.items() if not low < high):
            raise ValueError(f"scales: {', '.join(wrong)} must be [lowest, highest]")
        return self


class ManifestOptions(TableOptions):
    """Options of the reader.

    Attributes:
        file: the table, relative to the corpus root; `.csv`, `.tsv`, `.jsonl`, `.ndjson` or `.parquet`.
        encoding: encoding of a CSV or JSON lines file that is not UTF-8.
        delimiter: what separates the cells of a `.csv`; a `.tsv` has tabs.
    """

    file: str = "utterances.csv"
    encoding: Annotated[str, AfterValidator(check_encoding)] | None = None
    delimiter: str = Field(default=",", min_length=1, max_length=1)


def read(corpus: str, root: Path, options: ManifestOptions) -> Iterator[Utterance | Rejected]:
    """Rows of a manifest, in its order.

    Raises:
        FileNotFoundError: the table is not there.
        ValueError: the table is of an unknown kind, cannot be decoded or parsed, lacks `audio_path` or has columns
            that are neither columns of `utterances` nor aliased nor ignored.
    """
    describe = partial(describe_cells, corpus, options)
    yield from describe_lines(corpus, options.file, _read_table(root, options), describe)


# ---- from the file to cells under our column names


def _read_table(root: Path, options: ManifestOptions) -> Iterator[tuple[int, dict[str, Any] | Misfit]]:
    path = root / options.file
    if not path.is_file():
        raise FileNotFoundError(f"no manifest {options.file} in {root}: set the option `file` to the table's name")
    suffix = path.suffix.lower()
    if suffix not in _TABLES:
        raise ValueError(f"manifest {options.file}: a {suffix or 'bare'} file is none of {', '.join(_TABLES)}")
    return _TABLES[suffix](path, options)


def _read_csv(path: Path, options: ManifestOptions) -> Iterator[tuple[int, dict[str, Any] | Misfit]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else options.delimiter
    with path.open(encoding=_find_encoding(path, options), newline="") as file:
        rows = _number_rows(csv.reader(iter_lines(file, path), delimiter=delimiter, strict=True), options)
        _, header = next(rows, (1, []))
        header = [name.strip() for name in header]
        names = name_columns(f"manifest {options.file}", header, options)
        _check_audio_path(header, names, options)
        for line, row in rows:
            if len(row) == len(header):
                cells = dict(zip(header, row, strict=True))
                yield line, {ours: cells[theirs] for theirs, ours in names.items()}
            elif row:
                yield (
                    line,
                    Misfit(f"{len(row)} cells, the header has {len(header)}: quote cells that hold {delimiter!r}"),
                )


def _number_rows(reader: Any, options: ManifestOptions) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their first line, which a quoted line break makes another than their last."""
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"manifest {options.file}, from line {line}: {error}; check the quotes there") from error


def _read_json_lines(path: Path, options: ManifestOptions) -> Iterator[tuple[int, dict[str, Any] | Misfit]]:
    keys: set[str] = set()
    names: dict[str, str] = {}
    with path.open(encoding=_find_encoding(path, options), newline="\n") as file:
        for line, text in enumerate(iter_lines(file, path), start=1):
            record = parse_object(text) if text.strip() else None
            if isinstance(record, dict) and not keys.issuperset(record):
                keys |= record.keys()
                names = name_columns(f"manifest {options.file}", sorted(keys), options)
            if isinstance(record, dict):
                record = {names[theirs]: value for theirs, value in record.items() if theirs in names}
            if record is not None:
                yield line, record


def _read_parquet(path: Path, options: ManifestOptions) -> Iterator[tuple[int, dict[str, Any] | Misfit]]:
    try:
        with pq.ParquetFile(path) as file:
            header = file.schema_arrow.names
            names = name_columns(f"manifest {options.file}", header, options)
            _check_audio_path(header, names, options)
            batches = file.iter_batches(batch_size=BATCH_ROWS, columns=list(names))
            yield from enumerate(_rows_of(batches, names), start=1)
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise ValueError(f"manifest {options.file} cannot be read as Parquet: {error}") from error


def _rows_of(batches: Iterable[pa.RecordBatch], names: dict[str, str]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        for row in batch.to_pylist():
            yield {names[theirs]: value for theirs, value in row.items()}


_TABLES: dict[str, Callable[[Path, ManifestOptions], Iterator[tuple[int, dict[str, Any] | Misfit]]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}


def _find_encoding(path: Path, options: ManifestOptions) -> str:
    try:
        return find_encoding(path, *([options.encoding] if options.encoding else []))
    except ValueError as error:
        raise ValueError(
            f"manifest {options.file}: {error}, or set the option `encoding`, such as cp1252 (Excel in Western Europe) "
            "or gb18030 (Chinese)"
        ) from error


def name_columns(what: str, theirs: list[str], options: TableOptions) -> dict[str, str]:
    """Our name of each column that is to be read.

    Args:
        what: the table, as messages name it.
        theirs: its columns.
        options: how they are called.

    Raises:
        ValueError: a column means nothing, or two mean the same.
    """
    ignored = () if options.ignore == "*" else options.ignore
    ours = {name: options.aliases.get(name, _near(name)) for name in theirs if name not in ignored}
    if theirs and _UNNAMED.fullmatch(theirs[0]) and theirs[0] in ours:
        logger.info("%s: passed over its first column, which has no name: pandas' index?", what)
        del ours[theirs[0]]
    if options.ignore == "*":
        extra = [name for name, our in ours.items() if our not in COLUMNS and our not in _INGESTED]
        if extra:
            logger.info("%s: passed over the columns %s", what, ", ".join(map(repr, extra)))
        ours = {name: our for name, our in ours.items() if name not in extra}
    if len(theirs) == 1 and (found := next((mark for mark in "\t;|" if mark in theirs[0]), None)):
        raise ValueError(f"{what}: its cells are separated by {found!r}: set the option `delimiter` to it")
    if unknown := sorted(name for name, our in ours.items() if our not in COLUMNS and our not in _INGESTED):
        raise ValueError(
            f"{what}: unknown columns {', '.join(map(repr, unknown))}; name each in the option "
            f"`aliases` (there are {', '.join(COLUMNS)}) or list it in the option `ignore` (`*`: pass over all of them)"
        )
    kept = {name: our for name, our in ours.items() if our not in _INGESTED}
    if len(theirs) > len(set(theirs)) or len(kept) > len(set(kept.values())):
        raise ValueError(f"{what}: two columns mean the same among {', '.join(map(repr, theirs))}")
    return kept


def _near(name: str) -> str:
    """The name of a column whatever its case and blanks: `Audio_Path` is audio_path."""
    near = name.strip().casefold()
    return near if near in COLUMNS or near in _INGESTED else name


def _check_audio_path(header: list[str], names: dict[str, str], options: ManifestOptions) -> None:
    if "audio_path" not in names.values():
        raise ValueError(
            f"manifest {options.file}: no column audio_path; found {', '.join(map(repr, header)) or 'an empty file'}. "
            "Name it with the option `aliases`, or set `delimiter` if the cells are separated by another character"
        )


# ---- from cells to a row


def describe_cells(corpus: str, options: TableOptions, cells: dict[str, Any]) -> Utterance:
    """The row of cells under our column names.

    Raises:
        Misfit: a cell cannot be what its column is.
    """
    values = {name: _convert(name, cell) for name, cell in cells.items()}
    if values.get("audio_path") is None:
        raise Misfit("audio_path is empty")
    _check_segment(values, "start_s", "end_s")
    _check_segment(values, "video_start_s", "video_end_s")
    _check_scales(values, options.scales)
    _name_emotion(values, options.emotions)
    values["language"] = values.get("language") or options.language
    values["utterance_id"] = values.get("utterance_id") or _make_id(values)
    return Utterance(corpus=corpus, **values | _prefix(corpus, values))


def _convert(name: str, cell: Any) -> Any:
    """The value of a cell as its column's type; None for an empty one."""
    if cell is None or cell == "" or (isinstance(cell, str) and not cell.strip()) or _is_nan(cell):
        return None
    if name in _LISTS:
        return _LISTS[name](name, cell)
    if name in _NUMBERS:
        return _to_number(name, cell)
    return _CHECKS.get(name, lambda _, text: text)(name, _to_text(name, cell))


def _is_nan(cell: Any) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def _to_number(name: str, cell: Any) -> float:
    try:
        number = math.nan if isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Misfit(f"{name} {cell!r} is no number")
    return number


def _to_votes(name: str, cell: Any) -> list[float] | None:
    if isinstance(cell, str):
        cell = _split_votes(name, cell.strip())
    if not isinstance(cell, list):
        cell = [cell]
    return [_to_number(name, vote) for vote in cell] or None


def _to_probabilities(name: str, cell: Any) -> list[float] | None:
    numbers = _to_votes(name, cell)
    if numbers is not None and (len(numbers) != len(EXPRESSIONS) or min(numbers) < 0):
        raise Misfit(f"{name} {cell!r}: expected a probability for each of {', '.join(EXPRESSIONS)}")
    return numbers


def _to_emotion_votes(name: str, cell: Any) -> list[str] | None:
    if isinstance(cell, str):
        cell = _split_votes(name, cell.strip())
    if not isinstance(cell, list):
        cell = [cell]
    return [_to_text(name, vote) for vote in cell] or None


def _to_words(name: str, cell: Any) -> list[Word] | None:
    try:
        entries = json.loads(cell) if isinstance(cell, str) else cell
        words = [Word(_to_text(name, entry["word"]), *(float(entry[key]) for key in _TIMES)) for entry in entries]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise Misfit(f"{name}: expected a list of objects with word, start_s and end_s: {error!r}") from error
    if any(not 0 <= word.start_s <= word.end_s < math.inf for word in words):
        raise Misfit(f"{name}: expected 0 <= start_s <= end_s of every word")
    return words or None


_LISTS: dict[str, Callable[[str, Any], Any]] = dict.fromkeys(_VOTES, _to_votes) | {
    "emotion_votes": _to_emotion_votes,
    "visual_probabilities": _to_probabilities,
    "words": _to_words,
}


def _split_votes(name: str, text: str) -> Any:
    if not text.startswith("["):
        return text.rstrip("; ").split(";")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Misfit(f"{name} {text!r} is neither a JSON list nor values separated by `;`") from error


def _to_text(name: str, cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():  # identifiers that went through a table with gaps
        cell = int(cell)
    if not isinstance(cell, str | int) or isinstance(cell, bool):
        raise Misfit(f"{name} {cell!r} is no text")
    text = str(cell).strip()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Misfit(f"{name} {text!r} holds a lone surrogate, which is no text") from None
    return text


def _to_path(name: str, text: str) -> str:
    path = posixpath.normpath(text.replace("\\", "/"))
    if path.startswith("/") or _DRIVE.match(path):
        raise Misfit(f"{name} {text!r} is absolute: paths are relative to the corpus root")
    if path == ".." or path.startswith("../"):
        raise Misfit(f"{name} {text!r} leaves the corpus root: set the root to a folder that holds all audio")
    if "\0" in path or path == ".":
        raise Misfit(f"{name} {text!r} is no file name")
    return path


def _to_gender(name: str, text: str) -> str | None:
    try:
        return check_gender(text)
    except ValueError as error:
        raise Misfit(str(error)) from error


def _to_side(name: str, text: str) -> str:
    if text.lower() not in _SIDES:
        raise Misfit(f"video_side {text!r}: expected left, right or nothing")
    return text.lower()


def _to_language(name: str, text: str) -> str:
    try:
        return check_language(text)
    except ValueError as error:
        raise Misfit(f"language {error}") from error


_CHECKS: dict[str, Callable[[str, str], str | None]] = dict.fromkeys(_PATHS, _to_path) | {
    "gender": _to_gender,
    "video_side": _to_side,
    "language": _to_language,
}


def _check_segment(values: dict[str, Any], first: str, last: str) -> None:
    start, end = values.get(first), values.get(last)
    if start is None and end is None:
        return
    if start is None or end is None:
        raise Misfit(f"{first} {start} and {last} {end}: give both, or neither where the file is the utterance")
    if start < 0 or end <= start:
        raise Misfit(f"{first} {start:g} and {last} {end:g}: expected 0 <= {first} < {last}")


def _check_scales(values: dict[str, Any], scales: dict[Label, tuple[float, float]]) -> None:
    for label, (low, high) in scales.items():
        found = [values.get(label), *(values.get(f"{label}_votes") or [])]
        if outside := [value for value in found if value is not None and not low <= value <= high]:
            raise Misfit(f"{label} {outside[0]:g} is outside its scale, {low:g} to {high:g}")


def _name_emotion(values: dict[str, Any], own: dict[str, str]) -> None:
    if votes := values.get("emotion_votes"):
        values["emotion_votes"] = ["/".join(_canonical(word, own) for word in vote.split("/")) for vote in votes]
    word = values.get("emotion")
    if word is not None:
        values["emotion"] = _canonical(word, own)
        values["emotion_original"] = values.get("emotion_original") or word


def _canonical(word: str, own: dict[str, str]) -> str:
    try:
        return canonical_emotion(word, own)
    except UnknownEmotion as error:
        raise unknown_emotion(error) from error


def _make_id(values: dict[str, Any]) -> str:
    stem = posixpath.splitext(values["audio_path"])[0]
    if values.get("start_s") is None:
        return stem
    return f"{stem}#{values['start_s']:.15g}-{values['end_s']:.15g}"


def _prefix(corpus: str, values: dict[str, Any]) -> dict[str, str]:
    """Identifiers made unique across corpora; those of an exported `utterances` table already are."""
    found = {name: values[name] for name in _PREFIXED if values.get(name) is not None}
    return {name: text if text.startswith(f"{corpus}/") else f"{corpus}/{text}" for name, text in found.items()}


READER = Reader(
    read=read,
    pattern="utterances.csv (option `file`), a table with the column audio_path and one line per utterance",
    example="utterances.csv",
    options=ManifestOptions,
)
