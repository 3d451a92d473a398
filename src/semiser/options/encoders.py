"""Options of pretrained encoders, each a key of `params:features`; none is extracted until a checkpoint is named."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from semiser.options.face_features import TrackOptions
from semiser.options.family import FamilyOptions


class EncoderOptions(FamilyOptions):
    """What every encoder takes.

    Attributes:
        checkpoint: folder of a model as `transformers` saves it; no part of a fingerprint, which has its hash.
        checkpoint_sha256: hash of its files; filled in when extraction starts. Where it is set, another checkpoint is
            refused.
        layers: hidden states that are taken: 0 is what the first layer gets, -1 the last layer's output; `all` takes
            every one of them.
        merge: what several layers become: their mean, or one vector after the other, each a path of MMMD's by itself.
        pooling: `frames` keeps every frame (token), `mean` their mean, `mean_std` mean and standard deviation.
        device: that the model computes on; no part of a fingerprint.
        precision: `bf16` is faster, on a GPU alone, and gives other values from the third digit on. It is part of a
            fingerprint only where it is not `float32`.
    """

    checkpoint: Path = Field(exclude=True)
    checkpoint_sha256: str | None = None
    layers: tuple[int, ...] | Literal["all"] = Field(default=(-1,), min_length=1)
    merge: Literal["mean", "concatenate"] = "mean"
    pooling: Literal["frames", "mean", "mean_std"] = "mean"
    device: str = Field(default="cpu", exclude=True)
    precision: Literal["float32", "bf16"] = Field(default="float32", exclude_if=lambda given: given == "float32")

    @model_validator(mode="after")
    def _low_precision_is_for_a_gpu(self) -> Self:
        if self.precision == "bf16" and self.device == "cpu":
            raise ValueError("precision bf16 is for a GPU: give device cuda, or leave precision float32")
        return self


class SpeechEncoderOptions(EncoderOptions):
    """wav2vec 2.0, HuBERT, WavLM, data2vec-audio, Whisper's encoder, or AST.

    Attributes:
        longest_s: of a longer utterance the rest is left out, and the table says how much. Whisper takes 30 s, AST as
            many as it was trained on (10.24 s in the published model) and never more.
        batch_s: seconds of audio that the model takes at once, the padding of the shorter utterances counted; no part
            of a fingerprint.
    """

    longest_s: float = Field(default=30.0, gt=0)
    batch_s: float = Field(default=60.0, gt=0, exclude=True)


class TextEncoderOptions(EncoderOptions):
    """BERT and what is built like it, on transcripts.

    Attributes:
        longest: tokens; of a longer transcript the rest is left out, and the table says how many.
        batch_tokens: tokens that the model takes at once, the padding of the shorter texts counted; no part of a
            fingerprint.
    """

    longest: int = Field(default=512, ge=3)
    batch_tokens: int = Field(default=2048, ge=1, exclude=True)


class ImageEncoderOptions(EncoderOptions):
    """ViT, DINOv2 or CLIP's vision tower, on the faces of a track.

    Attributes:
        track: how the face is followed; its `step_s` is the time from frame to frame.
        take: of a picture's hidden states: `class` is its class token, `patches` the mean of the others; `embedding` is
            CLIP's, which it compares with those of texts.
        every: takes every n-th frame of the track.
        longest_s: frames later in the utterance are left out, and the table says how many.
        batch: faces that the model takes at once; no part of a fingerprint.
    """

    track: TrackOptions = TrackOptions()
    take: Literal["class", "patches", "embedding"] = "class"
    every: int = Field(default=1, ge=1)
    longest_s: float = Field(default=60.0, gt=0)
    batch: int = Field(default=64, ge=1, exclude=True)
