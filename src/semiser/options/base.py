"""The base of every options model."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from semiser.errors import did_you_mean

_SHOWN = 60  # characters of a value in a message


class Options(BaseModel):
    """Typed options: an unknown key or a wrong type is an error that names the key; values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, values: Any) -> Any:
        known = cls.model_fields
        for name in values if isinstance(values, Mapping) else ():
            if name not in known:
                hint = did_you_mean(str(name), known) or f"; there are {', '.join(known)}"
                raise ValueError(f"there is no option {name!r}{hint}")
        return values


def names_of(kind: Any) -> BeforeValidator:
    """Names of a `Literal` as a list, or as `dnn+mmd`, which a command line takes without quotes; `all`: all of them.

    Args:
        kind: the literal type.
    """
    known = get_args(kind)

    def read(value: Any) -> Any:
        if isinstance(value, str):
            value = known if value == "all" else tuple(part.strip() for part in value.split("+"))
        for name in value if isinstance(value, list | tuple) else ():
            if name not in known:
                raise ValueError(f"there is no {name!r}{did_you_mean(str(name), known)}; there are {', '.join(known)}")
        return value

    return BeforeValidator(read)


def first_problem(error: ValidationError, group: str = "") -> str:
    """The first of the options that are wrong, and why, in a line that begins with their group."""
    problem = error.errors()[0]
    where = ".".join(map(str, [*([group] if group else []), *problem["loc"]]))
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}{_found(problem)}".removeprefix(": ")


def _found(problem: ErrorDetails) -> str:
    """What stands there, where the message of the library does not say it, and how a list is written."""
    kind, value = problem["type"], problem["input"]
    if kind in ("value_error", "missing"):  # our own messages say it; nothing stands there
        return ""
    shown = repr(value)
    hint = f"; write [{value}] for a list of one" if kind in ("tuple_type", "list_type") and _is_single(value) else ""
    return f"; found {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + ' ...'}{hint}"


def _is_single(value: Any) -> bool:
    return isinstance(value, str | int | float)
