"""Scaling of new utterances with the statistics of a model's training, or of their own speaker.

A model whose training scaled every speaker by their own statistics has never seen an unscaled voice. So has each new
speaker to bring their own statistics, of enough utterances. Where they cannot, those of the training are left:

* `speaker`: the statistics of the utterance's speaker, who has at least `min_utterances` of them;
* `input`: of all utterances without speaker together, as of one speaker, where these are enough;
* `training`: the statistics of the training part, for all others, and for every model that was not scaled by speaker.

`speaker` and `input` are transductive: an utterance's probabilities depend on the others that came with it, and where
all of them have one emotion, their mean takes a part of it away.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

import numpy as np

from semiser.data.scaling import Moments, Scaler
from semiser.prediction.features import Block

SPEAKER, INPUT, TRAINING = "speaker", "input", "training"


def choose_strategies(speakers: Iterable[str | None], by_speaker: bool, min_utterances: int) -> dict[str | None, str]:
    """Whose statistics each speaker's utterances are scaled with, see the module.

    Args:
        speakers: one per utterance that has all features, None where unknown.
        by_speaker: whether the model was trained on speakers scaled by their own statistics.
        min_utterances: a speaker with fewer cannot bring statistics.
    """
    return {
        speaker: TRAINING if not by_speaker or count < min_utterances else INPUT if speaker is None else SPEAKER
        for speaker, count in Counter(speakers).items()
    }


def scale_bands(values: np.ndarray, scaler: Scaler, band_axis: int) -> np.ndarray:
    """Rows (rows, ...) scaled by the statistics of the entries of one axis of a row."""
    axis = _of_all(band_axis)
    return np.moveaxis(scaler.apply(np.moveaxis(values, axis, -1)), -1, axis)


def _of_all(band_axis: int) -> int:
    """An axis of a row as an axis of all rows."""
    return band_axis if band_axis < 0 else band_axis + 1


def own_statistics(
    blocks: Iterable[Block], columns: Collection[str], band_axis: int = -1, least_std: float = 0.0
) -> dict[str | None, dict[str, Scaler]]:
    """Statistics of each speaker's features, by column; None stands for all utterances without a speaker.

    Args:
        blocks: of features.
        columns: whose statistics are wanted.
        band_axis: see `Step`.
        least_std: what a smaller deviation is raised to.
    """
    moments: dict[str | None, dict[str, Moments]] = defaultdict(lambda: defaultdict(Moments))
    for block in blocks:
        for column in columns:
            for row, values in zip(block.rows, block.features[column], strict=True):
                bands_last = np.moveaxis(values, _of_all(band_axis), -1)
                moments[row["speaker_id"]][column].add(bands_last.reshape(-1, bands_last.shape[-1]))
    return {
        speaker: {column: _at_least(found.scaler(), least_std) for column, found in by_column.items()}
        for speaker, by_column in moments.items()
    }


def _at_least(scaler: Scaler, least_std: float) -> Scaler:
    return Scaler(scaler.mean, np.maximum(scaler.std, least_std))
