"""Options of a search for hyper-parameters: how many trials, and the space."""

from typing import Self

from pydantic import Field, model_validator

from semiser.options.base import Options


class Choices(Options):
    """One of several values; a list is a value like another.

    Attributes:
        choices: the values.
    """

    choices: list[bool | int | float | str | list[int] | None] = Field(min_length=1)


class Range(Options):
    """A number from `low` to `high`, both included.

    Attributes:
        low, high: bounds.
        log: drawn evenly on a logarithmic scale.
        integer: whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.low > self.high or (self.log and self.low <= 0):
            raise ValueError(f"a range needs low <= high, and low > 0 where log is true, not {self.low} to {self.high}")
        return self


class TuneOptions(Options):
    """An Optuna study on validation data.

    Attributes:
        trials: finished trials in all: a study that was stopped goes on until it has so many.
        folds: only the first so many folds are tried; None: all.
        seed: of the sampler.
        space: name of an option to what it may be.
    """

    trials: int = Field(default=20, ge=1)
    folds: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    space: dict[str, Choices | Range] = Field(min_length=1)
