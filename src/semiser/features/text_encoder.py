"""Pretrained text encoders as features: BERT and what is built like it, on transcripts.

Source: Devlin et al., "BERT" (2019), and its kin (RoBERTa, ELECTRA, DistilBERT, ...), Chinese and English. The models
are `transformers`', the weights a local checkpoint of the user's, whose hash is part of the fingerprint. Nothing is
downloaded. Special tokens are read by the model and are no part of frames and means.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semiser.features.checkpoint import check_checkpoint, hash_checkpoint, read_config
from semiser.features.encoder import chosen_layers, merge_and_pool, value_fields, value_row
from semiser.features.family import Family, Source
from semiser.options.encoders import TextEncoderOptions

KINDS = (
    *("bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "camembert", "deberta-v2", "ernie"),
    *("mpnet", "modernbert"),
)
_OPTION = "features.text_encoder"


class TextEncoder(Family[TextEncoderOptions]):
    """The `text_encoder` table: a row per utterance with a vector, or `frames` (tokens) and as many x D float32.

    `cut_tokens` is how many tokens were left out at the transcript's end, 0 for most. An utterance without transcript
    is a row of zeros with `no_text_encoder` set: text may be missing, which is no fault of the utterance.
    """

    name = "text_encoder"
    version = 1
    inputs = ("transcript",)
    pool = "processes"
    libraries = ("torch", "transformers", "tokenizers")

    def __init__(self, options: TextEncoderOptions):
        """Take the options; the checkpoint's hash becomes part of the fingerprint.

        Raises:
            ModuleNotFoundError, FileNotFoundError, ValueError: the checkpoint cannot be used (`check_checkpoint`), is
                another one than `checkpoint_sha256` names, or has no such layer.
        """
        check_checkpoint(options.checkpoint, f"{_OPTION}.checkpoint", KINDS)
        sha256 = hash_checkpoint(options.checkpoint, options.checkpoint_sha256, f"{_OPTION}.checkpoint_sha256")
        super().__init__(options.model_copy(update={"checkpoint_sha256": sha256}))
        config = _config(options.checkpoint)
        self._width = int(config.get("hidden_size") or config["dim"])
        self._layers = chosen_layers(options, int(config.get("num_hidden_layers") or config["n_layers"]), _OPTION)

    def fields(self) -> list[pa.Field]:
        return [
            *value_fields(self.name, self._width, self._layers, self.options),
            pa.field("cut_tokens", pa.int32(), metadata={"meaning": "tokens left out at the transcript's end"}),
            pa.field("no_text_encoder", pa.bool_(), metadata={"meaning": "no transcript: zeros"}),
        ]

    def rows(self, source: Source) -> Iterator[dict[str, Any]]:
        text = (source.row["transcript"] or "").strip()
        encoder = _load(self.options.checkpoint, self.options.checkpoint_sha256, self.options.device)
        states, cut = encoder(text, self._layers, self.options.longest) if text else ([], 0)
        if not text or not len(states[0]):
            states = [np.zeros((1, self._width), np.float32) for _ in self._layers]
            yield {**self._row(states), "cut_tokens": 0, "no_text_encoder": True}
        else:
            yield {**self._row(states), "cut_tokens": cut, "no_text_encoder": False}

    def _row(self, states: list[np.ndarray]) -> dict[str, object]:
        return value_row(self.name, merge_and_pool(states, self.options))


class Encoder:
    """A model with its tokeniser, for one text after the other."""

    def __init__(self, folder: Path, device: str):
        """Load a checkpoint that `check_checkpoint` found good.

        Args:
            folder: of the checkpoint.
            device: that it computes on.
        """
        from transformers import AutoModel, AutoTokenizer

        self._device = device
        self._tokenise = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, use_safetensors=True, local_files_only=True).eval().to(device)

    def __call__(self, text: str, layers: list[int], longest: int) -> tuple[list[np.ndarray], int]:
        """Hidden states of a text's tokens, without special ones.

        Args:
            text: not empty.
            layers: numbers of the states.
            longest: tokens at most, special ones among them.

        Returns:
            For each layer float32 of shape (tokens, width), and how many tokens were left out.
        """
        import torch

        whole = len(self._tokenise(text, verbose=False)["input_ids"])
        inputs = self._tokenise(
            text, truncation=True, max_length=longest, return_tensors="pt", return_special_tokens_mask=True
        )
        words = inputs.pop("special_tokens_mask")[0] == 0
        with torch.inference_mode():
            states = self._model(**inputs.to(self._device), output_hidden_states=True).hidden_states
        kept = [states[number][0].float().cpu()[words].numpy() for number in layers]
        return kept, max(0, whole - inputs["input_ids"].shape[1])


def _config(folder: Path) -> dict[str, Any]:
    return read_config(folder, f"{_OPTION}.checkpoint", KINDS)


@lru_cache(maxsize=1)
def _load(folder: Path, sha256: str, device: str) -> Encoder:
    """This process's encoder, loaded once; the hash tells one from another."""
    import torch

    torch.set_num_threads(1)  # the other processors belong to the other workers
    return Encoder(folder, device)
