"""Which of an experiment's trained models predicts."""

from collections.abc import Iterable, Mapping
from typing import Any


def choose_model(models: Iterable[Mapping[str, Any]], wanted: str, seed: int | None, fold: int | None) -> str:
    """The folder of a model, below that of the experiment's models.

    Args:
        models: rows with `pipeline`, `variant`, `seed`, `fold`, and `folder` below the pipeline's models.
        wanted: `<pipeline>/<variant>`.
        seed, fold: of the training; None: the first.

    Raises:
        ValueError: there is none; the message says which there are.
    """
    models = [row for row in models if "pipeline" in row]
    of_variant = [row for row in models if f"{row['pipeline']}/{row['variant']}" == wanted]
    if not of_variant:
        known = dict.fromkeys(f"{row['pipeline']}/{row['variant']}" for row in models)
        raise ValueError(
            f"predict.model is {wanted!r}, but this experiment has trained "
            f"{', '.join(known) or 'nothing yet: run one of its training pipelines'}"
        )
    for row in of_variant:
        if seed in (None, row["seed"]) and fold in (None, row["fold"]):
            return f"{row['pipeline']}/{row['folder']}"
    trained = ", ".join(f"seed {row['seed']} fold {row['fold']}" for row in of_variant)
    raise ValueError(f"{wanted} has no model of predict.seed {seed} and predict.fold {fold}: it has {trained}")
