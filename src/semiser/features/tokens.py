"""Words of a transcript: THULAC for Chinese (as MMMD, Zhou et al. 2021), Unicode word boundaries for the others."""

import threading
import unicodedata
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING, Any

import regex

from semiser.features.family import Source

if TYPE_CHECKING:
    import opencc

LIBRARIES = ("opencc", "regex", "thulac")

# ISO 639 codes whose text is written in Chinese characters without spaces.
_CHINESE = {"zh", "cmn", "wuu", "yue"}
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_BOUNDARY = regex.compile(r"\b", regex.WORD | regex.VERSION1)  # WORD: the boundaries of Unicode's annex 29
_APOSTROPHES = str.maketrans("’ʼ＇", "'''")

# THULAC keeps the state of a sentence in its object: one call at a time.
_thulac_lock = threading.Lock()
_LONGEST = 10_000  # characters in one call; THULAC fails above 50,000


def tokenise(text: str, language: str | None, lower_case: bool = False) -> list[str]:
    """Words of a text, in order, without punctuation, symbols and emoji.

    Chinese is converted to simplified characters and segmented by THULAC, which loads on the first Chinese text of a
    process (2.5 s, 770 MB). Other languages are cut at Unicode word boundaries: `don't`, `o'clock` and `3.14` stay
    whole, `U-Bahn` is two words, and Japanese falls into characters.

    Args:
        text: one utterance.
        language: BCP 47 tag; where it is None, text with Chinese characters and no kana counts as Chinese.
        lower_case: fold words to lower case.

    Returns:
        Words that hold at least one letter or digit.
    """
    text = unicodedata.normalize("NFC", text)
    pieces = _segment(simplify(text)) if is_chinese(text, language) else _split(text)
    words = [piece for piece in pieces if any(character.isalnum() for character in piece)]
    return [word.lower() for word in words] if lower_case else words


def transcript_words(source: Source, lower_case: bool) -> list[str]:
    """Words of an utterance's transcript, none where it has no transcript; families of one pass share the work."""
    text, language = source.row["transcript"] or "", source.row["language"]
    return source.once(("words", lower_case), lambda: tokenise(text, language, lower_case))


def is_chinese(text: str, language: str | None) -> bool:
    """Whether a text goes to THULAC: by its language, or by its characters where the language is not known."""
    if language is not None:
        return language.replace("_", "-").split("-")[0].lower() in _CHINESE
    return bool(_HAN.search(text)) and not _KANA.search(text)


def simplify(text: str) -> str:
    """Text in simplified characters.

    Text that holds a traditional character is converted by OpenCC with Taiwan's conventions, which also turn the
    particle 著 into 着; simplified text is left alone, where those conventions would damage it (么 to 幺).
    """
    return text if _converter("t2s").convert(text) == text else _converter("tw2s").convert(text)


def _split(text: str) -> list[str]:
    return _BOUNDARY.split(text.translate(_APOSTROPHES))


def _segment(text: str) -> list[str]:
    pieces = (text[start : start + _LONGEST] for start in range(0, len(text), _LONGEST))
    with _thulac_lock:
        return [word for piece in pieces for word, _ in _thulac().cut(piece)]


@cache
def _thulac() -> Any:
    """This process's segmenter; its message on stdout is dropped."""
    import thulac

    with redirect_stdout(StringIO()):
        return thulac.thulac(seg_only=True)


@cache
def _converter(configuration: str) -> "opencc.OpenCC":
    import opencc

    return opencc.OpenCC(configuration)
