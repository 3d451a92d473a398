"""Pretrained image encoders as features: ViT, DINOv2 and CLIP's vision tower, on the faces of a track.

Sources: Dosovitskiy et al., "ViT" (2021); Oquab et al., "DINOv2" (2023); Radford et al., "CLIP" (2021). The models are
`transformers`', the weights a local checkpoint of the user's, whose hash is part of the fingerprint. Nothing is
downloaded. Pictures are prepared as the checkpoint's `preprocessor_config.json` says, by PIL whatever else is
installed, since torchvision's resizing gives other values.

A frame is a face that the detector found (`face_track`): where the square was carried over from the frame before, there
may be no face in it. `frame_time_s` says when the frames are.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.checkpoint import SETTINGS, check_checkpoint, hash_checkpoint, read_config
from semiser.features.encoder import chosen_layers, computing, merge_and_pool, model_device, value_fields, value_row
from semiser.features.face_track import VIDEO_COLUMNS, face_track, with_model_hash
from semiser.features.family import BatchedFamily, Source
from semiser.options.encoders import ImageEncoderOptions

KINDS = ("vit", "dinov2", "clip", "clip_vision_model")
_CLIP = ("clip", "clip_vision_model")
_OPTION = "features.image_encoder"


class Faces(NamedTuple):
    """An utterance's faces as the network takes them.

    Attributes:
        pixels: float32 of shape (frames, 3, height, width).
        times_s: seconds from the utterance's start.
        cut: frames that were left out at the end.
    """

    pixels: np.ndarray
    times_s: list[float]
    cut: int


class ImageEncoder(BatchedFamily[ImageEncoderOptions, Faces]):
    """The `image_encoder` table: a row per utterance with a vector, or `frames` and as many x D float32 in one list.

    `frame_time_s` are the times of the frames; `cut_frames` is how many were left out at the utterance's end.
    """

    name = "image_encoder"
    version = 1
    inputs = VIDEO_COLUMNS
    requires = "video_path"
    pool = "processes"
    libraries = ("torch", "transformers", "pillow", "av", "opencv-python-headless")

    def __init__(self, options: ImageEncoderOptions):
        """Take the options; the checkpoint's hash becomes part of the fingerprint.

        Raises:
            ModuleNotFoundError, FileNotFoundError, ValueError: the checkpoint cannot be used (`check_checkpoint`), is
                another one than `checkpoint_sha256` names, or has no such layer or embedding.
        """
        folder = options.checkpoint
        check_checkpoint(folder, f"{_OPTION}.checkpoint", KINDS)
        if not (folder / SETTINGS).is_file():
            raise FileNotFoundError(
                f"{_OPTION}.checkpoint: no {SETTINGS} in {folder}, which says how the model takes pictures: save it "
                "there with AutoImageProcessor.save_pretrained(folder)"
            )
        config = _config(folder)
        if options.take == "embedding" and config["model_type"] not in _CLIP:
            raise ValueError(
                f"{_OPTION}.take: an embedding is CLIP's, {folder} is a {config['model_type']}: take class or patches"
            )
        if options.take == "embedding" and options.layers != (-1,):
            raise ValueError(f"{_OPTION}.layers: an embedding follows the last layer, so layers must stay [-1]")
        sha256 = hash_checkpoint(folder, options.checkpoint_sha256, f"{_OPTION}.checkpoint_sha256")
        track = with_model_hash(options.track)
        super().__init__(options.model_copy(update={"checkpoint_sha256": sha256, "track": track}))
        self._layers = chosen_layers(options, _vision(config).get("num_hidden_layers", 12), _OPTION)

    def fields(self) -> list[pa.Field]:
        times = {"unit": "seconds from the utterance's start", "shape": "frames in which the face was found"}
        cut = {"meaning": "frames left out at the utterance's end"}
        return [
            *value_fields(self.name, self._width(), self._layers, self.options),
            pa.field("frame_time_s", pa.list_(pa.float64()), metadata=times),
            pa.field("cut_frames", pa.int32(), metadata=cut),
        ]

    def _width(self) -> int:
        """Values per frame and layer; what a configuration does not say is its class's default."""
        config = _config(self.options.checkpoint)
        if self.options.take == "embedding":
            return int(config.get("projection_dim") or _vision(config).get("projection_dim", 512))
        return int(_vision(config).get("hidden_size", 768))

    @property
    def budget(self) -> float:
        return self.options.batch

    def prepare(self, source: Source) -> Faces:
        options = self.options
        found = [frame for frame in face_track(source, options.track)[:: options.every] if frame.found]
        kept = [frame for frame in found if frame.time_s < options.longest_s]
        if not kept:
            raise Unusable(
                f"no face in every {options.every}th frame of the first {options.longest_s:g} s: see "
                f"{_OPTION}.every and longest_s"
            )
        crops = [frame.crop for frame in kept if frame.crop is not None]
        return Faces(self._encoder().pixels(crops), [round(frame.time_s, 6) for frame in kept], len(found) - len(kept))

    def size(self, prepared: Faces) -> float:
        return len(prepared.pixels)

    def compute(self, batch: Sequence[Faces]) -> Iterator[dict[str, Any]]:
        faces = np.concatenate([one.pixels for one in batch])
        parts = [faces[first : first + self.options.batch] for first in range(0, len(faces), self.options.batch)]
        states = [self._encoder()(part, self._layers, self.options.take) for part in parts]
        layers = [np.concatenate(of_layer) for of_layer in zip(*states, strict=True)]
        ends = np.cumsum([len(one.pixels) for one in batch])
        for one, end in zip(batch, ends, strict=True):
            own = [layer[end - len(one.pixels) : end] for layer in layers]
            values = value_row(self.name, merge_and_pool(own, self.options))
            yield {**values, "frame_time_s": one.times_s, "cut_frames": one.cut}

    def _encoder(self) -> "Encoder":
        options = self.options
        return _load(options.checkpoint, options.checkpoint_sha256, options.take, options.device, options.precision)


class Encoder:
    """A model with how it takes pictures."""

    def __init__(self, folder: Path, take: str, device: str, precision: str):
        """Load a checkpoint that `check_checkpoint` found good.

        Args:
            folder: of the checkpoint.
            take: see `ImageEncoderOptions`.
            device: that it computes on.
            precision: that it computes in.

        Raises:
            ValueError: there is no such device, or the checkpoint lacks the projection of the embedding.
        """
        import transformers

        self._device, self._precision = model_device(device, f"{_OPTION}.device"), precision
        made: Any = transformers.AutoModel
        if _config(folder)["model_type"] in _CLIP:
            made = transformers.CLIPVisionModelWithProjection if take == "embedding" else transformers.CLIPVisionModel
        model, found = made.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        if take == "embedding" and found["missing_keys"]:
            raise ValueError(
                f"{_OPTION}.checkpoint: {folder} lacks {sorted(found['missing_keys'])[0]}, which makes the embedding: "
                "take class or patches, or name a whole CLIP model"
            )
        self._model = model.eval().to(self._device)
        self._prepare = _processor(folder)

    def pixels(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Square RGB uint8 pictures of any size as the model takes them, float32 (N, 3, height, width)."""
        prepared = self._prepare(list(crops), input_data_format="channels_last", return_tensors="np")
        return np.asarray(prepared["pixel_values"], np.float32)

    def __call__(self, pixels: np.ndarray, layers: list[int], take: str) -> list[np.ndarray]:
        """What is taken of pictures (N, 3, height, width), for each layer float32 of shape (N, width)."""
        import torch

        with computing(self._device, self._precision):
            found = self._model(torch.from_numpy(pixels).to(self._device), output_hidden_states=True)
        if take == "embedding":
            return [found.image_embeds.float().cpu().numpy()]
        states = (found.hidden_states[number].float() for number in layers)  # the class token, then the patches
        return [(state[:, 0] if take == "class" else state[:, 1:].mean(1)).cpu().numpy() for state in states]


def _processor(folder: Path) -> Any:
    """transformers' preparation of pictures by PIL, which version 5 asks for by another word than 4."""
    import transformers

    by_pil = {"backend": "pil"} if int(transformers.__version__.split(".")[0]) >= 5 else {"use_fast": False}
    return transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True, **by_pil)


def _config(folder: Path) -> dict[str, Any]:
    return read_config(folder, f"{_OPTION}.checkpoint", KINDS)


def _vision(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a configuration that is the network for pictures."""
    return config["vision_config"] if config["model_type"] == "clip" else config


@lru_cache(maxsize=1)
def _load(folder: Path, sha256: str, take: str, device: str, precision: str) -> Encoder:
    """This process's encoder, loaded once; the hash tells one from another."""
    import torch

    torch.set_num_threads(1)  # the other processors belong to the other workers
    return Encoder(folder, take, device, precision)
