"""Dface: DenseNet-BC's last pooling layer per face of the track, T x 342 (MSSGAN, Section IV-B).

T is the number of sampled frames from the first face on (carried-over squares included, as the paper has it). Their
times stand beside them; `face_track.align_to_audio` lays them along the audio frames.
"""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from semiser.features.expression import NetworkFamily, stack_faces
from semiser.features.face_track import face_track
from semiser.features.family import Source
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

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        from semiser.faces.network import predict_pooled

        frames = [frame for frame in face_track(source, self.options.track) if frame.face]
        network, options = self.network()
        crops = [frame.crop for frame in frames if frame.crop is not None]
        faces = stack_faces(crops, options.input_size, options.channels)
        yield {
            "dface": list(predict_pooled(network, faces).numpy()),
            "frame_time_s": [round(frame.time_s, 6) for frame in frames],
        }
