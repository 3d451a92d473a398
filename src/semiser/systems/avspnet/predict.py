"""Trained models of AV-SpNET: a frozen front end, the recognition network on its embeddings, and the segments' vote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semiser.data.scaling import Scaler
from semiser.prediction.loaded import Features, Loaded, Step, Values
from semiser.systems.avspnet.front_end import COLUMN, LEAST_STD, Statistics
from semiser.systems.avspnet.recognition import load_avspnet, majority_vote


def load(card: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Loaded:
    """The network with its front end; segments are scaled by bin and, where training did so, embeddings by value.

    Raises:
        ValueError: the front end was trained anew since.
        FileNotFoundError: the front end is gone.
    """
    recogniser = load_avspnet(folder)
    front_end, background = recogniser.front_end, recogniser.front_end.statistics
    by_bin = Scaler(*(values[0].numpy().astype(np.float64) for values in (background.mean, background.std)))
    as_they_are = Statistics(torch.zeros_like(background.mean), torch.ones_like(background.std))
    embeddings = {}
    if recogniser.scaling:
        embeddings[COLUMN] = Scaler(*(recogniser.scaling[name].numpy() for name in ("mean", "std")))

    def embed(row: Mapping[str, Any], values: Values) -> Values:
        return {COLUMN: front_end(values[COLUMN], recogniser.layer, as_they_are).numpy()}

    @torch.no_grad()
    def predict(features: Features) -> np.ndarray:
        samples = features[COLUMN]
        probabilities = recogniser.network(torch.from_numpy(np.concatenate(samples))).float().softmax(1)
        utterance = torch.arange(len(samples)).repeat_interleave(torch.tensor([len(values) for values in samples]))
        return majority_vote(probabilities, utterance, len(samples)).numpy()

    own_bins = front_end.card["options"]["pretraining"]["scaling"] == "speaker"
    steps = (
        Step(scaling={COLUMN: by_bin}, band_axis=0, by_speaker=own_bins, least_std=LEAST_STD),
        Step(embed, embeddings, by_speaker=card["scaling"] == "speaker"),
    )
    return Loaded(recogniser.classes, (COLUMN,), steps, predict)
