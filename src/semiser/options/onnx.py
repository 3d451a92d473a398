"""Options of ONNX networks of the user's own."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from semiser.options.base import Options


class OnnxOptions(Options):
    """A network in an ONNX file.

    Attributes:
        model: the file, with its weights in it; no part of a fingerprint, which has its hash.
        model_sha256: hash of the file; filled in when extraction starts. Where it is set, another file is refused.
        output: name of the output that is taken; None: the first.
        provider: what it computes on, `gpu` with the package onnxruntime-gpu; no part of a fingerprint.
    """

    model: Path = Field(exclude=True)
    model_sha256: str | None = None
    output: str | None = None
    provider: Literal["cpu", "gpu"] = Field(default="cpu", exclude=True)


class FaceOnnxOptions(OnnxOptions):
    """An expression network in an ONNX file, with what its makers do to a face before it.

    Attributes:
        classes: what the network calls its classes, in the order of its output.
        table: those of its classes to ours (`neutral`, `happiness`, ...). A class that is not named keeps its word, in
            our spelling (`happy` is `happiness`); one that is named with null is left out, and the probabilities of the
            others are scaled up to 1. Several classes may be one of ours.
        input_size: side of the square picture in pixels; None: what the file says.
        colour: order of the channels, or `grey`.
        value_range: what black and white become.
        mean, std: of each channel, in that range: subtracted, and divided by.
        layout: order of the input's axes: picture, channel, height, width.
        scores: what the output is; of `logits` the softmax is taken.
    """

    classes: tuple[str, ...] = Field(min_length=2)
    table: dict[str, str | None] = {}
    input_size: int | None = Field(default=None, ge=8, le=4096)
    colour: Literal["rgb", "bgr", "grey"] = "rgb"
    value_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Literal["nchw", "nhwc"] = "nchw"
    scores: Literal["logits", "probabilities"] = "logits"

    def __hash__(self) -> int:
        return hash((self.model_sha256, self.classes))  # a table is none of what can be hashed

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return 1 if self.colour == "grey" else 3

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Self:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                raise ValueError(f"{name} must have 1 or {self.channels} values, not {len(values)}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, not {min(self.std):g}")
        if unknown := set(self.table) - set(self.classes):
            raise ValueError(f"table names {sorted(unknown)[0]}, which is none of classes: {', '.join(self.classes)}")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes names one twice: {', '.join(self.classes)}")
        return self
