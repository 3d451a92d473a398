"""wav2vec 2.0 features of fixed length, 445 frames x 512: CMKT's input for English audio.

Source: CMKT (Knowledge-Based Systems 2021), section 4.2, which took wav2vec 1.0 (Schneider et al. 2019): its frames lie
10 ms apart, so that 445 of them are 4.45 s, and its 512 values are those of a context network that has heard 210 ms.
`transformers` has no such model. The convolutional encoder of wav2vec 2.0 (Baevski et al. 2020) gives 512 values a
frame, too, but every 20 ms (445 are 8.9 s, 222 are 4.45 s) and from 25 ms; its transformer's layers have heard all. The
user names a local checkpoint; the column's metadata say which it was.

Utterances are cut to the samples under 445 frames (8.9 s) before the encoder, whose group normalisation looks at all
it gets; shorter ones are padded with zeros at the head: row t holds audio where t >= 445 - frames. Several are computed
at once by the encoder of `speech_encoder`, whose padding changes no value.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from semiser.features.checkpoint import check_checkpoint, hash_checkpoint, read_config
from semiser.features.family import BatchedFamily, Source
from semiser.features.spectra import as_stored, fit_frames, matrix_field
from semiser.features.speech_encoder import SAMPLE_RATE_HZ, Encoder, Sound
from semiser.options.audio_features import Wav2VecOptions

KINDS = ("wav2vec2",)

_OPTION = "features.wav2vec"


def _samples_of(config: dict[str, Any], frames: int) -> int:
    """Samples under so many frames of the encoder's convolutions, none of them padded."""
    for kernel, stride in zip(reversed(config["conv_kernel"]), reversed(config["conv_stride"]), strict=True):
        frames = (frames - 1) * stride + kernel
    return frames


class Wav2Vec(BatchedFamily[Wav2VecOptions, Sound]):
    """The `wav2vec` table: a row per utterance, `frames` (those of 445 that hold audio) and 445 x width float32."""

    name = "wav2vec"
    version = 2
    pool = "processes"
    libraries = ("torch", "transformers", "soundfile", "soxr")

    def __init__(self, options: Wav2VecOptions):
        check_checkpoint(options.checkpoint, f"{_OPTION}.checkpoint", KINDS)
        config = read_config(options.checkpoint, f"{_OPTION}.checkpoint", KINDS)
        layers, self._most = config["num_hidden_layers"], _samples_of(config, options.frames)
        if isinstance(options.output, int) and options.output > layers:
            raise ValueError(f"features.wav2vec.output is layer {options.output}: {options.checkpoint} has {layers}")
        sha256 = hash_checkpoint(options.checkpoint, options.checkpoint_sha256, f"{_OPTION}.checkpoint_sha256")
        super().__init__(options.model_copy(update={"checkpoint_sha256": sha256}))

    @property
    def whole_s(self) -> tuple[float, float]:
        config = read_config(self.options.checkpoint, f"{_OPTION}.checkpoint", KINDS)
        shortest, longest = (_samples_of(config, self.options.frames + more) for more in (0, 1))
        return shortest / SAMPLE_RATE_HZ, longest / SAMPLE_RATE_HZ

    def fields(self) -> list[pa.Field]:
        output, config = self.options.output, read_config(self.options.checkpoint, f"{_OPTION}.checkpoint", KINDS)
        width = config["conv_dim"][-1] if output == "convolution" else config["hidden_size"]
        facts = {"checkpoint": self.options.checkpoint.name, "checkpoint_sha256": self.options.checkpoint_sha256}
        where = f"transformer layer {output}" if isinstance(output, int) else f"the {output}"
        unit = f"wav2vec 2.0, output of {where}"
        shape = (self.options.frames, width)
        return [
            pa.field("frames", pa.int32(), metadata={"unit": "frames with audio, the last ones"}),
            matrix_field("wav2vec", shape, ("frame", "channel"), self.options.stored, unit=unit, **facts),
        ]

    @property
    def budget(self) -> float:
        return self.options.batch_s

    def size(self, prepared: Sound) -> float:
        return prepared.samples / SAMPLE_RATE_HZ

    def prepare(self, source: Source) -> Sound:
        return self._encoder().prepare(source.audio(SAMPLE_RATE_HZ), self._most / SAMPLE_RATE_HZ)

    def compute(self, batch: Sequence[Sound]) -> Iterator[dict[str, Any]]:
        encoder, output = self._encoder(), self.options.output
        if isinstance(output, int):
            found = [states for (states,) in encoder(batch, [output])]
        else:
            found = encoder.before_transformer(batch, projected=output == "projection")
        for values in found:
            stored = as_stored(values, self.options.stored)
            yield {"frames": len(values), "wav2vec": fit_frames(stored, self.options.frames)}

    def _encoder(self) -> Encoder:
        options = self.options
        deepest = options.output if isinstance(options.output, int) else 0
        return _load(options.checkpoint, options.checkpoint_sha256, options.device, deepest)


@lru_cache(maxsize=1)
def _load(folder: Path, sha256: str, device: str, deepest: int) -> Encoder:
    """This process's encoder: loaded once, however many shards it computes; the hash tells one from another."""
    import torch

    torch.set_num_threads(1)  # the other processors belong to the other workers
    return Encoder(folder, device, option=_OPTION, deepest=deepest)
