"""Pretrained speech encoders as features: wav2vec 2.0, HuBERT, WavLM, data2vec-audio, Whisper's encoder, AST.

Sources: Baevski et al., "wav2vec 2.0" (2020); Hsu et al., "HuBERT" (2021); Chen et al., "WavLM" (2022); Baevski et al.,
"data2vec" (2022); Radford et al., "Whisper" (2023); Gong et al., "AST" (2021). The models are `transformers`', the
weights a local checkpoint of the user's, whose hash is part of the fingerprint. Nothing is downloaded.

A frame is 20 ms of wav2vec 2.0, HuBERT, WavLM, data2vec-audio and Whisper; of AST it is a patch of 16 spectrogram
frames, every 100 ms, as the mean over its patches of one time. Whisper and AST look at a window of fixed length, padded
with silence: frames that hold padding alone are left out.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.checkpoint import SETTINGS, check_checkpoint, hash_checkpoint, read_config
from semiser.features.encoder import chosen_layers, merge_and_pool, value_fields, value_row
from semiser.features.family import Family, Source
from semiser.options.encoders import SpeechEncoderOptions

SAMPLE_RATE_HZ = 16_000  # of all published models of these kinds
_WAVE = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")  # take samples
_WHISPER, _AST = "whisper", "audio-spectrogram-transformer"  # take a window of log mel bands
KINDS = (*_WAVE, _WHISPER, _AST)

_OPTION = "features.speech_encoder"
_WHISPER_FRAME = 320  # samples under a frame: two steps of 10 ms
_AST_WINDOW, _AST_STEP, _AST_PATCH = 400, 160, 16  # samples, samples, spectrogram frames


class SpeechEncoder(Family[SpeechEncoderOptions]):
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

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        signal = source.audio(SAMPLE_RATE_HZ)
        encoder = _load(self.options.checkpoint, self.options.checkpoint_sha256, self.options.device)
        most = min(round(self.options.longest_s * SAMPLE_RATE_HZ), encoder.most)
        states = encoder(signal[:most], self._layers)
        cut_s = max(0, signal.size - most) / SAMPLE_RATE_HZ
        yield {**value_row(self.name, merge_and_pool(states, self.options)), "cut_s": cut_s}


class Encoder:
    """A model with how it takes sound, for one signal after the other.

    Attributes:
        most: samples that it takes at most.
    """

    def __init__(self, folder: Path, device: str):
        """Load a checkpoint that `check_checkpoint` found good.

        Args:
            folder: of the checkpoint.
            device: that it computes on.
        """
        from transformers import AutoFeatureExtractor, AutoModel, Wav2Vec2FeatureExtractor

        self._config, self._device = _config(folder), device
        self._kind = self._config["model_type"]
        model = AutoModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        self._model = (model.get_encoder() if self._kind == _WHISPER else model).eval().to(device)
        self._prepare = (
            AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
            if (folder / SETTINGS).is_file()
            else Wav2Vec2FeatureExtractor()  # as the published models of this kind without settings
        )
        self.most = self._most()

    def _most(self) -> int:
        if self._kind == _WHISPER:
            return int(2 * self._config["max_source_positions"] * _WHISPER_FRAME // 2)
        if self._kind == _AST:
            return int(_AST_WINDOW + (self._config["max_length"] - 1) * _AST_STEP)
        return 2**62

    def __call__(self, signal: np.ndarray, layers: list[int]) -> list[np.ndarray]:
        """Hidden states of a signal.

        Args:
            signal: mono samples at 16 kHz, shape (samples,), at most `most`.
            layers: numbers of the states.

        Returns:
            For each, float32 of shape (T, width).

        Raises:
            Unusable: too short for a frame.
        """
        import torch

        least = self._least()
        if signal.size < least:
            raise Unusable(
                f"{signal.size / SAMPLE_RATE_HZ:.3f} s of audio: the encoder takes {least / SAMPLE_RATE_HZ:g} s"
            )
        inputs = self._prepare(signal, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        values = next(iter(inputs.values())).to(self._device)
        with torch.inference_mode():
            states = self._model(values, output_hidden_states=True).hidden_states
        return [self._frames(states[number][0].float().cpu().numpy(), signal.size) for number in layers]

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
        return state


def _config(folder: Path) -> dict[str, Any]:
    return read_config(folder, f"{_OPTION}.checkpoint", KINDS)


def _depth(config: dict[str, Any]) -> int:
    return int(config["encoder_layers"] if config["model_type"] == _WHISPER else config["num_hidden_layers"])


def _width(config: dict[str, Any]) -> int:
    return int(config["d_model"] if config["model_type"] == _WHISPER else config["hidden_size"])


@lru_cache(maxsize=1)
def _load(folder: Path, sha256: str, device: str) -> Encoder:
    """This process's encoder: loaded once, however many shards it computes; the hash tells one from another."""
    import torch

    torch.set_num_threads(1)  # the other processors belong to the other workers
    return Encoder(folder, device)
