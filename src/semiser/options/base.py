"""The base of every options model."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Options(BaseModel):
    """Typed options: an unknown key or a wrong type is an error that names the key; values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def first_problem(error: ValidationError) -> str:
    """The first of the options that are wrong, and why, in a line."""
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
