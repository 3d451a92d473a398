"""Facial expression of an utterance: MobileNetV2's probabilities, pooled over the face track (CMKT, Section 3.2).

The family needs only the video, its options and the weights: it follows the face itself (`face_track`, shared within
a pass) and reads no other table. The hash of weights and card is part of its options, thus of its fingerprint.
"""

import json
import multiprocessing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pyarrow as pa

from semiser.faces.crop import resize_face
from semiser.features.face_track import (
    VIDEO_COLUMNS,
    TrackedFrame,
    checked_hash,
    face_track,
    with_model_hash,
)
from semiser.features.family import Family, Source
from semiser.options.face_features import ExpressionOptions, NetworkFamilyOptions, NetworkOptions

if TYPE_CHECKING:
    from torch import Tensor

    from semiser.faces.network import ExpressionNetwork

NetworkOptionsT = TypeVar("NetworkOptionsT", bound=NetworkFamilyOptions)

WEIGHT_FILES = ("model.safetensors", "card.json")


class NetworkFamily(Family[NetworkOptionsT]):
    """What the families of a trained face network share: hashed options, one network per process."""

    inputs = VIDEO_COLUMNS
    requires = "video_path"
    pool = "processes"
    libraries = ("av", "opencv-python-headless", "torch")

    def __init__(self, options: NetworkOptionsT):
        if options.weights is None:
            raise ValueError(
                f"features.{self.name} has no network: let train_faces.{self.name} name the images that it learns "
                f"from, or features.{self.name}.weights the folder of a trained one"
            )
        files = [Path(options.weights) / name for name in WEIGHT_FILES]
        sha256 = checked_hash(files, options.weights_sha256, f"features.{self.name}.weights")
        super().__init__(options.model_copy(update={"track": with_model_hash(options.track), "weights_sha256": sha256}))
        self.weights, self.weights_sha256 = options.weights, sha256

    def card(self) -> dict[str, Any]:
        """The card beside the weights."""
        from semiser.faces.network import read_card  # torch

        return read_card(Path(self.weights))

    def network(self) -> "tuple[ExpressionNetwork, NetworkOptions]":
        """This process's network and its options."""
        return _network(self.weights, self.weights_sha256)


@cache
def _network(folder: str, sha256: str) -> "tuple[ExpressionNetwork, NetworkOptions]":
    """Network and its options, in evaluation mode; the hash keeps retrained weights apart."""
    import torch

    from semiser.faces.network import load_expression_network, network_options

    if multiprocessing.parent_process():
        torch.set_num_threads(1)  # the shard map already fills the processors
    network, card = load_expression_network(Path(folder))
    return network, network_options(card)


def stack_faces(crops: list[np.ndarray], size: int, channels: int) -> "Tensor":
    """Crops of any size as one uint8 tensor (N, channels, size, size)."""
    import torch

    faces = np.stack([resize_face(crop, size, grey=channels == 1) for crop in crops])
    return torch.from_numpy(faces.reshape(len(crops), size, size, channels)).permute(0, 3, 1, 2).contiguous()


def pool_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Average over the frames of a track and normalise: p_v of CMKT, (N, C) -> (C,) float32 that sums to 1."""
    mean = probabilities.mean(axis=0, dtype=np.float64)
    return (mean / mean.sum()).astype(np.float32)


class Expression(NetworkFamily[ExpressionOptions]):
    """The `expression` table: probabilities of the network's classes, and the number of frames behind them.

    Frames whose square was carried over are left out: they show no face that a detector would vouch for.
    """

    name = "expression"
    version = 1

    def fields(self) -> list[pa.Field]:
        card = self.card()
        classes, learned_from = card["classes"], card.get("learned_from") or {}
        metadata = {"names": json.dumps(classes), "unit": "probability, pooled over the track"}
        metadata["learned_from"] = json.dumps(learned_from)
        return [
            pa.field("expression", pa.list_(pa.float32(), len(classes)), metadata=metadata),
            pa.field("frames_pooled", pa.int32(), metadata={"meaning": "frames in which the face was found"}),
            pa.field("frames", pa.int32(), metadata={"meaning": "sampled frames"}),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        track = face_track(source, self.options.track)
        probabilities = self.frame_probabilities([frame for frame in track if frame.found])
        yield {
            "expression": pool_probabilities(probabilities),
            "frames_pooled": len(probabilities),
            "frames": len(track),
        }

    def frame_probabilities(self, frames: list[TrackedFrame]) -> np.ndarray:
        """Probabilities per frame, (frames, classes) float32."""
        from semiser.faces.network import predict_probabilities

        network, options = self.network()
        crops = [frame.crop for frame in frames if frame.crop is not None]
        faces = stack_faces(crops, options.input_size, options.channels)
        return predict_probabilities(network, faces).numpy()
