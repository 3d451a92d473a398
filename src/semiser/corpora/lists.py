"""What readers of lists share, whose words and paths are their writer's: paths, words, numbers, JSON lines."""

import gzip
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from semiser.corpora.emotions import UnknownEmotion, canonical_emotion
from semiser.corpora.files import Misfit, leaves_root
from semiser.corpora.reader import (
    EmotionWords,
    Language,
    ReaderOptions,
    check_gender,
    check_language,
    unknown_emotion,
)
from semiser.corpora.tables import parse_object, to_number
from semiser.corpora.text import find_encoding, iter_lines
from semiser.corpora.utterance import Labels


class ListOptions(ReaderOptions):
    """Options of readers of lists.

    Attributes:
        emotions: the list's emotion words to canonical names.
        language: BCP 47 tag of all utterances; None: what the list says, if it says anything.
        strip: what paths begin with on the machine where the list was written, such as `/export/corpora/iemocap`; it
            is taken away, and what is left is relative to the root.
    """

    emotions: EmotionWords = Field(default_factory=dict)
    language: Language | None = None
    strip: str | None = Field(default=None, min_length=1)


def to_path(root: Path, text: str, options: ListOptions, folder: str = "") -> str:
    """A path of a list, relative to the root.

    An absolute path must lie below the root, or begin with the option `strip`. A relative one is looked for from the
    root, then from the list's own folder.

    Raises:
        Misfit: it is empty, or does not lead below the root.
    """
    path = text.replace("\\", "/")
    prefix = options.strip and options.strip.replace("\\", "/").rstrip("/") + "/"
    if prefix and path.startswith(prefix):
        path = path.removeprefix(prefix)
    elif os.path.isabs(path):
        path = posixpath.relpath(path, Path(os.path.abspath(root)).as_posix())
        if leaves_root(path):
            raise Misfit(
                f"{text!r} is no path below the root: name in the option `strip` what is to be taken away from paths"
            )
    path = posixpath.normpath(path) if path else ""
    if not path or leaves_root(path):
        raise Misfit(f"{text!r} is no path below the root")
    beside = posixpath.normpath(posixpath.join(folder, path))
    return beside if not os.path.isfile(root / path) and os.path.isfile(root / beside) else path


def to_emotion(word: str | None, options: ListOptions) -> Labels:
    """The labels `emotion` and `emotion_original` of a word; of none or an empty one there are no labels.

    Raises:
        Misfit: the word is not known.
    """
    if not word:
        return {}
    try:
        return {"emotion": canonical_emotion(word, options.emotions), "emotion_original": word}
    except UnknownEmotion as error:
        raise unknown_emotion(error) from error


def to_gender(text: str | None) -> str | None:
    """The canonical gender, None where there is none.

    Raises:
        Misfit: the word is not known.
    """
    try:
        return check_gender(text) if text else None
    except ValueError as error:
        raise Misfit(str(error)) from error


def to_language(text: str | None, options: ListOptions) -> str | None:
    """The option's language, else the list's.

    Raises:
        Misfit: the list's is no BCP 47 tag.
    """
    if options.language or not text:
        return options.language
    try:
        return check_language(text)
    except ValueError as error:
        raise Misfit(f"language {error}; or set the option `language` for all") from error


def check_scale(name: str, value: float | None, scale: tuple[float, float]) -> float | None:
    """The value as it is.

    Raises:
        Misfit: it is outside its scale.
    """
    if value is not None and not scale[0] <= value <= scale[1]:
        raise Misfit(f"{name} {value:g} is outside its scale, {scale[0]:g} to {scale[1]:g}")
    return value


def text_of(cells: dict[str, Any], name: str) -> str | None:
    """A text of an object, stripped; None where it is absent, null or empty; a whole number is a text, too.

    Raises:
        Misfit: it is something else.
    """
    value = cells.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise Misfit(f"{name} {value!r} is no text")
    try:
        return value.strip().encode("utf-8").decode("utf-8") or None if value else None
    except UnicodeEncodeError:
        raise Misfit(f"{name} {value!r} holds a lone surrogate, which is no text") from None


def number_of(cells: dict[str, Any], name: str) -> float | None:
    """A finite number of an object; None where it is absent or null.

    Raises:
        Misfit: it is something else.
    """
    value = cells.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        raise Misfit(f"{name} {value!r} is no number")
    return None if value is None else to_number(name, str(value))


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any] | Misfit]]:
    """Objects of a file of JSON lines, packed by gzip where its name ends in `.gz`, with their lines' numbers.

    Raises:
        ValueError: the file is not UTF-8 or cannot be unpacked; the message names it.
    """
    packed = path.suffix.lower() == ".gz"
    try:
        encoding = "utf-8-sig" if packed else find_encoding(path)
        with gzip.open(path, "rt", encoding=encoding) if packed else path.open(encoding=encoding) as file:
            for number, line in enumerate(iter_lines(file, path), start=1):
                if line.strip():
                    yield number, parse_object(line)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read as JSON lines: {error}") from error
