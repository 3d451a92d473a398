"""Options of the audio feature families, each a key of `params:features`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from semiser.options.family import FamilyOptions, StoredOptions


class AudioOptions(FamilyOptions):
    """What every audio family takes.

    Attributes:
        sample_rate_hz: rate of the signal; families of one rate share one decoding.
    """

    sample_rate_hz: int = Field(default=16_000, ge=8_000, le=192_000)


class OpenSmileOptions(AudioOptions):
    """Functionals or low-level descriptors of one of openSMILE's sets."""


class FramesOptions(AudioOptions):
    """How a signal is cut into overlapping frames and each frame transformed.

    Attributes:
        window_ms: length of a frame.
        step_ms: from the start of one frame to the start of the next.
        window: shape of the window, periodic as `scipy.signal.get_window` makes it.
        dft_size: samples of the discrete Fourier transform; frames are zero-padded to it.
        floor: magnitudes are raised to it before the logarithm. 1e-5 is below the rounding noise of 16-bit audio.
    """

    window_ms: float = Field(default=25.0, gt=0)
    step_ms: float = Field(default=10.0, gt=0)
    window: Literal["hamming", "hann"] = "hamming"
    dft_size: int = Field(default=1024, ge=2)
    floor: float = Field(default=1e-5, gt=0)

    @model_validator(mode="after")
    def _window_fits_the_dft(self) -> "FramesOptions":
        if self.dft_size < self.window_samples:
            raise ValueError(
                f"dft_size must be at least the {self.window_samples} samples of window_ms={self.window_ms:g} at "
                f"{self.sample_rate_hz} Hz, not {self.dft_size}"
            )
        if self.step_samples < 1:
            raise ValueError(f"step_ms={self.step_ms:g} is less than a sample at {self.sample_rate_hz} Hz")
        return self

    @property
    def window_samples(self) -> int:
        """Samples of a frame."""
        return round(self.window_ms * self.sample_rate_hz / 1000)

    @property
    def step_samples(self) -> int:
        """Samples from frame to frame."""
        return round(self.step_ms * self.sample_rate_hz / 1000)

    def span_s(self, frames: int) -> float:
        """Seconds under so many frames."""
        return (self.window_samples + (frames - 1) * self.step_samples) / self.sample_rate_hz


class SegmentsOptions(FramesOptions):
    """AV-SpNET's spectrogram segments; the defaults give 200 bins x 80 frames (810 ms).

    Attributes:
        cutoff_hz: bins below it are kept: the paper's low-pass filter.
        segment_frames: frames of a segment.
        pad_short: an utterance shorter than a segment is padded with silence at its end instead of being refused.
    """

    window_ms: float = Field(default=20.0, gt=0)
    dft_size: int = Field(default=800, ge=2)
    cutoff_hz: float = Field(default=4_000.0, gt=0)
    segment_frames: int = Field(default=80, ge=1)
    pad_short: bool = False

    @property
    def bins(self) -> int:
        """Bins from 0 Hz up to, and without, `cutoff_hz`; never more than the half of the DFT below its last bin."""
        step_hz = self.sample_rate_hz / self.dft_size
        return min(-int(-self.cutoff_hz // step_hz), self.dft_size // 2)

    @property
    def segment_samples(self) -> int:
        """Samples under the frames of one segment."""
        return self.window_samples + (self.segment_frames - 1) * self.step_samples


class ChunksOptions(AudioOptions):
    """BEGAN's chunks of one second; the defaults give 513 bins x 32 frames.

    Attributes:
        chunk_s: length of a chunk; chunks do not overlap.
        dft_size: samples of the Hann window and of the DFT.
        step: samples from frame to frame.
        floor_db: level that becomes -1; 0 dB, a sine at full scale, becomes 1.
        min_last_s: the utterance's last, partial chunk is kept, padded with silence, from this length on. The only
            chunk of an utterance is kept however short.
    """

    chunk_s: float = Field(default=1.0, gt=0)
    dft_size: int = Field(default=1024, ge=2, multiple_of=2)
    step: int = Field(default=512, ge=1)
    floor_db: float = Field(default=-100.0, lt=0)
    min_last_s: float = Field(default=0.5, ge=0)

    @property
    def chunk_samples(self) -> int:
        """Samples of a chunk."""
        return round(self.chunk_s * self.sample_rate_hz)

    @property
    def shape(self) -> tuple[int, int]:
        """Bins and frames of a chunk: frames are centred on every `step`-th sample, the first on sample 0."""
        return self.dft_size // 2 + 1, 1 + self.chunk_samples // self.step


class FftOptions(FramesOptions):
    """MSSGAN's spectrogram frames.

    Attributes:
        bands: values per frame, evenly spaced from 0 Hz to half the rate; `dft_size` / 2 must be a multiple of it.
    """

    dft_size: int = Field(default=512, ge=2)
    bands: int = Field(default=128, ge=1)

    @model_validator(mode="after")
    def _bands_divide_the_bins(self) -> "FftOptions":
        if self.dft_size % (2 * self.bands):
            raise ValueError(f"dft_size must be a multiple of 2 x bands = {2 * self.bands}, not {self.dft_size}")
        return self


class FbankOptions(FramesOptions):
    """MSSGAN's log mel filter bank frames.

    Attributes:
        mels: filters, from 0 Hz to half the rate.
    """

    mels: int = Field(default=128, ge=1)


class StftOptions(FramesOptions, StoredOptions):
    """CMKT's short-time Fourier transform of fixed length.

    Attributes:
        frames: length of every matrix: shorter ones are padded at the head, longer ones cut at the end.
        bins: lowest bins of the DFT that are kept.
        log: take the logarithm before normalising; the front end that the paper follows does not.
    """

    frames: int = Field(default=555, ge=1)
    bins: int = Field(default=512, ge=1)
    log: bool = False

    @model_validator(mode="after")
    def _the_dft_has_the_bins(self) -> "StftOptions":
        if self.bins > self.dft_size // 2 + 1:
            raise ValueError(f"bins must be at most dft_size / 2 + 1 = {self.dft_size // 2 + 1}, not {self.bins}")
        return self


class Wav2VecOptions(FamilyOptions, StoredOptions):
    """wav2vec 2.0 features of fixed length; the family cannot be extracted until a checkpoint is named.

    The folder is no part of a fingerprint: what the model is, is told by its hash.

    Attributes:
        checkpoint: folder of a wav2vec 2.0 model as `transformers` saves it (`config.json`, `model.safetensors`).
        checkpoint_sha256: hash of its files; filled in when extraction starts. Where it is set, another checkpoint is
            refused.
        output: `convolution`, the convolutional encoder (512 values in the published models), or `projection`, its
            normalised projection to the transformer's width (768 or 1024), or the number of a transformer layer, from
            1 on: its states, as wide, which have heard the whole utterance.
        frames: length of every matrix: shorter ones are padded at the head, longer utterances cut at the end.
        device: that the model computes on; no part of a fingerprint.
        batch_s: seconds of audio that the model takes at once, the padding of the shorter utterances counted; no part
            of a fingerprint.
    """

    checkpoint: Path = Field(exclude=True)
    checkpoint_sha256: str | None = None
    output: Literal["convolution", "projection"] | Annotated[int, Field(ge=1)] = "convolution"
    frames: int = Field(default=445, ge=1)
    device: str = Field(default="cpu", exclude=True)
    batch_s: float = Field(default=60.0, gt=0, exclude=True)


class VoiceOptions(AudioOptions):
    """Medians of pitch and vocal intensity over voiced frames."""
