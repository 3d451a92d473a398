"""The final model of an experiment: one folder, `<models>/<experiment>/final`, that can be sent to others as it is.

`card.json` says what was chosen and how, what the cross-validation lets expect, and which models lie beside it: one
that was trained on all labels, or those of all folds, whose probabilities are averaged. It is written last and names
each of them with the hash of its card, so there is a whole final model or the one before.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from semiser.options.base import first_problem
from semiser.prediction.loaded import find_above
from semiser.publish import publishing_on_disk

FINAL, CARD = "final", "card.json"
_FILES = ("model.safetensors", CARD)  # in the order in which they are copied


Count = Annotated[int, Field(ge=0)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Member(_Document):
    """A model of the folder: `folder` below it, the SHA-256 of its card."""

    folder: str
    sha256: str = Field(pattern="[0-9a-f]{64}")


class Expected(_Document):
    """The score that the cross-validation lets expect on speech like that of the experiment.

    Attributes:
        metric: `uar` for one; label: the same for eyes.
        mean, ci95: of the cross-validation.
        chance: what guessing scores, None where that is not defined.
        tested: who was tested, in words.
        chosen_from: variants that the best was chosen from by this very score; 1: it was named beforehand.
        note: what the figure is and is not, in words.
    """

    metric: str
    label: str
    mean: float
    ci95: tuple[float | None, float | None]
    chance: float | None
    tested: str
    chosen_from: int = Field(ge=1)
    note: str


class FinalCard(_Document):
    """`card.json` of a final model.

    Attributes:
        final: the experiment's name.
        title, pipeline, variant: what was chosen.
        kind: how it was made.
        classes: in the order of the probabilities.
        labelled: utterances of each class that it was trained on.
        unlabelled: utterances that it was trained on without label.
        speakers: who gave the labelled ones; of an ensemble each model was trained without those that it tested.
        expected: its score.
        members: the models beside it.
        semiser: version that made it.
    """

    final: str
    title: str
    pipeline: str
    variant: str
    kind: Literal["refit", "ensemble"]
    classes: tuple[str, ...]
    labelled: dict[str, Count]
    unlabelled: Count
    speakers: Count
    expected: Expected
    members: tuple[Member, ...] = Field(min_length=1)
    semiser: str

    @model_validator(mode="after")
    def _check_members(self) -> "FinalCard":
        if len({member.folder for member in self.members}) < len(self.members):
            raise ValueError("members: one of them is named twice, and would count twice in their average")
        return self


def publish(folder: Path, models: Iterable[Path], **facts: Any) -> FinalCard:
    """Put models into the folder of the final model, and then its card, in the place of what was there.

    Args:
        folder: `<models>/<experiment>/final`.
        models: folders of trained models.
        facts: of the card, but for `members`.

    Returns:
        The card.

    Raises:
        FileNotFoundError: a model, or a part that it was trained on, is not there.
    """
    members, kept = [], set()
    for model in models:
        content = (model / CARD).read_bytes()
        members.append(Member(folder=model.name, sha256=hashlib.sha256(content).hexdigest()))
        _copy(model, folder / model.name)
        kept.add(Path(model.name))
        for part in _parts(json.loads(content)):
            _copy(find_above(model, part), folder / part)
            kept.add(Path(part))
    card = FinalCard(members=tuple(members), **facts)
    with publishing_on_disk(folder / CARD) as file:
        file.write(card.model_dump_json(indent=1).encode())
    _remove_others(folder, kept)
    return card


def read_final(folder: Path) -> FinalCard:
    """The card of a final model, whose members are there as it names them.

    Raises:
        ValueError: it is no such card, or a member is another than it names; the message names the file.
        FileNotFoundError: a member is missing.
    """
    file = folder / CARD
    try:
        card = FinalCard.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ValueError(
            f"{file} is no card of a final model: {first_problem(error)}; run the training again"
        ) from error
    root = folder.resolve()
    for member in card.members:
        path = folder / member.folder / CARD
        if not path.resolve().is_relative_to(root):
            raise ValueError(f"{file} names a model outside its folder ({member.folder}): take the card as it was made")
        if not path.is_file():
            raise FileNotFoundError(f"{file} names a model that is not there, {path}: copy the folder as a whole")
        if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != member.sha256:
            raise ValueError(
                f"{path} is not the card that {file} names (SHA-256 {found[:12]}, expected {member.sha256[:12]}): copy "
                "the folder as a whole, or run the training again"
            )
    return card


def is_final(folder: Path) -> bool:
    """Whether the card in a folder is that of a final model."""
    try:
        return "final" in json.loads((folder / CARD).read_bytes())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def find_final(models: Path, experiment: str) -> Path:
    """The folder of an experiment's final model.

    Args:
        models: holds the models of all experiments, `data/06_models`.
        experiment: its name.

    Raises:
        FileNotFoundError: it has none; the message says which experiments have one.
    """
    if (found := models / experiment / FINAL / CARD).is_file():
        return found.parent
    known = sorted(path.parent.parent.name for path in models.glob(f"*/{FINAL}/{CARD}"))
    raise FileNotFoundError(
        f"the experiment {experiment!r} has no final model in {models}. "
        + (f"These have one: {', '.join(known)}" if known else "No experiment has one: run a training pipeline")
    )


def locate(wanted: str | Path) -> Path:
    """What a card, a model's folder or an experiment's name stands for.

    Args:
        wanted: a path, or the name of an experiment of the project that this process works in.

    Raises:
        FileNotFoundError: there is neither such a path nor such an experiment.
    """
    path = Path(wanted)
    if path.is_file() or (path / CARD).is_file() or len(path.parts) != 1 or path.suffix == ".json":
        return path
    here = Path.cwd()
    for project in (here, *here.parents):
        if (models := project / "data" / "06_models").is_dir():
            return find_final(models, path.name)
    raise FileNotFoundError(
        f"no model at {wanted}, and no experiment can have that name here: {here} is in no project with "
        "data/06_models. Give the folder of a model, or call this inside the project"
    )


def _parts(card: dict[str, Any]) -> Sequence[str]:
    """The folders, below the pipeline's models, of what a model was trained on and needs to predict."""
    loader = import_module(f"semiser.systems.{card['system']}.predict")
    return loader.parts(card) if hasattr(loader, "parts") else ()


def _copy(source: Path, target: Path) -> None:
    for name in _FILES:
        with publishing_on_disk(target / name) as file:
            file.write((source / name).read_bytes())


def _remove_others(folder: Path, kept: set[Path]) -> None:
    """Remove the models of the final model before."""
    for card in sorted(folder.rglob(CARD)):
        own = card.parent.relative_to(folder)
        if card.parent != folder and own not in kept:
            shutil.rmtree(card.parent)
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
