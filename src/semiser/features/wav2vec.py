"""wav2vec 2.0 features of fixed length, 445 frames x 512: CMKT's input for English audio.

Source: CMKT (Knowledge-Based Systems 2021), section 4.2, which took wav2vec 1.0 (Schneider et al. 2019): its frames lie
10 ms apart, so that 445 of them are 4.45 s, and its 512 values are those of a context network that has heard 210 ms.
`transformers` has no such model. The convolutional encoder of wav2vec 2.0 (Baevski et al. 2020) gives 512 values a
frame, too, but every 20 ms (445 are 8.9 s, 222 are 4.45 s) and from 25 ms; its transformer's layers have heard all. The
user names a local checkpoint; the column's metadata say which it was.

Utterances are cut to the samples under 445 frames (8.9 s) before the encoder, whose group normalisation looks at all
it gets; shorter ones are padded with zeros at the head: row t holds audio where t >= 445 - frames.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.errors import Unusable
from semiser.features.checkpoint import SETTINGS, check_checkpoint, hash_checkpoint, read_config
from semiser.features.family import Family, Source
from semiser.features.spectra import as_stored, fit_frames, matrix_field
from semiser.options.audio_features import Wav2VecOptions

SAMPLE_RATE_HZ = 16_000  # of every published wav2vec 2.0 model

KINDS = ("wav2vec2",)

_OPTION = "features.wav2vec.checkpoint"


class Wav2VecExtractor:
    """Features of one signal after the other by one model, on the CPU.

    Args:
        options: checkpoint, output and number of frames.

    Raises:
        ModuleNotFoundError: `transformers` is not installed.
        FileNotFoundError: the checkpoint's configuration or weights are missing.
    """

    def __init__(self, options: Wav2VecOptions):
        check_checkpoint(options.checkpoint, _OPTION, KINDS)
        from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

        folder = options.checkpoint
        self.options, self._samples = options, _samples_of(read_config(folder, _OPTION, KINDS), options.frames)
        self._model = Wav2Vec2Model.from_pretrained(folder, use_safetensors=True, local_files_only=True).eval()
        if isinstance(options.output, int):  # one layer more than is asked for, for the last one is normalised
            self._model.encoder.layers = self._model.encoder.layers[: options.output + 1]
        self._prepare = (
            Wav2Vec2FeatureExtractor.from_pretrained(folder, local_files_only=True)
            if (folder / SETTINGS).is_file()
            else Wav2Vec2FeatureExtractor()
        )

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Features of a signal.

        Args:
            signal: mono samples at 16 kHz, shape (samples,).

        Returns:
            float32 of shape (T, width), T at most `options.frames`, not yet padded.

        Raises:
            Unusable: shorter than the encoder's receptive field (25 ms in the published models).
        """
        import torch

        least, most = self._samples
        if signal.size < least:
            raise Unusable(
                f"{signal.size / SAMPLE_RATE_HZ:.3f} s of audio: the encoder takes {least / SAMPLE_RATE_HZ:g} s"
            )
        inputs = self._prepare(signal[:most], sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_values
        with torch.inference_mode():
            if isinstance(self.options.output, int):
                states = self._model(inputs, output_hidden_states=True).hidden_states
                return states[self.options.output][0].numpy()
            features = self._model.feature_extractor(inputs).transpose(1, 2)  # (1, width, T) -> (1, T, width)
            if self.options.output == "projection":
                features, _ = self._model.feature_projection(features)
        return features[0].numpy()


def _samples_of(config: dict[str, Any], frames: int) -> tuple[int, int]:
    """Samples under one frame, and under `frames` frames, of the encoder's convolutions (none of them padded)."""
    least, most = 1, frames
    for kernel, stride in zip(reversed(config["conv_kernel"]), reversed(config["conv_stride"]), strict=True):
        least, most = (least - 1) * stride + kernel, (most - 1) * stride + kernel
    return least, most


class Wav2Vec(Family[Wav2VecOptions]):
    """The `wav2vec` table: a row per utterance, `frames` (those of 445 that hold audio) and 445 x width float32."""

    name = "wav2vec"
    version = 1
    pool = "processes"
    libraries = ("torch", "transformers", "soundfile", "soxr")

    def __init__(self, options: Wav2VecOptions):
        check_checkpoint(options.checkpoint, _OPTION, KINDS)
        layers = read_config(options.checkpoint, _OPTION, KINDS)["num_hidden_layers"]
        if isinstance(options.output, int) and options.output > layers:
            raise ValueError(f"features.wav2vec.output is layer {options.output}: {options.checkpoint} has {layers}")
        sha256 = hash_checkpoint(options.checkpoint, options.checkpoint_sha256, f"{_OPTION}_sha256")
        super().__init__(options.model_copy(update={"checkpoint_sha256": sha256}))

    @property
    def whole_s(self) -> tuple[float, float]:
        config = read_config(self.options.checkpoint, _OPTION, KINDS)
        shortest, longest = (_samples_of(config, self.options.frames + more)[1] for more in (0, 1))
        return shortest / SAMPLE_RATE_HZ, longest / SAMPLE_RATE_HZ

    def fields(self) -> list[pa.Field]:
        output, config = self.options.output, read_config(self.options.checkpoint, _OPTION, KINDS)
        width = config["conv_dim"][-1] if output == "convolution" else config["hidden_size"]
        facts = {"checkpoint": self.options.checkpoint.name, "checkpoint_sha256": self.options.checkpoint_sha256}
        where = f"transformer layer {output}" if isinstance(output, int) else f"the {output}"
        unit = f"wav2vec 2.0, output of {where}"
        shape = (self.options.frames, width)
        return [
            pa.field("frames", pa.int32(), metadata={"unit": "frames with audio, the last ones"}),
            matrix_field("wav2vec", shape, ("frame", "channel"), self.options.stored, unit=unit, **facts),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        values = as_stored(_load_extractor(self.options)(source.audio(SAMPLE_RATE_HZ)), self.options.stored)
        yield {"frames": len(values), "wav2vec": fit_frames(values, self.options.frames)}


@lru_cache(maxsize=1)
def _load_extractor(options: Wav2VecOptions) -> Wav2VecExtractor:
    """This process's extractor: loaded once, however many shards it computes."""
    import torch

    torch.set_num_threads(1)  # the other processors belong to the other workers
    return Wav2VecExtractor(options)
