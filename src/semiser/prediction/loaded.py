"""What a trained model is to prediction, and who builds it from its card.

A system takes part by a module `semiser.systems.<name>.predict` with a function

    load(folder: Path) -> Loaded

of the folder where weights and card lie that the system gave to `TrainingRun.save_model`, `card["system"]` being the
name. It reads them by `semiser.training.saved.read_saved`, which checks them against each other. A system whose models
need what they were trained on, such as a frozen encoder, has `parts(card)` beside it: the folders below the pipeline's
models.
All else (finding the input, features with the options of training, scaling, batches, refusals) is the same for every
system: see `model`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np
from pydantic import ValidationError

from semiser.card import MadeBy
from semiser.data.scaling import Scaler
from semiser.options.base import first_problem

# Feature column to one array per utterance: (rows, D) of vectors, (rows, *shape) of matrices, rows being the number of
# segments or chunks and 1 for a family with one row; (T, width) of a series of T frames; (rows,) or (T,) of numbers.
Features = Mapping[str, Sequence[np.ndarray]]


Values = Mapping[str, np.ndarray]  # column to the array of one utterance


def as_it_is(row: Mapping[str, Any], values: Values) -> Values:
    """The default of `Step.prepare`."""
    return values


@dataclass(frozen=True)
class Step:
    """What training did to the features before the network saw them, or one part of it: prepare, then scale.

    Attributes:
        prepare: `(row of utterances, values of one utterance) -> values`: cropping, making series one length, the
            embedding by a frozen network. It may drop and rename columns.
        scaling: column to the training statistics, of the entries of one axis; a column without is taken as it is.
        band_axis: that axis of a row, as in `SampleFeatures`: -1 for vectors and for frames x bands.
        by_speaker: whether training scaled every speaker by their own statistics.
        least_std: what a smaller deviation of a speaker was raised to in training.
    """

    prepare: Callable[[Mapping[str, Any], Values], Values] = as_it_is
    scaling: Mapping[str, Scaler] = field(default_factory=dict)
    band_axis: int = -1
    by_speaker: bool = False
    least_std: float = 0.0


@dataclass(frozen=True)
class Loaded:
    """A trained model.

    Attributes:
        classes: C class names in the order of the probabilities.
        columns: the feature columns that are read, those of `card["families"]` or some of them.
        steps: what is done to them, one after the other.
        predict: features of N utterances after the last step -> probabilities, float of shape (N, C).
    """

    classes: tuple[str, ...]
    columns: tuple[str, ...]
    steps: tuple[Step, ...]
    predict: Callable[[Features], np.ndarray]

    @property
    def by_speaker(self) -> bool:
        """Whether training scaled speakers by their own statistics, in any step."""
        return any(step.by_speaker for step in self.steps)


def predicting_systems() -> list[str]:
    """The systems whose folder has a loader, sorted."""
    import semiser.systems

    folders = [found.name for found in iter_modules(semiser.systems.__path__) if found.ispkg]
    return sorted(name for name in folders if find_spec(f"semiser.systems.{name}.predict"))


def read_card(path: str | Path) -> tuple[dict[str, Any], Path]:
    """A model's card, and the folder that it lies in.

    Args:
        path: `card.json`, or its folder.

    Raises:
        FileNotFoundError: there is no card.
        ValueError: not a card, of a system that cannot predict, or without the features' provenance.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    file = folder / "card.json" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"no model card at {file}: {_instead(folder)}")
    from semiser.training.saved import read_facts  # torch

    card = read_facts(file)
    if not isinstance(card.get("system"), str):
        raise ValueError(f"{file} is no model card: it names no system")
    if card["system"] not in (known := predicting_systems()):
        raise ValueError(f"{file}: models of {card['system']!r} do not predict; those of {', '.join(known)} do")
    if "classes" not in card:
        raise ValueError(
            f"{file} is of a part that models are trained on ({card.get('network', 'no network')}) and recognises "
            "nothing by itself: take the card of a trained fold, <variant>/seed-S/fold-FF"
        )
    families = card.get("families")
    if not families or not isinstance(families, dict) or not all(families.values()):
        raise ValueError(
            f"{file} does not say how its features were made (an older semiser wrote it): train again with "
            "`--params training.reuse=false`"
        )
    return card, folder


def _instead(folder: Path) -> str:
    if "svm" in folder.parts:
        return "an older semiser saved no model of the SVM; train again with `--params training.reuse=false`"
    return "give the card.json of a trained model, below data/06_models/<experiment>/<pipeline>/<variant>"


def find_above(folder: Path, part: str) -> Path:
    """Folder of a part that a model was trained on, such as a frozen encoder.

    Args:
        folder: the model's.
        part: where the part lies below the models' folder, which is one of those above the model.

    Raises:
        FileNotFoundError: it is in none of them.
        ValueError: the part is no path inside them.
    """
    if Path(part).is_absolute() or ".." in Path(part).parts:
        raise ValueError(f"{folder}: {part!r} is no path inside the folder of models")
    for above in folder.resolve().parents:
        if (above / part / "card.json").is_file():
            return above / part
    raise FileNotFoundError(
        f"{folder}: {part}, which the model was trained on, is in no folder above it: copy it together with the model, "
        "or train the model again"
    )


def load_network(card: dict[str, Any], folder: Path) -> Loaded:
    """The model of a card, by its system's loader.

    Raises:
        FileNotFoundError: the weights are not beside the card.
        ValueError: card and weights are not sound, or its features are not those that the card says how to make.
    """
    found = import_module(f"semiser.systems.{card['system']}.predict").load(folder)
    for column in found.columns:
        try:
            MadeBy.model_validate(card["families"].get(column))
        except ValidationError as error:
            said = first_problem(error)
            raise ValueError(f"{folder / 'card.json'} does not say how {column} was made: {said}") from error
    return found
