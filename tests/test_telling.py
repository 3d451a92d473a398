"""What a person reads of an error, and the exit code."""

import logging
import warnings

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ValidationError

from semiser import cli
from semiser.errors import Misnamed, Unusable
from semiser.telling import DEBUG, TerminalFormatter, paragraph, telling


class Hidden(BaseModel):
    units: int
    rate: float


def _refused() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Hidden(units="many")
    return caught.value


class ParameterValidationError(Exception):
    """Of Kedro's name, with the text that it makes."""


def test_an_error_is_a_paragraph_that_fits_a_terminal_and_keeps_lines_to_paste():
    told = paragraph(Unusable("word " * 30 + "\n  emotions: {" + "x" * 90 + "}"), width=60)
    *wrapped, pasted = told.splitlines()
    assert told.startswith("error: word") and max(map(len, wrapped)) <= 60
    assert pasted == "  emotions: {" + "x" * 90 + "}"


def test_what_kedro_says_of_options_loses_what_only_a_programmer_reads():
    error = _refused()
    text = f"Parameter validation failed:\n- Parameter 'mmd': Failed to instantiate Hidden for parameter 'mmd': {error}"
    assert paragraph(ParameterValidationError(text), 200) == (
        "error: mmd.units: Input should be a valid integer, unable to parse string as an integer\n"
        "mmd.rate: Field required"
    )
    assert paragraph(error, 200).startswith("error: units: Input should be a valid integer")


def test_the_system_s_own_errors_say_which_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught:
        (tmp_path / "file").mkdir()
    told = paragraph(caught.value, 500)
    assert f"{tmp_path / 'file'}: File exists. See whether something else is in its place" in told


def test_what_nobody_foresaw_says_that_it_is_a_defect_and_where():
    with pytest.raises(KeyError) as caught:
        {}["x"]
    told = paragraph(caught.value, 500)
    assert "KeyError: 'x' in test_telling.py, line" in told and f"{DEBUG}=1" in told


@pytest.mark.parametrize(
    ("error", "code"), [(ValueError("no"), 1), (Misnamed("no"), 2), (KeyboardInterrupt(), 130), (OSError("no"), 1)]
)
def test_exit_codes(error, code, capsys, monkeypatch):
    monkeypatch.delenv(DEBUG, raising=False)
    with pytest.raises(SystemExit) as caught, telling():
        raise error
    assert caught.value.code == code
    told = capsys.readouterr().err
    assert "Traceback" not in told and len(told.strip().splitlines()) == 1
    if code == 130:
        assert "the same command goes on from here" in told


def test_a_traceback_is_shown_where_it_is_asked_for(monkeypatch, capsys):
    monkeypatch.setenv(DEBUG, "1")
    with pytest.raises(SystemExit), telling():
        raise ValueError("no")
    assert "Traceback" in capsys.readouterr().err


def _context() -> click.Context:
    return click.Context(cli.run)


def test_parameters_may_have_lists():
    found = cli.split_params(_context(), None, "train_mmmd.variants=[dnn,mmd],a.b={c: 1, d: 2},e=null")
    assert found == {"train_mmmd": {"variants": ["dnn", "mmd"]}, "a": {"b": {"c": 1, "d": 2}}, "e": None}
    found = cli.split_params(_context(), None, "a.sets=[[is10],[is10,fbank]],b={c: [1, 2]},d=1")
    assert found == {"a": {"sets": [["is10"], ["is10", "fbank"]]}, "b": {"c": [1, 2]}, "d": 1}
    with pytest.raises(click.UsageError, match=r"a bracket of 'a=\[\[x,b=1' is not closed"):
        cli.split_params(_context(), None, "a=[[x,b=1")
    with pytest.raises(click.UsageError, match="'mmd' is no parameter"):
        cli.split_params(_context(), None, "a=dnn,mmd")


def test_a_pipeline_that_is_not_there_is_a_wrong_command(monkeypatch):
    ran = []
    monkeypatch.setattr(cli.kedro_run, "callback", lambda **given: ran.append(given["pipelines"]))
    found = CliRunner().invoke(cli.cli, ["run", "--pipelines=train_mmd"])
    assert found.exit_code == 2 and "no pipeline 'train_mmd', did you mean 'train_mmmd'?" in found.output
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CliRunner().invoke(cli.cli, ["run", "--pipeline=features"]).exit_code == 0
    assert ran == [["features"]]


def test_lines_of_a_log_fit_a_terminal_and_stay_whole_in_a_file(monkeypatch):
    record = logging.LogRecord("semiser", logging.INFO, "", 0, "word " * 30, (), None)
    formatter = TerminalFormatter("12:00:00 INFO    %(message)s")
    assert len(formatter.format(record).splitlines()) == 1
    monkeypatch.setattr("sys.stderr", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setenv("COLUMNS", "60")
    first, *more = formatter.format(record).splitlines()
    assert max(map(len, [first, *more])) <= 60 and all(line.startswith(" " * 17 + "word") for line in more)
