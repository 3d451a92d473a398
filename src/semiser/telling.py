"""Errors as a person reads them: a paragraph that says what is wrong and what to do, and an exit code.

0: done. 1: failed. 2: the command does not mean anything, such as an env that is not there. 130: interrupted.
`SEMISER_DEBUG=1` shows where in the code an error was raised.
"""

import logging
import os
import re
import shutil
import sys
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import click

from semiser.errors import Misnamed

DEBUG = "SEMISER_DEBUG"
FAILED, MISNAMED, INTERRUPTED = 1, 2, 130
# What a user's data or options lead to, and their message says it; anything else is a defect of the code.
_EXPECTED = (ValueError, OSError, ImportError, RuntimeError, MemoryError)
_GROUP = re.compile(r"^- Parameter '(?P<group>[^']*)': (?:Failed to instantiate \w+ for parameter '[^']*': )?")
_DETAILS = re.compile(r" \[type=\w+, input_value=.*, input_type=\w+\]$")


@contextmanager
def telling() -> Iterator[None]:
    """Tell an error, and end with its exit code; what click knows how to tell, it tells."""
    try:
        yield
    except KeyboardInterrupt:
        click.secho("\ninterrupted: the same command goes on from here", fg="yellow", err=True)
        raise SystemExit(INTERRUPTED) from None
    except (click.ClickException, BrokenPipeError):  # click knows what to do about both
        raise
    except Exception as error:
        raise SystemExit(tell(error)) from None


def install() -> None:
    """Tell errors wherever they end a process, and wrap the lines of the log where they are read on a terminal."""
    for handler in logging.getLogger().handlers:
        plain = handler.formatter
        if type(plain) is logging.Formatter and sys.stderr.isatty():  # Kedro takes no class of ours in logging.yml
            handler.setFormatter(TerminalFormatter(plain._fmt, plain.datefmt))
    if not os.environ.get(DEBUG):
        sys.excepthook = _hook


class TerminalFormatter(logging.Formatter):
    """Wraps the lines of a log where they are read on a terminal; in a file a line stays a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        text = super().format(record)
        if record.exc_info or not sys.stderr.isatty():
            return text
        width = max(40, shutil.get_terminal_size().columns)
        indent = " " * 17  # the message's column
        return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, Exception):
        tell(error)
    else:
        sys.__excepthook__(kind, error, trace)


def tell(error: Exception) -> int:
    """Write what is wrong to standard error; gives the exit code."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    else:
        click.secho(paragraph(error), fg="red" if sys.stderr.isatty() else None, err=True)
    return MISNAMED if isinstance(error, Misnamed) else FAILED


def paragraph(error: Exception, width: int | None = None) -> str:
    """What is wrong and what to do, in lines that fit a terminal; in files, and indented, they stay as they are."""
    if width is None:
        width = shutil.get_terminal_size().columns if sys.stderr.isatty() else sys.maxsize
    lines = f"error: {_message(error)}".splitlines()
    fill = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(line if line.startswith("  ") else fill.fill(line) for line in lines)


def _message(error: BaseException) -> str:
    name = type(error).__name__
    if name == "ParameterValidationError":
        return _of_parameters(str(error))
    if name == "ValidationError":
        return _of_parameters("- Parameter '': " + str(error))
    if name == "DatasetError" and error.__cause__ is not None:
        if str(error.__cause__) in str(error):
            return str(error)
        return f"{str(error).splitlines()[0].rstrip('.:')}: {_message(error.__cause__)}"
    if isinstance(error, OSError) and error.strerror and error.filename:
        return (
            f"{error.filename}: {error.strerror}. See whether something else is in its place, whether it may be "
            "written and whether the disk is full; conf/base/globals.yml says where data lie"
        )
    if type(error).__module__.startswith("kedro.") or isinstance(error, _EXPECTED):
        return str(error) or name
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" in {os.path.basename(where[0].filename)}, line {where[0].lineno}" if where else ""
    return (
        f"{name}: {error}{place}. This looks like a defect of semiser, not like a mistake of yours: please report it "
        f"with the traceback, which {DEBUG}=1 shows"
    )


def _of_parameters(text: str) -> str:
    """What Kedro says about options that a model refuses: a line per option, without what only a programmer reads."""
    told, group, option = [], "", ""
    for line in text.splitlines():
        if found := _GROUP.match(line):
            group, option = found["group"], ""
            line = line[found.end() :]
        if line.startswith("    ") or re.match(r"\d+ validation errors? for ", line) or not line.strip():
            continue
        if not line.startswith("  ") and re.fullmatch(r"[\w.]+", line):
            option = line
            continue
        if line == "Parameter validation failed:":
            continue
        where = ".".join(part for part in (group, option) if part)
        message = _DETAILS.sub("", line.strip()).removeprefix("Value error, ")
        told.append(f"{where}: {message}" if where else message)
    return "\n".join(dict.fromkeys(told)) or text
