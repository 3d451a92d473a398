"""Tables that come with corpora."""

from pathlib import Path

import pytest

from semiser.corpora.files import Misfit
from semiser.corpora.tables import describe_lines, read_lines, to_number
from semiser.corpora.utterance import Rejected


def test_lines_are_numbered_stripped_and_filled_up(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_bytes('\ufeffa , b\n1 ,é\n\n"x\ny",2,beyond\n3\n'.encode())
    assert list(read_lines(path, {"a", "b"})) == [
        (2, {"a": "1", "b": "é"}),
        (5, {"a": "x\ny", "b": "2"}),
        (6, {"a": "3", "b": ""}),
    ]


def test_missing_columns_and_broken_csv_are_named(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("")
    with pytest.raises(ValueError, match=r"t\.csv lacks the columns a; found nothing"):
        list(read_lines(path, {"a"}))
    path.write_text("a\n" + "x" * 200_000)
    with pytest.raises(ValueError, match=r"t\.csv, near line 1: field larger than field limit"):
        list(read_lines(path, {"a"}))
    path.write_text("x" * 200_000)
    with pytest.raises(ValueError, match=r"t\.csv, near line 0: field larger than field limit"):
        list(read_lines(path, {"a"}))


def test_a_row_a_reason_or_nothing_per_line():
    def describe(cells: dict[str, str]) -> str | None:
        if cells["a"] == "bad":
            raise Misfit("no good")
        return cells["a"] or None

    lines = iter([(2, {"a": "x"}), (3, {"a": ""}), (4, {"a": "bad"})])
    assert list(describe_lines("c", "t.csv", lines, describe)) == ["x", Rejected("c", "t.csv:4", "no good")]


def test_numbers():
    assert [to_number("n", cell) for cell in ("", "nan", "-1.5", "2")] == [None, None, -1.5, 2.0]
    for cell in ("inf", "two"):
        with pytest.raises(Misfit, match=f"n '{cell}' is no number"):
            to_number("n", cell)
