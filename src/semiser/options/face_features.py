"""Options of the face families, of the expression networks and of their training (`params:train_faces`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from semiser.options.base import Options
from semiser.options.family import FamilyOptions
from semiser.options.onnx import FaceOnnxOptions

# RAF-DB's classes, in the order that CMKT names them.
EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear")

# (expansion t, channels c, repeats n, stride s), Table 2 of the MobileNetV2 paper.
STANDARD_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


# A card beside weights describes a network too, and may come from anybody: it must be one that can be built.
_MOST_CHANNELS = 1 << 14
_Channels = Annotated[int, Field(ge=1, le=_MOST_CHANNELS)]
_Small = Annotated[int, Field(ge=1, le=64)]


class TrackOptions(Options):
    """How the face of an utterance is followed; families with the same options share one track.

    Attributes:
        step_s: seconds between the sampled frames; 0.24 is every sixth frame at 25 frames per second.
        yunet_model: the user's `face_detection_yunet_*.onnx`; None takes OpenCV's own Haar cascades.
        yunet_sha256: of that file; filled in where it is None, insisted on where it is given.
        yunet_min_score: confidence in [0, 1] from which YuNet's faces count.
        long_side_px: larger pictures are made this long before detection.
        min_side_share: smallest face as a share of the picture's shorter side.
        crop_scale: side of the cut-out square as a multiple of the box.
    """

    step_s: float = Field(default=0.24, gt=0)
    yunet_model: str | None = Field(default=None, exclude=True)  # the hash, not the place, decides the values
    yunet_sha256: str | None = None
    yunet_min_score: float = Field(default=0.6, ge=0, le=1)
    long_side_px: int = Field(default=320, ge=64)
    min_side_share: float = Field(default=0.12, gt=0, le=1)
    crop_scale: float = Field(default=1.0, gt=0, le=3)


class FaceTrackOptions(FamilyOptions):
    """The `face_track` family."""

    track: TrackOptions = TrackOptions()


class NetworkFamilyOptions(FamilyOptions):
    """What the families of a trained network share.

    Attributes:
        track: the faces that the network sees.
        weights: folder of `model.safetensors` and `card.json`, as `train_faces` writes it; None takes the network that
            `train_faces` trains.
        weights_sha256: of both files; filled in where it is None, insisted on where it is given.
        device: that the network computes on; no part of a fingerprint.
        batch: faces that it takes at once; no part of a fingerprint.
    """

    track: TrackOptions = TrackOptions()
    weights: str | None = Field(default=None, exclude=True)
    weights_sha256: str | None = None
    device: str = Field(default="cpu", exclude=True)
    batch: int = Field(default=64, ge=1, exclude=True)


class ExpressionOptions(NetworkFamilyOptions):
    """The `expression` family: probabilities by MobileNetV2 (any network of `train_faces` serves), or by yours.

    Attributes:
        onnx: an expression network in an ONNX file, in place of `weights`.
    """

    onnx: FaceOnnxOptions | None = Field(default=None, exclude_if=lambda given: given is None)

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if self.onnx and self.weights:
            raise ValueError("weights and onnx are both given: name one network")
        return self


class DfaceOptions(NetworkFamilyOptions):
    """The `dface` family: the last pooling layer of DenseNet-BC (any network of `train_faces` serves)."""


class MobileNetOptions(Options):
    """MobileNetV2; the defaults are the paper's network at width 1.0.

    Attributes:
        input_size: side of the square input in pixels.
        channels: 3 for colour, 1 for grey.
        width: multiplier of all channels, rounded to multiples of `divisor`.
        stem_channels, stem_stride: of the first convolution.
        stages: (expansion t, channels c, repeats n, stride s) of the inverted residuals.
        last_channels: of the last 1 x 1 convolution; a width above 1 widens it too.
        divisor: channels are multiples of it.
        dropout: before the classifier.
    """

    kind: Literal["mobilenet_v2"] = "mobilenet_v2"
    input_size: int = Field(default=112, ge=16, le=4096)
    channels: Literal[1, 3] = 3
    width: float = Field(default=1.0, gt=0, le=16)
    stem_channels: int = Field(default=32, ge=1, le=_MOST_CHANNELS)
    stem_stride: Literal[1, 2] = 2
    stages: tuple[tuple[_Small, _Channels, _Small, _Small], ...] = Field(default=STANDARD_STAGES, max_length=64)
    last_channels: int = Field(default=1280, ge=1, le=_MOST_CHANNELS)
    divisor: int = Field(default=8, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class DenseNetOptions(Options):
    """DenseNet-BC with three blocks; the defaults are MSSGAN's (depth 100, growth 12, 64 x 64 grey): 342 features.

    Attributes:
        input_size: side of the square input in pixels.
        channels: 3 for colour, 1 for grey.
        depth: layers in all, 6 n + 4.
        growth: channels that each layer adds, k.
        compression: share of the channels that a transition keeps, theta.
        dropout: after each convolution of a block.
    """

    kind: Literal["densenet_bc"] = "densenet_bc"
    input_size: int = Field(default=64, ge=16, le=4096)
    channels: Literal[1, 3] = 1
    depth: int = Field(default=100, ge=10, le=1000)
    growth: int = Field(default=12, ge=1, le=_MOST_CHANNELS)
    compression: float = Field(default=0.5, gt=0, le=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _depth_fits_three_blocks(self) -> "DenseNetOptions":
        if (self.depth - 4) % 6:
            raise ValueError(f"depth must be 6 n + 4 (10, 16, 22, 40, 100 ...), not {self.depth}")
        return self


NetworkOptions = Annotated[MobileNetOptions | DenseNetOptions, Field(discriminator="kind")]


class DrawnFacesOptions(Options):
    """Drawn faces (`semiser.demo.faces`) as training material.

    Attributes:
        train_identities, validation_identities: people; no one is in both.
        pictures: of each expression of each person, with their own pose, light, strength and mouth opening.
    """

    train_identities: int = Field(default=24, ge=1)
    validation_identities: int = Field(default=8, ge=1)
    pictures: int = Field(default=3, ge=1)


class ExpressionTrainingOptions(Options):
    """Training of one expression network.

    Attributes:
        network: MobileNetV2 or DenseNet-BC.
        classes: expressions in the order of the probabilities.
        epochs: passes over the training part.
        batch_size: faces per step.
        optimiser: Adam, or SGD with Nesterov momentum 0.9.
        learning_rate: after the warm-up.
        warmup: share of the training over which the learning rate rises from 0.
        schedule: `cosine` falls to 0 over the run; `step` divides by 10 after half and after three quarters of it (as
            the DenseNet paper); `constant` keeps it.
        weight_decay: decoupled for Adam (AdamW), added to the gradient for SGD.
        flip: half of the faces are mirrored.
        max_shift: faces are shifted by up to this share of their side, with edge pixels repeated.
        validation_share: of the training rows of every class, held out where the data have no validation part.
        select: `last` keeps the weights of the last epoch, `validation` those with the best validation UAR.
        drawn: how many faces are drawn, where the images are `drawn`.
        initial_weights: safetensors file that the network starts from, all layers but the classifier, under the names
            of its modules (for MobileNetV2 torchvision's); None: it starts at random.
        initial_weights_sha256: of that file; insisted on where it is given.
    """

    network: NetworkOptions = MobileNetOptions()
    classes: tuple[str, ...] = EXPRESSIONS
    epochs: int = Field(default=40, ge=1)
    batch_size: int = Field(default=64, ge=2)
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    schedule: Literal["constant", "cosine", "step"] = "cosine"
    weight_decay: float = Field(default=1e-4, ge=0)
    flip: bool = True
    max_shift: float = Field(default=0.06, ge=0, le=0.5)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    select: Literal["last", "validation"] = "last"
    drawn: DrawnFacesOptions = DrawnFacesOptions()
    # No part of what a training is known by, as long as there are none: what they are, is told by their hash.
    initial_weights: str | None = Field(default=None, exclude=True)
    initial_weights_sha256: str | None = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _a_hash_belongs_to_a_file(self) -> Self:
        if self.initial_weights_sha256 and not self.initial_weights:
            raise ValueError("initial_weights_sha256 is given without initial_weights: name the file, too")
        return self


class DfaceTrainingOptions(ExpressionTrainingOptions):
    """The same for the network of Dface: by default DenseNet-BC."""

    network: NetworkOptions = DenseNetOptions()
