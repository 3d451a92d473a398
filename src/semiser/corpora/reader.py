"""What a corpus reader is: a generator of rows and a few facts to check them against."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from semiser.corpora.utterance import Rejected, Utterance


class ReaderOptions(BaseModel):
    """Options of a reader; a reader without options takes this very model."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Reader:
    """A corpus reader.

    Attributes:
        read: `read(corpus, root, options)` yields rows in a fixed order (sorted paths or the lines of a list) and
            never loads audio nor holds the corpus. What it cannot use it yields as `Rejected`; files that are known
            not to be speech (editor leftovers, documentation) it passes over.
        pattern: the layout looked for, relative to the root, as shown to a user whose folder has nothing usable.
        example: one path that fits the pattern.
        language: BCP 47 tag of the corpus, None where the rows differ.
        expected: counts that the corpus's owners publish: `utterances`, `speakers`, `emotions` and, for corpora in
            parts, `utterances/<split>`, which is checked for the splits that are there.
        scales: published range of each dimensional label, such as `{"arousal": (1, 5)}`.
        options: pydantic model of the reader's options.
    """

    read: Callable[[str, Path, ReaderOptions], Iterator[Utterance | Rejected]]
    pattern: str
    example: str
    language: str | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    options: type[ReaderOptions] = ReaderOptions
