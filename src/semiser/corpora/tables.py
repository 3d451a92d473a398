"""Tables that come with corpora: CSV files read line by line, their cells, and a row or a reason for each line."""

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from semiser.corpora.files import Misfit, Row
from semiser.corpora.text import find_encoding, iter_lines
from semiser.corpora.utterance import Rejected

Line = tuple[int, dict[str, str]]
Cells = TypeVar("Cells")


def read_lines(
    path: Path, needed: set[str], *encodings: str, delimiter: str = ",", columns: Sequence[str] = ()
) -> Iterator[Line]:
    """Cells of a CSV file by column, stripped, with the number of the line that they end on; the file is not held.

    A cell that is not there is empty, empty lines are passed over, cells beyond the header are dropped.

    Args:
        path: the file.
        needed: columns that must be there.
        encodings: encodings to try after UTF-8.
        delimiter: what separates the cells.
        columns: in their order, for a file that may come without a header line: where its first line names none of the
            needed columns and has as many cells, it is a line like the others.

    Raises:
        UndecodableText: the file is in none of the encodings, or a line is too long to be one.
        ValueError: a needed column is missing, or the file breaks the rules of CSV; the message names the file.
    """
    with path.open(encoding=find_encoding(path, *encodings), newline="") as file:
        lines = csv.DictReader(iter_lines(file, path), delimiter=delimiter, restval="")
        try:
            header = [name.strip() for name in lines.fieldnames or ()]
            if columns and len(header) == len(columns) and not needed & set(header):
                first = dict(zip(columns, header, strict=True))
                header = list(columns)
                yield lines.line_num, first
            if missing := needed - set(header):
                found = ", ".join(header) or "nothing"
                raise ValueError(f"{path.name} lacks the columns {', '.join(sorted(missing))}; found {found}")
            lines.fieldnames = header
            for cells in lines:
                yield lines.line_num, {name: cell.strip() for name, cell in cells.items() if name is not None}
        except csv.Error as error:
            raise ValueError(f"{path.name}, near line {lines.line_num}: {error}; check the quotes there") from error


def describe_lines(
    corpus: str, name: str, lines: Iterable[tuple[int, Cells | Misfit]], describe: Callable[[Cells], Row | None]
) -> Iterator[Row | Rejected]:
    """One row per line.

    Args:
        corpus: the corpus's name, for the rejected.
        name: the table's name; a line is rejected under `<name>:<line>`.
        lines: numbers of lines, as `read_lines` yields them, with what stands there or why that cannot be read.
        describe: makes the row of a line; returns None to pass over it and raises `Misfit` to reject it.
    """
    for number, cells in lines:
        try:
            if isinstance(cells, Misfit):
                raise cells
            row = describe(cells)
        except Misfit as misfit:
            yield Rejected(corpus, f"{name}:{number}", str(misfit), word=misfit.word)
        else:
            if row is not None:
                yield row


def to_number(name: str, cell: str) -> float | None:
    """The number in a cell, None for an empty one or `nan`.

    Raises:
        Misfit: the cell holds something else, or infinity.
    """
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        number = math.inf
    if math.isinf(number):
        raise Misfit(f"{name} {cell!r} is no number")
    return None if math.isnan(number) else number


def parse_object(text: str) -> dict[str, Any] | Misfit:
    """The JSON object in a line, or why there is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Misfit(f"not JSON: {error}")
    return record if isinstance(record, dict) else Misfit(f"expected a JSON object, found {type(record).__name__}")
