"""Local checkpoints of pretrained models, as `transformers` saves them: there, understood, and known by their hash."""

import hashlib
import json
from collections.abc import Collection
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SETTINGS = "preprocessor_config.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"  # of weights in several files

# What decides the values beside configuration and weights: how sound is prepared, and how text is split.
_PARTS = (
    *("config.json", SETTINGS, _INDEX),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt"),
    *("vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model"),
)


def check_checkpoint(folder: Path, option: str, kinds: Collection[str]) -> None:
    """See that the extra is installed and the checkpoint is there, without loading either.

    Args:
        folder: of the checkpoint.
        option: that names it, for errors.
        kinds: values of `model_type` that are taken.

    Raises:
        ModuleNotFoundError: `transformers` is not installed.
        FileNotFoundError: configuration or weights are missing.
        ValueError: the configuration is damaged, or of a model of another kind.
    """
    if find_spec("transformers") is None:
        family = option.split(".")[1]
        raise ModuleNotFoundError(
            f"features.{family} needs the package transformers: pip install 'semiser[encoders]', or do not extract it"
        )
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{option}: no config.json in {folder}. {_expected(kinds)}")
    if not _weights_of(folder):
        raise FileNotFoundError(
            f"{option}: no {_WEIGHTS} in {folder}. {_expected(kinds)} Weights of another format (pytorch_model.bin) "
            "are not read: load them with transformers where you trust them and save them anew"
        )
    read_config(folder, option, tuple(kinds))


@cache
def read_config(folder: Path, option: str, kinds: tuple[str, ...]) -> dict[str, Any]:
    """The checkpoint's `config.json`.

    Args:
        folder, option, kinds: as for `check_checkpoint`.

    Raises:
        ValueError: it is damaged, or of a model of another kind.
    """
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model_type = config.get("model_type")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"{option}: {folder}/config.json is damaged: {error}") from error
    if model_type not in kinds:
        raise ValueError(
            f"{option}: model_type in {folder}/config.json must be {' or '.join(map(repr, kinds))}, not {model_type!r}"
        )
    return config


def hash_checkpoint(folder: Path, expected: str | None, option: str) -> str:
    """SHA-256 of the checkpoint's files that decide values: configuration, settings, tokeniser, weights, end to end.

    Args:
        folder: of the checkpoint.
        expected: hash that the options insist on; None: any.
        option: that does, for the error.

    Raises:
        ValueError: it is another one.
    """
    digest = hashlib.sha256()
    for path in [*(folder / name for name in _PARTS if (folder / name).is_file()), *_weights_of(folder)]:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    found = digest.hexdigest()
    if expected not in (None, found):
        raise ValueError(
            f"{option}: {folder} must have the hash {expected}, not {found}: name the right checkpoint, or mend the "
            "hash"
        )
    return found


def _weights_of(folder: Path) -> list[Path]:
    whole = folder / _WEIGHTS
    if whole.is_file():
        return [whole]
    return sorted(folder.glob("model-*.safetensors")) if (folder / _INDEX).is_file() else []


def _expected(kinds: Collection[str]) -> str:
    return (
        f"It must be a local folder with a model ({', '.join(kinds)}) as save_pretrained(folder) of transformers "
        "writes it: config.json and model.safetensors."
    )
