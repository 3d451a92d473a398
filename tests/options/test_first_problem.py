"""What is said of an option that is wrong: which, what was expected, what stands there, what to write."""

import pytest
from pydantic import ValidationError

from semiser.options.base import Options, first_problem


class _Training(Options):
    epochs: int = 1
    modalities: tuple[str, ...] = ("is10",)
    root: str


@pytest.mark.parametrize(
    "given, said",
    [
        (
            {"root": "a", "modalities": "egemaps"},
            "train.modalities: Input should be a valid tuple; found 'egemaps'; write [egemaps] for a list of one",
        ),
        (
            {"root": "a", "epochs": "many"},
            "train.epochs: Input should be a valid integer, unable to parse string as an integer; found 'many'",
        ),
        (
            {"root": ["a"] * 40},
            "train.root: Input should be a valid string; found " + repr(["a"] * 40)[:60] + " ...",
        ),
        ({"modalities": ["is10"]}, "train.root: Field required"),
        ({"root": "a", "epoch": 3}, "train: there is no option 'epoch', did you mean 'epochs'?"),
    ],
)
def test_a_wrong_option_is_told_with_what_was_found(given, said):
    with pytest.raises(ValidationError) as told:
        _Training(**given)
    assert first_problem(told.value, "train") == said
