"""Whether a training can be done with the utterances that there are, known before any feature is extracted."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from semiser.options.training import TrainingOptions
from semiser.systems.system import System, Work, get_system

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)


def plan_training(system: System, parameters: Mapping[str, Any], utterances: "pa.Table") -> "pa.Table":
    """The folds as they will be where every utterance has its features.

    Args:
        system: whose training is planned.
        parameters: of the experiment.
        utterances: the table that ingest makes.

    Raises:
        ValueError: the training cannot be done: corpora, classes, speakers, sessions or splits are missing or too few,
            or the folds would leak; the message begins with the training's name.
    """
    options = system.options(**parameters[system.pipeline])
    work = Work(system, options, TrainingOptions(), models="", utterances=utterances, tables=None)
    try:
        folds = system.make_folds(work)
        speakers_unknown(folds, utterances, options)
    except ValueError as error:
        raise ValueError(f"{system.pipeline}: {error}") from error
    return folds


def speakers_unknown(folds: "pa.Table", utterances: "pa.Table", options: Any) -> dict[str, int]:
    """How many utterances have no speaker although the features are scaled by speaker, by unlabelled or acted corpus.

    Args:
        folds: of the training.
        utterances: the table that says who speaks.
        options: of the system; of whose `scaling` the strategy counts.

    Raises:
        ValueError: a labelled utterance is among them.
    """
    import numpy as np
    import pyarrow.compute as pc

    from semiser.data.scaling import JUDGED, scaling_groups

    scaling = getattr(options, "scaling", None)
    if getattr(scaling, "strategy", scaling) != "speaker":
        return {}
    place = pc.index_in(folds["utterance_id"], value_set=utterances["utterance_id"])
    speakers, corpora = (utterances[name].take(place).to_pylist() for name in ("speaker_id", "corpus"))
    judged = np.isin(np.asarray(folds["role"].to_pylist()), JUDGED)
    scaling_groups(np.asarray(speakers, dtype=object), np.asarray(corpora), judged)
    lacking = {
        (corpus, name)
        for corpus, name, speaker in zip(corpora, folds["utterance_id"].to_pylist(), speakers, strict=True)
        if speaker is None
    }
    return {name: sum(corpus == name for corpus, _ in lacking) for name in sorted({corpus for corpus, _ in lacking})}


def say_speakers_unknown(counts: Mapping[str, int]) -> None:
    """Log what becomes of utterances without speaker."""
    for corpus, count in counts.items():
        logger.info(
            "%s: %d utterances without speaker are scaled by their own mean and deviation, all together", corpus, count
        )


def refuse_impossible(
    asked: Sequence[str], configured: Sequence[str], parameters: Mapping[str, Any], utterances: "pa.Table"
) -> None:
    """Look at every training before features are extracted.

    Args:
        asked: systems that this run trains: what is wrong with them ends it.
        configured: all that the experiment configures: what is wrong with the others is a warning.
        parameters: of the experiment.
        utterances: the table that ingest made.

    Raises:
        ValueError: see `plan_training`.
    """
    for name in configured:
        try:
            plan_training(get_system(name), parameters, utterances)
        except ValueError as error:
            if name in asked:
                raise
            logger.warning("%s", error)
