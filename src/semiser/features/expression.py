"""Facial expression of an utterance: MobileNetV2's probabilities, pooled over the face track (CMKT, Section 3.2).

An expression network of the user's in an ONNX file may stand in MobileNetV2's place (`onnx_faces`).

The family needs only the video, its options and the weights: it follows the face itself (`face_track`, shared within
a pass) and reads no other table. The hash of weights and card is part of its options, thus of its fingerprint.
"""

import json
import multiprocessing
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from semiser.faces.crop import resize_face
from semiser.features.encoder import computing, model_device
from semiser.features.face_track import VIDEO_COLUMNS, TrackedFrame, checked_hash, face_track, with_model_hash
from semiser.features.family import BatchedFamily, Source
from semiser.features.onnx_faces import OPTION, OnnxFaces, our_classes
from semiser.features.onnx_network import with_hash
from semiser.options.face_features import ExpressionOptions, NetworkFamilyOptions, NetworkOptions
from semiser.options.onnx import FaceOnnxOptions

if TYPE_CHECKING:
    from semiser.faces.network import ExpressionNetwork

NetworkOptionsT = TypeVar("NetworkOptionsT", bound=NetworkFamilyOptions)

WEIGHT_FILES = ("model.safetensors", "card.json")


class Track(NamedTuple):
    """The faces of an utterance that a network is to see.

    Attributes:
        faces: uint8, as the network takes them, along the first axis.
        times_s: of each, seconds from the utterance's start.
        frames: sampled frames, with and without a face.
    """

    faces: np.ndarray
    times_s: list[float]
    frames: int


class NetworkFamily(BatchedFamily[NetworkOptionsT, Track]):
    """What the families of a face network share: hashed options, one network per process, faces of several tracks."""

    inputs = VIDEO_COLUMNS
    requires = "video_path"
    pool = "processes"
    libraries = ("av", "opencv-python-headless", "torch")

    def __init__(self, options: NetworkOptionsT):
        super().__init__(self._hashed(options))

    def _hashed(self, options: NetworkOptionsT) -> NetworkOptionsT:
        """The options with the hashes of the files that they name.

        Raises:
            FileNotFoundError, ValueError: a file is missing or another one than the options say.
        """
        if options.weights is None:
            raise ValueError(
                f"features.{self.name} has no network: let train_faces.{self.name} name the images that it learns "
                f"from, or features.{self.name}.weights the folder of a trained one"
            )
        files = [Path(options.weights) / name for name in WEIGHT_FILES]
        sha256 = checked_hash(files, options.weights_sha256, f"features.{self.name}.weights")
        return options.model_copy(update={"track": with_model_hash(options.track), "weights_sha256": sha256})

    @property
    def budget(self) -> float:
        return self.options.batch

    def size(self, prepared: Track) -> float:
        return len(prepared.faces)

    def prepare(self, source: Source) -> Track:
        track = face_track(source, self.options.track)
        kept = [frame for frame in track if self.sees(frame)]
        crops = [frame.crop for frame in kept if frame.crop is not None]
        return Track(self.faces(crops), [round(frame.time_s, 6) for frame in kept], len(track))

    def compute(self, batch: Sequence[Track]) -> Iterator[dict[str, Any]]:
        values = self.values(np.concatenate([track.faces for track in batch]))
        ends = np.cumsum([len(track.faces) for track in batch])
        for track, end in zip(batch, ends, strict=True):
            yield self.row(track, values[end - len(track.faces) : end])

    @abstractmethod
    def sees(self, frame: TrackedFrame) -> bool:
        """Whether the network is to see a frame."""

    @abstractmethod
    def values(self, faces: np.ndarray) -> np.ndarray:
        """What the network gives for faces as of `faces`, along the first axis."""

    @abstractmethod
    def row(self, track: Track, values: np.ndarray) -> dict[str, Any]:
        """The row of an utterance with the values of its faces."""

    def faces(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Square RGB crops of any size as uint8 (N, channels, size, size) of the network."""
        _, options = self.network()
        return stack_faces(crops, options.input_size, options.channels)

    def card(self) -> dict[str, Any]:
        """The card beside the weights."""
        from semiser.faces.network import read_card  # torch

        return read_card(Path(str(self.options.weights)))

    def network(self) -> "tuple[ExpressionNetwork, NetworkOptions]":
        """This process's network and its options."""
        options = self.options
        assert options.weights and options.weights_sha256, "hashed in the constructor"
        return _network(options.weights, options.weights_sha256, options.device, f"features.{self.name}.device")


@cache
def _network(folder: str, sha256: str, device: str, option: str) -> "tuple[ExpressionNetwork, NetworkOptions]":
    """Network on its device and its options, in evaluation mode; the hash keeps retrained weights apart."""
    import torch

    from semiser.faces.network import load_expression_network, network_options

    if multiprocessing.parent_process():
        torch.set_num_threads(1)  # the shard map already fills the processors
    network, card = load_expression_network(Path(folder))
    return network.to(model_device(device, option)), network_options(card)


def stack_faces(crops: Sequence[np.ndarray], size: int, channels: int) -> np.ndarray:
    """Crops of any size side by side, uint8 (N, channels, size, size)."""
    faces = np.stack([resize_face(crop, size, grey=channels == 1) for crop in crops])
    return np.ascontiguousarray(faces.reshape(len(crops), size, size, channels).transpose(0, 3, 1, 2))


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

    def __init__(self, options: ExpressionOptions):
        super().__init__(options)
        if options.onnx:
            self.libraries = ("av", "opencv-python-headless", "onnxruntime")

    def _hashed(self, options: ExpressionOptions) -> ExpressionOptions:
        if options.onnx is None:
            return super()._hashed(options)
        our_classes(options.onnx)
        hashed = with_hash(options.onnx, OPTION)
        return options.model_copy(update={"track": with_model_hash(options.track), "onnx": hashed})

    def fields(self) -> list[pa.Field]:
        if onnx := self.options.onnx:
            classes, learned_from = list(our_classes(onnx)), {"onnx": onnx.model.name, "sha256": onnx.model_sha256}
        else:
            card = self.card()
            classes, learned_from = card["classes"], card.get("learned_from") or {}
        metadata = {"names": json.dumps(classes), "unit": "probability, pooled over the track"}
        metadata["learned_from"] = json.dumps(learned_from)
        return [
            pa.field("expression", pa.list_(pa.float32(), len(classes)), metadata=metadata),
            pa.field("frames_pooled", pa.int32(), metadata={"meaning": "frames in which the face was found"}),
            pa.field("frames", pa.int32(), metadata={"meaning": "sampled frames"}),
        ]

    def sees(self, frame: TrackedFrame) -> bool:
        return frame.found

    def faces(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        return _onnx_faces(self.options.onnx).pictures(crops) if self.options.onnx else super().faces(crops)

    def values(self, faces: np.ndarray) -> np.ndarray:
        """Probabilities per face, (faces, classes) float32."""
        if self.options.onnx:
            return _onnx_faces(self.options.onnx).probabilities(faces, self.options.batch)
        import torch

        from semiser.faces.network import predict_probabilities

        network, _ = self.network()
        with computing(self.options.device):
            return predict_probabilities(network, torch.from_numpy(faces), self.options.batch).numpy()

    def row(self, track: Track, values: np.ndarray) -> dict[str, Any]:
        return {
            "expression": pool_probabilities(values),
            "frames_pooled": len(values),
            "frames": track.frames,
        }


@lru_cache(maxsize=2)
def _onnx_faces(options: FaceOnnxOptions) -> OnnxFaces:
    """This process's network for the options, which have its hash."""
    return OnnxFaces(options)
