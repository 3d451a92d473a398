"""Trained models of MSSGAN and its variants: the critic on the middle of an utterance's audio, faces, or both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semiser.data.samples import SampleData
from semiser.data.scaling import Scaler
from semiser.prediction.loaded import Features, Loaded, Step, Values
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.mssgan.crops import TIMES, averaged, crop_audio, crop_faces
from semiser.systems.mssgan.options import FACES


def load(folder: Path) -> Loaded:
    """The critic; an utterance without video has no faces and, by a model that needs them, no prediction."""
    critic, saved = mssgan.load_mssgan(folder)
    options, columns, classes = saved.card.options, tuple(saved.card.shapes), saved.card.classes
    scaling = {
        name: Scaler(*(values.numpy() for values in saved.statistics(shape[-1:], f"scaling.{name}")))
        for name, shape in saved.card.shapes.items()
        if saved.has_statistics(f"scaling.{name}")
    }

    def prepare(row: Mapping[str, Any], values: Values) -> Values:
        crops, kept = {}, options.crop.kept_frames
        for name in columns:
            x = values[name]
            crop = crop_faces(x, values[TIMES], row, kept) if name == FACES else crop_audio(x, kept)
            crops[name] = averaged(name, crop[None], options.crop)
        return crops

    def predict(features: Features) -> np.ndarray:
        x = {name: torch.from_numpy(np.concatenate(features[name])) for name in columns}
        rows, nothing = torch.arange(len(features[columns[0]])), torch.empty(0, dtype=torch.long)
        data = SampleData(x, rows, torch.full_like(rows, -1), {}, classes)
        return mssgan.predict(critic, mssgan.Context(data, options, rows, nothing, None), rows).numpy()

    read = (*columns, TIMES) if FACES in columns else columns
    return Loaded(classes, read, (Step(prepare, scaling, by_speaker=saved.card.scaling == "speaker"),), predict)
