"""Trained models of MSSGAN and its variants: the critic on the middle of an utterance's audio, faces, or both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semiser.data.samples import SampleData
from semiser.data.scaling import Scaler
from semiser.prediction.loaded import Features, Loaded, Step, Values
from semiser.systems.mssgan import fit as mssgan
from semiser.systems.mssgan.crops import FACES, TIMES, averaged, crop_audio, crop_faces
from semiser.systems.mssgan.options import MssganOptions


def load(card: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Loaded:
    """The critic; an utterance without video has no faces and, by a model that needs them, no prediction."""
    critic, _ = mssgan.load_mssgan(folder)
    options, columns, classes = MssganOptions(**card["options"]), tuple(card["shapes"]), tuple(card["classes"])
    scaling = {
        name: Scaler(*(tensors[f"scaling.{name}.{part}"].numpy() for part in ("mean", "std")))
        for name in columns
        if f"scaling.{name}.mean" in tensors
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
    return Loaded(classes, read, (Step(prepare, scaling, by_speaker=card["scaling"] == "speaker"),), predict)
