"""Dface: DenseNet-BC's last pooling layer per face of the track, T x 342 (MSSGAN, Section IV-B).

T is the number of sampled frames from the first face on (carried-over squares included, as the paper has it). Their
times stand beside them; `face_track.align_to_audio` lays them along the audio frames.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.features.encoder import computing
from semiser.features.expression import NetworkFamily, Track
from semiser.features.face_track import TrackedFrame
from semiser.options.face_features import DfaceOptions


class Dface(NetworkFamily[DfaceOptions]):
    """The `dface` table: one row per utterance, a list of T vectors and their T times."""

    name = "dface"
    version = 1

    def fields(self) -> list[pa.Field]:
        card = self.card()
        size = card["num_features"]
        metadata = {"unit": "last pooling layer", "shape": f"T x {size}", "network": json.dumps(card["network"])}
        times = {"unit": "seconds from the utterance's start", "shape": "T"}
        return [
            pa.field("dface", pa.list_(pa.list_(pa.float32(), size)), metadata=metadata),
            pa.field("frame_time_s", pa.list_(pa.float64()), metadata=times),
        ]

    def sees(self, frame: TrackedFrame) -> bool:
        return frame.face is not None

    def values(self, faces: np.ndarray) -> np.ndarray:
        """Pooled maps per face, (faces, features) float32."""
        import torch

        from semiser.faces.network import predict_pooled

        network, _ = self.network()
        with computing(self.options.device):
            return predict_pooled(network, torch.from_numpy(faces), self.options.batch).numpy()

    def row(self, track: Track, values: np.ndarray) -> dict[str, Any]:
        return {"dface": list(values), "frame_time_s": track.times_s}
