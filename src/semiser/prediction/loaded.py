"""What a trained model is to prediction, and who builds it from its card.

A system takes part by a module `semiser.systems.<name>.predict` with a function

    load(card: dict, tensors: dict[str, Tensor], folder: Path) -> Loaded

of what the system gave to `TrainingRun.save_model`, `card["system"]` being the name, and of the folder where both lie.
A system whose models need what they were trained on, such as a frozen encoder, has `parts(card)` beside it: the folders
below the pipeline's models.
All else (finding the input, features with the options of training, scaling, batches, refusals) is the same for every
system: see `model`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np

from semiser.data.scaling import Scaler

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
    try:
        card = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is no model card: {error}") from error
    if not isinstance(card, dict) or "system" not in card:
        raise ValueError(f"{file} is no model card: it names no system")
    if card["system"] not in (known := predicting_systems()):
        raise ValueError(f"{file}: models of {card['system']!r} do not predict; those of {', '.join(known)} do")
    if "classes" not in card:
        raise ValueError(
            f"{file} is of a part that models are trained on ({card.get('network', 'no network')}) and recognises "
            "nothing by itself: take the card of a trained fold, <variant>/seed-S/fold-FF"
        )
    if not card.get("families") or not all(card["families"].values()):
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
    """
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
    """
    from safetensors.torch import load_file

    from semiser.hold import hold_process

    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"no {weights.name} beside the card in {folder}: both are needed, copy them together")
    loader = import_module(f"semiser.systems.{card['system']}.predict")
    with hold_process():  # making a network draws weights, though they are not kept
        return loader.load(card, load_file(weights), folder)
