"""The lines of a transcript file by what they belong to, and those that belonged to nothing."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Generic, TypeVar

from semiser.corpora.files import printable
from semiser.corpora.utterance import Unmatched

Key = TypeVar("Key")


class Transcripts(Generic[Key]):
    """Texts that readers ask for by utterance, sentence number or clip; what nobody asked for is told at the end."""

    def __init__(self, texts: Mapping[Key, str] | None = None, path: PurePath | None = None):
        """Args:
        texts: by key.
        path: of the file below the corpus root; None where there is none.
        """
        self._texts, self._path, self._asked = dict(texts or {}), path, set[Key]()

    def get(self, key: Key) -> str | None:
        """The text of a key, None where there is none."""
        self._asked.add(key)
        return self._texts.get(key)

    def unmatched(self, corpus: str) -> Iterator[Unmatched]:
        """What to say of lines that nobody asked for; nothing where there are none."""
        if self._path is not None and (lines := self._texts.keys() - self._asked):
            yield Unmatched(corpus, printable(self._path), len(lines), len(self._texts))
