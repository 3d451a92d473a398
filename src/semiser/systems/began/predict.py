"""Trained models of BEGAN's classifiers: chunks, or their feature maps by a frozen encoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semiser.data.samples import SampleData
from semiser.prediction.loaded import Features, Loaded, Step, Values
from semiser.systems.began import classifier as began_classifier
from semiser.systems.began.encoder import COLUMN


def parts(card: dict[str, Any]) -> tuple[str, ...]:
    """The frozen encoder's folder below the pipeline's models, where there is one."""
    frozen = card["options"]["frozen"]
    return (frozen,) if frozen else ()


def load(folder: Path) -> Loaded:
    """The classifier with its frozen encoder, which lies in a folder above.

    Raises:
        ValueError: the model gives arousal and valence, which are no classes.
        FileNotFoundError: the encoder is not there.
    """
    saved = began_classifier.load(folder)
    if saved.options.task != "emotion":
        raise ValueError(
            f"{folder}: this model gives {' and '.join(saved.outputs)}, not probabilities of classes: take a card of "
            "the emotions (a variant without task=dimensions), or semiser.systems.began.classifier.load"
        )

    def prepare(row: Mapping[str, Any], values: Values) -> Values:
        if saved.frozen is None:
            return values
        with torch.no_grad():
            return {COLUMN: saved.frozen(torch.from_numpy(values[COLUMN])).flatten(1, 2).numpy()}

    def predict(features: Features) -> np.ndarray:
        samples = features[COLUMN]
        x = torch.from_numpy(np.concatenate(samples))
        utterance = torch.arange(len(samples)).repeat_interleave(torch.tensor([len(chunks) for chunks in samples]))
        data = SampleData({COLUMN: x}, utterance, torch.full((len(samples),), -1), {}, saved.outputs)
        return began_classifier.predict(saved.network, data, torch.arange(len(samples)), saved.options).numpy()

    step = Step(prepare, {COLUMN: saved.scaler}, band_axis=0, by_speaker=saved.by_speaker)
    return Loaded(saved.outputs, (COLUMN,), (step,), predict)
