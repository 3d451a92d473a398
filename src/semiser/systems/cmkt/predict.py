"""Trained models of CMKT: a transformer on pooled frames."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semiser.data.frames import FRAMES, pool_frames
from semiser.data.scaling import Scaler
from semiser.features.spectra import fit_frames
from semiser.prediction.loaded import Features, Loaded, Step, Values
from semiser.systems.cmkt import fit as cmkt

_BATCH = 64


def load(folder: Path) -> Loaded:
    """The network, on frames without their padding; a batch is padded to its own longest utterance."""
    network, saved = cmkt.load_network(folder)
    fed, column = saved.card.input, saved.card.input.column

    def prepare(row: Mapping[str, Any], values: Values) -> Values:
        x = values[column][0] if values[column].ndim == 3 else values[column]  # of one size, or a series
        audio = torch.from_numpy(x[: fed.longest_frames][-int(values[FRAMES][0]) :])
        return {column: pool_frames(audio[None], torch.tensor([len(audio)]), fed.pool_frames)[0].numpy()}

    @torch.no_grad()
    def predict(features: Features) -> np.ndarray:
        series, found = features[column], []
        for first in range(0, len(series), _BATCH):
            batch = series[first : first + _BATCH]
            frames = [len(x) for x in batch]
            x = torch.from_numpy(np.stack([fit_frames(x, max(frames)) for x in batch]))
            found.append(torch.softmax(network(x, torch.tensor(frames)).float(), -1).numpy())
        return np.concatenate(found)

    scaling, by_speaker = {}, fed.scaling == "speaker"
    if by_speaker:
        scaling[column] = Scaler(*(values.numpy() for values in saved.statistics((fed.width,))))
    return Loaded(saved.card.classes, (column, FRAMES), (Step(prepare, scaling, by_speaker=by_speaker),), predict)
