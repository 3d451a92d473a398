"""Options of ONNX networks of the user's own."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from semiser.options.base import Options
from semiser.options.family import FamilyOptions


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


class MelOptions(Options):
    """Mel frames as the makers of a network compute them; the defaults are Kaldi's filter bank but for its scale.

    Attributes:
        frame_ms, step_ms: length of a frame, and time from frame to frame.
        dft_size: samples of the Fourier transform; None: the next power of two.
        window: its shape; `povey` is Kaldi's, a Hann window to the power of 0.85.
        periodic: as scipy, librosa and TensorFlow make windows; Kaldi's are symmetric.
        centred: frames are centred on every step, the first on sample 0, and the signal is padded with silence at both
            ends, as librosa does; else a frame begins where the signal does.
        remove_mean: of each frame.
        preemphasis: share of the sample before that is subtracted, in each frame.
        power: 1 for magnitudes, 2 for their squares.
        bands: mel filters.
        low_hz, high_hz: where they begin and end; None: half the rate.
        filters: `slaney`: librosa's, of unit area; `htk`: torchaudio's, of unit height; `kaldi`: straight on the mel
            scale instead of in Hz, as Kaldi and TensorFlow have them.
        log: of the energies.
        offset: added before the logarithm.
        floor: energies are raised to it before the logarithm.
        normalise: each band over the utterance: subtract the mean, or divide by the deviation, too.
    """

    frame_ms: float = Field(default=25.0, gt=0)
    step_ms: float = Field(default=10.0, gt=0)
    dft_size: int | None = Field(default=None, ge=2)
    window: Literal["hann", "hamming", "povey"] = "povey"
    periodic: bool = False
    centred: bool = False
    remove_mean: bool = True
    preemphasis: float = Field(default=0.97, ge=0, lt=1)
    power: Literal[1, 2] = 2
    bands: int = Field(default=80, ge=1)
    low_hz: float = Field(default=20.0, ge=0)
    high_hz: float | None = Field(default=None, gt=0)
    filters: Literal["slaney", "htk", "kaldi"] = "kaldi"
    log: Literal["natural", "decibel", "none"] = "natural"
    offset: float = Field(default=0.0, ge=0)
    floor: float = Field(default=1.1920929e-7, gt=0)
    normalise: Literal["none", "mean", "mean_std"] = "none"


class FrontendOptions(OnnxOptions):
    """A network that makes frames of the waveform for another one.

    Attributes:
        step_ms: from one of its frames to the next.
        multiply, add: what is done to its output.
    """

    step_ms: float = Field(default=10.0, gt=0)
    multiply: float = 1.0
    add: float = 0.0


class SoundNetworkOptions(FamilyOptions, OnnxOptions):
    """A network on sound in an ONNX file: a speaker encoder, an embedding of audio events, ...

    It takes the waveform, or mel frames where `mel` is given, or what `frontend` makes of the waveform.

    Attributes:
        sample_rate_hz: that it was trained at.
        scale: samples, from -1 to 1, are multiplied by it: 32768 for networks that take 16-bit numbers, and for Kaldi's
            frames.
        mel: how its mel frames are computed.
        frontend: the network before it.
        axes: those of its input: `b` windows, `t` time, `m` bands, `1` an axis of size 1; None: the usual ones for so
            many axes (`t`, `bt`, `b1t`; `tm`, `btm`, `b1tm` or `btm1`).
        window_s: length of what it hears at once; None: the whole utterance.
        hop_s: from window to window; None: a window. What is left at the end is not heard.
        pad_short: an utterance shorter than a window is padded with silence at its end instead of being refused.
        pooling: `frames` keeps the vector of every window (or frame of the network's), `mean` their mean, `mean_std`
            mean and standard deviation.
        longest_s: of a longer utterance the rest is left out, and the table says how much.
        batch: windows that are computed at once; no part of a fingerprint.
    """

    sample_rate_hz: int = Field(default=16_000, ge=8_000, le=192_000)
    scale: float = Field(default=1.0, gt=0)
    mel: MelOptions | None = None
    frontend: FrontendOptions | None = None
    axes: str | None = Field(default=None, pattern=r"^b?[tm1]+$")
    window_s: float | None = Field(default=None, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    pad_short: bool = False
    pooling: Literal["frames", "mean", "mean_std"] = "mean"
    longest_s: float = Field(default=60.0, gt=0)
    batch: int = Field(default=64, ge=1, exclude=True)

    @property
    def hop(self) -> float:
        """Seconds from window to window."""
        return self.hop_s or self.window_s or 0.0

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Self:
        if self.mel and self.frontend:
            raise ValueError("mel and frontend are both given: one of them makes the frames")
        if self.hop_s and not self.window_s:
            raise ValueError("hop_s is given without window_s: say how long a window is")
        wanted = "tm" if self.mel or self.frontend else "t"
        if self.axes and "".join(sorted(self.axes.replace("1", "").replace("b", ""), reverse=True)) != wanted:
            raise ValueError(f"axes must have each of {', '.join(wanted)} once, not {self.axes}")
        return self
