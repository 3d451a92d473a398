"""Hyper-parameters by an Optuna study on validation data, stored in sqlite and resumable."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from semiser.options.tuning import Range, TuneOptions

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)


def validation_as_test(folds: pa.Table, first: int | None = None) -> pa.Table:
    """Folds whose test part is the validation part, and which hold nothing of the true test part.

    Args:
        folds: table of `FOLDS_SCHEMA`.
        first: only the first so many folds; None: all.

    Raises:
        ValueError: a fold has no validation part.
    """
    numbers = sorted(pc.unique(folds["fold"]).to_pylist())[:first]
    kept = folds.filter(pc.and_(pc.is_in(folds["fold"], pa.array(numbers)), pc.not_equal(folds["role"], "test")))
    validated = kept.filter(pc.equal(kept["role"], "validation"))
    if missing := sorted(set(numbers) - set(validated["fold"].to_pylist())):
        raise ValueError(
            f"fold {missing[0]} has no validation part to tune on: set folds.validation (or the protocol's split)"
        )
    role = pc.if_else(pc.equal(kept["role"], "validation"), "test", kept["role"])
    return kept.set_column(kept.schema.get_field_index("role"), "role", role)


def search(score: Callable[[dict[str, Any]], float], options: TuneOptions, storage: Path, name: str) -> dict[str, Any]:
    """Find the values of a space with the highest score; finished trials of the same study are not repeated.

    Args:
        score: of one set of values, such as the UAR on validation speakers.
        options: trials and space.
        storage: sqlite file.
        name: of the study: what its scores depend on beside the values.

    Returns:
        `best` values by name, their `score`, finished `trials`, and all `scores` in the order of the trials.

    Raises:
        ModuleNotFoundError: optuna is not installed; the message names the extra.
    """
    try:
        import optuna
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError("a study needs optuna: pip install semiser[tune], or set tune to null") from missing
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{storage.resolve()}", study_name=name, load_if_exists=True, direction="maximize"
    )
    done = len(_finished(study))
    # A sampler begins anew in every process: with the same seed it would propose the first trials again.
    study.sampler = optuna.samplers.TPESampler(seed=options.seed + done)

    def objective(trial: "optuna.Trial") -> float:
        values = {option: _suggest(trial, option, space) for option, space in options.space.items()}
        trial.set_user_attr("values", values)
        found = score(values)
        logger.info("trial %d: %.4f %s", trial.number, found, json.dumps(values))
        return found

    study.optimize(objective, n_trials=max(0, options.trials - done))
    finished = _finished(study)
    return {
        "best": study.best_trial.user_attrs["values"],
        "score": study.best_value,
        "trials": len(finished),
        "scores": [{"score": trial.value, **trial.user_attrs["values"]} for trial in finished],
    }


def _finished(study: "optuna.Study") -> "list[optuna.trial.FrozenTrial]":
    """Trials with a score; one that was killed has none and does not count."""
    import optuna

    return study.get_trials(states=[optuna.trial.TrialState.COMPLETE])


def _suggest(trial: "optuna.Trial", option: str, space: Any) -> Any:
    if isinstance(space, Range) and space.integer:
        return trial.suggest_int(option, int(space.low), int(space.high), log=space.log)
    if isinstance(space, Range):
        return trial.suggest_float(option, space.low, space.high, log=space.log)
    texts = [json.dumps(value) for value in space.choices]  # Optuna stores single values only, not lists
    return json.loads(trial.suggest_categorical(option, texts))
