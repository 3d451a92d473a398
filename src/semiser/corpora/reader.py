"""What a corpus reader is: a generator of rows and a few facts to check them against."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator

from semiser.corpora.emotions import EMOTIONS, UnknownEmotion
from semiser.corpora.files import Misfit
from semiser.corpora.utterance import Entry, Utterance
from semiser.options.base import Options

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_GENDERS = {
    "f": "female", "female": "female", "w": "female", "weiblich": "female", "女": "female",
    "m": "male", "male": "male", "männlich": "male", "男": "male",
}  # fmt: skip


def check_language(tag: str) -> str:
    """A BCP 47 tag.

    Raises:
        ValueError: it is none by its form.
    """
    if not _LANGUAGE.fullmatch(tag):
        raise ValueError(f"{tag!r} is no BCP 47 tag: expected one such as de, en, zh-Hans")
    return tag


def check_gender(text: str) -> str | None:
    """The canonical name of a gender, None where it is said to be unknown.

    Raises:
        ValueError: the word is not known.
    """
    if text.lower() in ("unknown", "other"):
        return None
    if text.lower() not in _GENDERS:
        raise ValueError(f"gender {text!r}: expected female, male, unknown or nothing")
    return _GENDERS[text.lower()]


def _check_emotions(emotions: dict[str, str]) -> dict[str, str]:
    if wrong := sorted(set(emotions.values()) - set(EMOTIONS)):
        raise ValueError(f"{', '.join(wrong)} is no canonical name; there are {', '.join(EMOTIONS)}")
    return emotions


def unknown_emotion(error: UnknownEmotion) -> Misfit:
    """The reason for a row whose emotion word the user may map."""
    return Misfit(f"{error}; map it with the option `emotions`", error.word)


Language = Annotated[str, AfterValidator(check_language)]
EmotionWords = Annotated[dict[str, str], AfterValidator(_check_emotions)]  # own words to canonical names


class ReaderOptions(Options):
    """Options of a reader; a reader without options takes this very model."""


@dataclass(frozen=True)
class PaperCount:
    """A count of utterances in a table of a paper: a complete copy of the corpus has as many.

    Attributes:
        table: such as `MSSGAN, Table I`.
        what: is counted, `arousal: low`.
        count: as printed.
        counts: whether an utterance is one of them.
    """

    table: str
    what: str
    count: int
    counts: Callable[[Utterance], bool]


OptionsT = TypeVar("OptionsT", bound=ReaderOptions)


@dataclass(frozen=True)
class Reader(Generic[OptionsT]):
    """A corpus reader.

    Attributes:
        read: `read(corpus, root, options)` yields rows in a fixed order (sorted paths or the lines of a list) and
            never loads audio nor holds the corpus. What it cannot use it yields as `Rejected`; files that are known
            not to be speech (editor leftovers, documentation) it passes over.
        pattern: the layout looked for, relative to the root, as shown to a user whose folder has nothing usable.
        example: one path that fits the pattern.
        options: pydantic model of the reader's options; `ReaderOptions` where it has none.
        language: BCP 47 tag of the corpus, None where the rows differ.
        expected: counts that the corpus's owners publish: `utterances`, `speakers`, `emotions` and, for corpora in
            parts, `utterances/<split>`, which is checked for the splits that are there.
        scales: published range of each dimensional label, such as `{"arousal": (1, 5)}`.
        source: who gives the corpus out, and where; empty where it is the user's own.
        papers: counts of the corpus in tables of the papers.
        signs: glob patterns below a root, one of which tells that the layout is this one, such as `db.yaml`; empty
            where nothing but the whole of it does.
    """

    read: Callable[[str, Path, OptionsT], Iterator[Entry]]
    pattern: str
    example: str
    options: type[OptionsT]
    language: str | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    source: str = ""
    papers: tuple[PaperCount, ...] = ()
    signs: tuple[str, ...] = ()
