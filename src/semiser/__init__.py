"""semiser: semi-supervised speech emotion recognition, from raw corpora to published tables."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from semiser.prediction.model import Model

__version__ = "0.1.0"


def load(card: "str | Path") -> "Model":
    """A trained model, whose `predict(path)` gives a table of probabilities.

    Args:
        card: the name of an experiment, whose final model it is; or `card.json` of any model below data/06_models, or
            the folder that it lies in.

    Raises:
        FileNotFoundError: there is no such experiment, no card, or no weights beside it.
        ValueError: not a card of a model that can predict.
    """
    from semiser.prediction.model import Model

    return Model(card)
