"""Pretrained text encoders as features: BERT and what is built like it, on transcripts.

Source: Devlin et al., "BERT" (2019), and its kin (RoBERTa, ELECTRA, DistilBERT, ...), Chinese and English. The models
are `transformers`', the weights a local checkpoint of the user's, whose hash is part of the fingerprint. Nothing is
downloaded. Special tokens are read by the model and are no part of frames and means.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from semiser.features.checkpoint import check_checkpoint, hash_checkpoint, read_config
from semiser.features.encoder import chosen_layers, computing, merge_and_pool, model_device, value_fields, value_row
from semiser.features.family import BatchedFamily, Source
from semiser.options.encoders import TextEncoderOptions

KINDS = (
    *("bert", "roberta", "xlm-roberta", "distilbert", "electra", "albert", "camembert", "deberta-v2", "ernie"),
    *("mpnet", "modernbert"),
)
_OPTION = "features.text_encoder"


class Text(NamedTuple):
    """A transcript as a model takes it.

    Attributes:
        inputs: of each token what the tokeniser gives: its number, its type.
        words: which tokens are no special ones.
        cut: tokens that were left out at the end.
    """

    inputs: dict[str, list[int]]
    words: np.ndarray
    cut: int


class TextEncoder(BatchedFamily[TextEncoderOptions, Text]):
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

    @property
    def budget(self) -> float:
        return self.options.batch_tokens

    def size(self, prepared: Text) -> float:
        return len(prepared.words)

    def prepare(self, source: Source) -> Text:
        text = (source.row["transcript"] or "").strip()
        return self._encoder().prepare(text, self.options.longest)

    def compute(self, batch: Sequence[Text]) -> Iterator[dict[str, Any]]:
        read = [text for text in batch if text.words.any()]
        found = iter(self._encoder()(read, self._layers) if read else [])
        for text in batch:
            empty = not text.words.any()
            states = [np.zeros((1, self._width), np.float32) for _ in self._layers] if empty else next(found)
            values = value_row(self.name, merge_and_pool(states, self.options))
            yield {**values, "cut_tokens": 0 if empty else text.cut, "no_text_encoder": empty}

    def _encoder(self) -> "Encoder":
        options = self.options
        return _load(options.checkpoint, options.checkpoint_sha256, options.device, options.precision)


class Encoder:
    """A model with its tokeniser."""

    def __init__(self, folder: Path, device: str, precision: str):
        """Load a checkpoint that `check_checkpoint` found good.

        Args:
            folder: of the checkpoint.
            device: that it computes on.
            precision: that it computes in.

        Raises:
            ValueError: there is no such device.
        """
        from transformers import AutoModel, AutoTokenizer

        self._device, self._precision = model_device(device, f"{_OPTION}.device"), precision
        self._tokenise = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, use_safetensors=True, local_files_only=True)
        self._model = model.eval().to(self._device)

    def prepare(self, text: str, longest: int) -> Text:
        """A text as the model takes it.

        Args:
            text: may be empty.
            longest: tokens at most, special ones among them.
        """
        whole = len(self._tokenise(text, verbose=False)["input_ids"])
        inputs = dict(self._tokenise(text, truncation=True, max_length=longest, return_special_tokens_mask=True))
        words = np.array(inputs.pop("special_tokens_mask")) == 0
        inputs.pop("attention_mask", None)
        return Text(inputs, words & bool(text), max(0, whole - len(words)))

    def __call__(self, batch: Sequence[Text], layers: list[int]) -> list[list[np.ndarray]]:
        """Hidden states of texts' tokens, without special ones.

        Args:
            batch: the texts.
            layers: numbers of the states.

        Returns:
            For each text and layer float32 of shape (tokens, width).
        """
        import torch

        longest = max(len(text.words) for text in batch)
        padding = {"input_ids": self._tokenise.pad_token_id or 0}
        inputs = {
            name: torch.tensor(
                [text.inputs[name] + [padding.get(name, 0)] * (longest - len(text.words)) for text in batch]
            )
            for name in batch[0].inputs
        }
        inputs["attention_mask"] = (torch.arange(longest) < torch.tensor([[len(text.words)] for text in batch])).long()
        with computing(self._device, self._precision):
            given = {name: values.to(self._device) for name, values in inputs.items()}
            states = self._model(**given, output_hidden_states=True).hidden_states
        chosen = [states[number].float().cpu().numpy() for number in layers]
        return [[state[place, : len(text.words)][text.words] for state in chosen] for place, text in enumerate(batch)]


def _config(folder: Path) -> dict[str, Any]:
    return read_config(folder, f"{_OPTION}.checkpoint", KINDS)


@lru_cache(maxsize=1)
def _load(folder: Path, sha256: str, device: str, precision: str) -> Encoder:
    """This process's encoder, loaded once; the hash tells one from another."""
    import torch

    torch.set_num_threads(1)  # the other processors belong to the other workers
    return Encoder(folder, device, precision)
