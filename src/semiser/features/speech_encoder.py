"""Pretrained speech encoders as features: wav2vec 2.0, HuBERT, WavLM, data2vec-audio, Whisper's encoder, AST.

Sources: Baevski et al., "wav2vec 2.0" (2020); Hsu et al., "HuBERT" (2021); Chen et al., "WavLM" (2022); Baevski et al.,
"data2vec" (2022); Radford et al., "Whisper" (2023); Gong et al., "AST" (2021). The models are `transformers`', the
weights a local checkpoint of the user's, whose hash is part of the fingerprint. Nothing is downloaded.

A frame is 20 ms of wav2vec 2.0, HuBERT, WavLM, data2vec-audio and Whisper; of AST it is a patch of 16 spectrogram
frames, every 100 ms, as the mean over its patches of one time. Whisper and AST look at a window of fixed length, padded
with silence: frames that hold padding alone are left out.

Several utterances are computed at once, the shorter ones padded. What looks along time before the transformer, the
convolutions and their normalisation, sees each alone, so that padding changes no value.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.checkpoint import SETTINGS, check_checkpoint, hash_checkpoint, read_config
from semiser.features.encoder import chosen_layers, computing, merge_and_pool, model_device, value_fields, value_row
from semiser.features.family import BatchedFamily, Source
from semiser.options.encoders import SpeechEncoderOptions

if TYPE_CHECKING:
    from torch import Tensor, nn

SAMPLE_RATE_HZ = 16_000  # of all published models of these kinds
_WAVE = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")  # take samples
_WHISPER, _AST = "whisper", "audio-spectrogram-transformer"  # take a window of log mel bands
KINDS = (*_WAVE, _WHISPER, _AST)

_OPTION = "features.speech_encoder"
_WHISPER_FRAME = 320  # samples under a frame: two steps of 10 ms
_AST_WINDOW, _AST_STEP, _AST_PATCH = 400, 160, 16  # samples, samples, spectrogram frames


class Sound(NamedTuple):
    """An utterance as a model takes it.

    Attributes:
        values: samples, or the window of mel bands.
        samples: of the signal that it was made from, at 16 kHz.
        cut_s: how much of the utterance's end was left out.
    """

    values: np.ndarray
    samples: int
    cut_s: float


class SpeechEncoder(BatchedFamily[SpeechEncoderOptions, Sound]):
    """The `speech_encoder` table: a row per utterance with a vector, or `frames` and as many x D float32 in one list.

    `cut_s` is how much of the utterance's end was left out, 0 for most.
    """

    name = "speech_encoder"
    version = 1
    pool = "processes"
    libraries = ("torch", "transformers", "soundfile", "soxr")

    def __init__(self, options: SpeechEncoderOptions):
        """Take the options; the checkpoint's hash becomes part of the fingerprint.

        Raises:
            ModuleNotFoundError, FileNotFoundError, ValueError: the checkpoint cannot be used (`check_checkpoint`), is
                another one than `checkpoint_sha256` names, or has no such layer.
        """
        folder = options.checkpoint
        check_checkpoint(folder, f"{_OPTION}.checkpoint", KINDS)
        if _config(folder)["model_type"] in (_WHISPER, _AST) and not (folder / SETTINGS).is_file():
            raise FileNotFoundError(
                f"{_OPTION}.checkpoint: no {SETTINGS} in {folder}, which says how {_config(folder)['model_type']} "
                "takes sound: save it there with AutoFeatureExtractor.save_pretrained(folder)"
            )
        sha256 = hash_checkpoint(folder, options.checkpoint_sha256, f"{_OPTION}.checkpoint_sha256")
        super().__init__(options.model_copy(update={"checkpoint_sha256": sha256}))
        self._layers = chosen_layers(options, _depth(_config(folder)), _OPTION)

    def fields(self) -> list[pa.Field]:
        cut = pa.field("cut_s", pa.float32(), metadata={"unit": "s", "meaning": "left out at the utterance's end"})
        width = _width(_config(self.options.checkpoint))
        return [*value_fields(self.name, width, self._layers, self.options), cut]

    @property
    def budget(self) -> float:
        return self.options.batch_s

    def size(self, prepared: Sound) -> float:
        return prepared.samples / SAMPLE_RATE_HZ

    def prepare(self, source: Source) -> Sound:
        return self._encoder().prepare(source.audio(SAMPLE_RATE_HZ), self.options.longest_s)

    def compute(self, batch: Sequence[Sound]) -> Iterator[dict[str, Any]]:
        for sound, states in zip(batch, self._encoder()(batch, self._layers), strict=True):
            yield {**value_row(self.name, merge_and_pool(states, self.options)), "cut_s": sound.cut_s}

    def _encoder(self) -> "Encoder":
        options = self.options
        return _load(options.checkpoint, options.checkpoint_sha256, options.device, options.precision)


class Encoder:
    """A model with how it takes sound."""

    def __init__(
        self, folder: Path, device: str, precision: str = "float32", option: str = _OPTION, deepest: int | None = None
    ):
        """Load a checkpoint that `check_checkpoint` found good.

        Args:
            folder: of the checkpoint.
            device: that it computes on.
            precision: that it computes in.
            option: path of the family's options, for errors.
            deepest: number of the last hidden state that will be asked for; None: all are there.

        Raises:
            ValueError: there is no such device.
        """
        from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2FeatureExtractor

        self._config, self._precision = _config(folder), precision
        self._device = model_device(device, f"{option}.device")
        self._kind = self._config["model_type"]
        model = AutoModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        self._model = (model.get_encoder() if self._kind == _WHISPER else model).eval().to(self._device)
        if self._kind in _WAVE:
            self._alone = [_each_alone(self._model, "feature_extractor", channels_first=True)]
            self._alone += [_each_alone(self._model.encoder, "pos_conv_embed")]
            if deepest is not None:  # one layer more than is asked for, for the last one is normalised
                self._model.encoder.layers = self._model.encoder.layers[: deepest + 1]
        self._prepare = (
            AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
            if (folder / SETTINGS).is_file()
            else Wav2Vec2FeatureExtractor()  # as the published models of this kind without settings
        )

    def _most(self) -> int:
        if self._kind == _WHISPER:
            return int(2 * self._config["max_source_positions"] * _WHISPER_FRAME // 2)
        if self._kind == _AST:
            return int(_AST_WINDOW + (self._config["max_length"] - 1) * _AST_STEP)
        return 2**62

    def prepare(self, signal: np.ndarray, longest_s: float) -> Sound:
        """A signal as the model takes it.

        Args:
            signal: mono samples at 16 kHz, shape (samples,).
            longest_s: what is longer is cut, as what the model does not take.

        Raises:
            Unusable: too short for a frame.
        """
        kept = signal[: min(round(longest_s * SAMPLE_RATE_HZ), self._most())]
        if kept.size < (least := self._least()):
            raise Unusable(
                f"{kept.size / SAMPLE_RATE_HZ:.3f} s of audio: the encoder takes {least / SAMPLE_RATE_HZ:g} s"
            )
        inputs = self._prepare(kept, sampling_rate=SAMPLE_RATE_HZ, return_tensors="np")
        values = np.asarray(next(iter(inputs.values()))[0], np.float32)
        return Sound(values, kept.size, (signal.size - kept.size) / SAMPLE_RATE_HZ)

    def __call__(self, batch: Sequence[Sound], layers: list[int]) -> list[list[np.ndarray]]:
        """Hidden states of signals.

        Args:
            batch: the signals.
            layers: numbers of the states.

        Returns:
            For each signal and layer, float32 of shape (T, width).
        """
        inputs, given = self._inputs(batch)
        with computing(self._device, self._precision):
            states = self._model(inputs, output_hidden_states=True, **given).hidden_states
        chosen = [self._of_each(states[number], batch) for number in layers]
        return [list(of_sound) for of_sound in zip(*chosen, strict=True)]

    def before_transformer(self, batch: Sequence[Sound], projected: bool) -> list[np.ndarray]:
        """What the convolutions of a model that takes samples give, or its normalised projection.

        Args:
            batch: the signals.
            projected: to the transformer's width.

        Returns:
            For each signal float32 of shape (T, width).
        """
        inputs, _ = self._inputs(batch)
        with computing(self._device, self._precision):
            values = self._model.feature_extractor(inputs).transpose(1, 2)  # (rows, width, T) -> (rows, T, width)
            if projected:
                values, _ = self._model.feature_projection(values)
        return self._of_each(values, batch)

    def _inputs(self, batch: Sequence[Sound]) -> "tuple[Tensor, dict[str, Tensor]]":
        """A batch on the device, and what says where its padding lies; the convolutions are told, too."""
        import torch

        longest = max(len(sound.values) for sound in batch)
        values = torch.from_numpy(np.stack([_padded(sound.values, longest) for sound in batch])).to(self._device)
        if self._kind not in _WAVE:
            return values, {}
        frames = [self._states(sound.samples) for sound in batch]
        for alone, lengths in zip(self._alone, ([sound.samples for sound in batch], frames), strict=True):
            alone.own.lengths = lengths
        mask = np.arange(longest) < np.array([[sound.samples] for sound in batch])
        return values, {"attention_mask": torch.from_numpy(mask.astype(np.int64)).to(self._device)}

    def _of_each(self, states: "Tensor", batch: Sequence[Sound]) -> list[np.ndarray]:
        """The frames of each signal in a state of the batch, (rows, T, width), on the host."""
        found = states.float().cpu().numpy()
        return [self._frames(state, sound.samples) for state, sound in zip(found, batch, strict=True)]

    def _states(self, samples: int) -> int:
        """Frames that the convolutions make of so many samples, none of them padded."""
        for kernel, stride in zip(self._config["conv_kernel"], self._config["conv_stride"], strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    def _least(self) -> int:
        if self._kind == _WHISPER:
            return _WHISPER_FRAME
        if self._kind == _AST:
            return _AST_WINDOW + (_AST_PATCH - 1) * _AST_STEP
        least = 1
        for kernel, stride in zip(
            reversed(self._config["conv_kernel"]), reversed(self._config["conv_stride"]), strict=True
        ):
            least = (least - 1) * stride + kernel
        return int(least)

    def _frames(self, state: np.ndarray, samples: int) -> np.ndarray:
        """The frames of a state that hold sound."""
        if self._kind == _WHISPER:
            return state[: math.ceil(samples / _WHISPER_FRAME)]
        if self._kind == _AST:
            patch, config = self._config["patch_size"], self._config
            bands = (config["num_mel_bins"] - patch) // config["frequency_stride"] + 1
            patches = state[2:].reshape(bands, -1, state.shape[1])  # behind two tokens of the whole
            frames = 1 + (samples - _AST_WINDOW) // _AST_STEP
            return patches.mean(0)[: max(1, (frames - patch) // config["time_stride"] + 1)]
        return state[: self._states(samples)]


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    """Samples with zeros behind them; windows of mel bands are all of one length."""
    return np.pad(values, (0, length - len(values))) if values.ndim == 1 else values


def _each_alone(owner: "nn.Module", name: str, channels_first: bool = False) -> Any:
    """Put in a module's place one that gives it the rows of a batch one by one, without their padding.

    Args:
        owner: has the module.
        name: of the module.
        channels_first: its output is (rows, channels, T) instead of (rows, T, channels).

    Returns:
        What stands there now; its `own.lengths` say how long the rows of this thread's next batch are.
    """
    from torch import nn

    class EachAlone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = getattr(owner, name)
            self.own = threading.local()  # a batch whose time was up may still be computed beside the next one

        def forward(self, rows: "Tensor") -> "Tensor":
            made = [self.module(row[None, :length]) for row, length in zip(rows, self.own.lengths, strict=True)]
            in_front = [one[0].T if channels_first else one[0] for one in made]  # (T, channels)
            padded = nn.utils.rnn.pad_sequence(in_front, batch_first=True)
            return padded.transpose(1, 2) if channels_first else padded

    alone = EachAlone()
    setattr(owner, name, alone)
    return alone


def _config(folder: Path) -> dict[str, Any]:
    return read_config(folder, f"{_OPTION}.checkpoint", KINDS)


def _depth(config: dict[str, Any]) -> int:
    return int(config["encoder_layers"] if config["model_type"] == _WHISPER else config["num_hidden_layers"])


def _width(config: dict[str, Any]) -> int:
    return int(config["d_model"] if config["model_type"] == _WHISPER else config["hidden_size"])


@lru_cache(maxsize=1)
def _load(folder: Path, sha256: str, device: str, precision: str) -> Encoder:
    """This process's encoder: loaded once, however many shards it computes; the hash tells one from another."""
    import torch

    torch.set_num_threads(1)  # the other processors belong to the other workers
    return Encoder(folder, device, precision)
