"""Word vectors: trained by gensim on the corpus's own transcripts or loaded, kept in Arrow files without pickles.

Every file has the name of its key (what texts and options it was made from), so that experiments share the vectors that
they have in common and write over none. A file holds one row per word, most frequent first: `word`, `vector`, and
`alphabetical`, the row numbers in the words' alphabetical order. It is mapped into memory and searched by bisection, so
that workers share it, start at once and hold no dictionary of their own, whatever its size. Its schema metadata (key
`semiser`) are the `card`: where the vectors come from, and the hash of their content.
"""

import getpass
import gzip
import hashlib
import json
import logging
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fsspec import AbstractFileSystem, url_to_fs
from fsspec.implementations.local import LocalFileSystem

from semiser.claim import claimed
from semiser.corpora.text import CHUNK_BYTES, find_encoding, iter_lines
from semiser.features.tokens import tokenise
from semiser.options.text_features import Word2VecOptions
from semiser.publish import publishing, publishing_on_disk

logger = logging.getLogger(__name__)

FOLDER = "word_vectors"  # below the folder of features
VERSION = 1  # raised when the same text and options give other vectors than before
_METADATA_KEY = b"semiser"
_TRAINING_OPTIONS = {"lower_case", "vector_size", "window", "min_count", "epochs", "skip_gram", "seed"}
_HEADER = re.compile(rb"(\d{1,12}) (\d{1,12})\s*\n")
_UNPACKED = 20  # a packed file of vectors becomes 3 times as long; zeros could become a thousand times
_MOST_MENDED = 0.01  # words cut in the middle of a character are a few in a million
_WORDS_AT_ONCE = 65_536
_BYTES_PER_VALUE = 2  # at least: a digit and a blank


class BadVectors(ValueError):
    """A file of word vectors that cannot be read as one."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Words with their vectors, most frequent first.

    Attributes:
        words: Arrow array of the words.
        matrix: float32 of shape (words, values).
        alphabetical: row numbers of the words in alphabetical order (of code points).
    """

    words: pa.StringArray
    matrix: np.ndarray
    alphabetical: np.ndarray

    @classmethod
    def of(cls, words: Sequence[str], matrix: np.ndarray) -> "WordVectors":
        """Vectors of different words, shape (words, values)."""
        words = pa.array(words, pa.string())
        return cls(words, np.ascontiguousarray(matrix, np.float32), pc.sort_indices(words).to_numpy())

    def row(self, word: str) -> int | None:
        """The row of a word, None for an unknown one."""
        place = bisect_left(self.alphabetical, word, key=lambda row: self.words[row].as_py())
        row = int(self.alphabetical[place]) if place < len(self.words) else None
        return row if row is not None and self.words[row].as_py() == word else None

    def of_known(self, words: Sequence[str]) -> np.ndarray:
        """Vectors of those words that are known, in order, shape (known, values)."""
        rows = [row for row in map(self.row, words) if row is not None]
        return self.matrix[rows]

    @property
    def sha256(self) -> str:
        """Hash of words and vectors."""
        digest = hashlib.sha256()
        for first in range(0, len(self.words), _WORDS_AT_ONCE):  # a process that only looks words up holds no list
            part = "\n".join(self.words[first : first + _WORDS_AT_ONCE].to_pylist())
            digest.update(("\n" if first else "").encode() + part.encode())
        digest.update(str(self.matrix.shape).encode())
        digest.update(self.matrix.data)
        return digest.hexdigest()


def make_word_vectors(utterances: pa.Table, options: Word2VecOptions, folder: str) -> dict[str, Any]:
    """Make the file of word vectors that `options` ask for, unless it is there already.

    Training takes the transcripts of all utterances of `options.corpora`, those of test speakers too and no labels:
    declare that where a protocol forbids it.

    Args:
        utterances: rows of `utterances`.
        options: which vectors.
        folder: of the files, an fsspec path that the workers reach; where two runs make the same file, one waits.

    Returns:
        The card: `sha256`, `vector_size`, `words`, `origin`, `key`.

    Raises:
        ValueError: nothing to train on, or a file that cannot be loaded.
    """
    texts = [] if options.vectors else _transcripts(utterances, options)
    key = _key(texts, options)
    path = vectors_path(folder, key)
    with claimed([folder]):
        card = read_card(path)
        if card and card.get("key") == key:
            logger.info("%s is up to date: %s", path, card["origin"])
            return card
        if options.vectors:
            vectors, origin = load_word_vectors(options.vectors, options.limit), Path(options.vectors).name
        else:
            sentences = list(iter_sentences(texts, options))
            vectors, origin = train_word_vectors(sentences, options), _describe(sentences)
        facts = {"key": key, "origin": origin, "options": options.model_dump(mode="json")}
        return save_word_vectors(vectors, path, facts)


def vectors_path(folder: str, key: str) -> str:
    """Where the vectors with this key lie."""
    return f"{folder}/{key[:12]}.arrow"


def find_word_vectors(place: str, sha256: str) -> str:
    """The file of the vectors with this hash.

    Args:
        place: the file itself, which is not looked into, or a folder of such files.
        sha256: of words and vectors.

    Raises:
        FileNotFoundError: none of the folder's files has it.
    """
    filesystem, folder = _at(place)
    if not filesystem.isdir(folder):
        return place
    for name in sorted(found.rpartition("/")[2] for found in filesystem.ls(folder, detail=False)):
        if name.endswith(".arrow") and (read_card(f"{place}/{name}") or {}).get("sha256") == sha256:
            return f"{place}/{name}"
    raise FileNotFoundError(
        f"no word vectors with hash {sha256} at {place}: give the file of those that the model was trained with"
    )


def iter_sentences(texts: list[tuple[str, str | None]], options: Word2VecOptions) -> Iterator[list[str]]:
    """Words of each (transcript, language), then of each line of `options.texts`; equal words are one object."""
    for text, language in texts:
        yield [sys.intern(word) for word in tokenise(text, language, options.lower_case)]
    for path in options.texts:
        with open(path, encoding=find_encoding(Path(path), "gb18030")) as lines:
            for line in iter_lines(lines, Path(path)):
                yield [sys.intern(word) for word in tokenise(line, None, options.lower_case)]


def train_word_vectors(sentences: Sequence[Sequence[str]], options: Word2VecOptions) -> WordVectors:
    """Word vectors of sentences by word2vec (Mikolov et al. 2013), in gensim.

    With one training thread the same sentences and options give the same vectors on the same machine.

    Args:
        sentences: words of each sentence.
        options: size, window, minimal count, epochs, skip-gram, seed, threads.

    Raises:
        ValueError: no word occurs often enough.
    """
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=options.vector_size,
        window=options.window,
        min_count=options.min_count,
        epochs=options.epochs,
        sg=int(options.skip_gram),
        seed=options.seed,
        workers=options.training_threads,
    )
    if any(sentences):
        model.build_vocab(sentences)
    if not len(model.wv):
        raise ValueError(
            f"features.word2vec: no word occurs {options.min_count} times in {len(sentences)} transcripts, so no "
            "vectors can be trained: lower word2vec.min_count, give word2vec.texts, load word2vec.vectors, or leave "
            "the family out"
        )
    model.train(sentences, total_examples=model.corpus_count, epochs=model.epochs)
    return WordVectors.of(model.wv.index_to_key, model.wv.vectors)


def load_word_vectors(path: str | Path, limit: int | None = None) -> WordVectors:
    """Word vectors from a file in word2vec's text or binary format, which is told by its content; `.gz` is unpacked.

    gensim's own format (`KeyedVectors.save`, usually `.kv`) always keeps its words in a pickle, which can run code
    when it is read, so it is refused; the error says how to convert it.

    Args:
        path: the file.
        limit: number of words to take from its beginning; None takes all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: another format, a damaged file, or values that are not finite.
    """
    from gensim.models import KeyedVectors

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"features.word2vec.vectors: there is no file {path}")
    try:
        binary = _is_binary(path, limit)
        # Words that are no UTF-8 (cut in the middle of a character) match nothing, so they may be mended.
        found = KeyedVectors.load_word2vec_format(str(path), binary=binary, limit=limit, unicode_errors="replace")
    except EOFError as error:
        raise BadVectors(f"features.word2vec.vectors: {path.name} ends too early: fetch it again") from error
    except BadVectors:
        raise
    except (OSError, ValueError, zlib.error) as error:
        raise BadVectors(f"features.word2vec.vectors: {path.name} is damaged: {error}") from error
    if missing := sum(word is None for word in found.index_to_key):
        raise BadVectors(
            f"features.word2vec.vectors: {path.name} is damaged: {missing:,} of the {len(found.index_to_key):,} words "
            "that its first line counts are not there, or stand there twice"
        )
    mended = sum("\ufffd" in word for word in found.index_to_key)
    if mended > _MOST_MENDED * len(found.index_to_key):
        raise BadVectors(
            f"features.word2vec.vectors: {mended:,} of {len(found.index_to_key):,} words of {path.name} are no UTF-8 "
            "and match no transcript: is the file in GBK or Big5? Convert it (`iconv -f gb18030 -t utf-8`)"
        )
    if not np.isfinite(found.vectors).all():
        raise ValueError(f"features.word2vec.vectors: {path.name} holds values that are not finite")
    return WordVectors.of(found.index_to_key, found.vectors)


def save_word_vectors(vectors: WordVectors, path: str | Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write vectors as an Arrow file, completely or not at all; the same vectors and facts give the same bytes.

    Args:
        vectors: to write.
        path: of the file.
        facts: JSON facts for the card; `key` and `origin` among them.

    Returns:
        The card: the facts, `sha256`, `vector_size` and `words`.
    """
    words, size = vectors.matrix.shape
    libraries = {"gensim": version("gensim")}
    card = {**facts, "sha256": vectors.sha256, "vector_size": size, "words": words, "libraries": libraries}
    columns = {
        "word": vectors.words,
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.matrix.ravel()), size),
        "alphabetical": pa.array(vectors.alphabetical, pa.uint64()),
    }
    table = pa.table(columns).replace_schema_metadata({_METADATA_KEY: json.dumps(card, ensure_ascii=False)})
    with publishing(*_at(path)) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    return card


def read_card(path: str | Path) -> dict[str, Any] | None:
    """The card of a file of `save_word_vectors`, None where there is none or it is damaged."""
    try:
        filesystem, place = _at(path)
        with filesystem.open(place, "rb") as file:
            metadata = pa.ipc.open_file(file).schema.metadata or {}
        card = json.loads(metadata.get(_METADATA_KEY, b"null"))
    except (OSError, pa.ArrowException, ValueError, RecursionError):
        return None
    return card if isinstance(card, dict) else None


@lru_cache(maxsize=2)
def open_word_vectors(path: str, sha256: str) -> WordVectors:
    """The vectors of a file of `save_word_vectors`, mapped into memory, once per process, their hash compared.

    What lies on no disk is fetched to the folder of temporary files, once per machine.

    Raises:
        ValueError: the file holds other vectors than those of that hash, or is damaged.
    """
    found = (read_card(path) or {}).get("sha256")
    if found != sha256:
        raise ValueError(f"word vectors at {path}: expected those with hash {sha256}, found {found}: run again")
    place = _on_disk(path, sha256)
    try:
        table = pa.ipc.open_file(pa.memory_map(place)).read_all()
        table.validate(full=True)  # places within the file: Arrow follows them without looking, out of the process
        words, vectors, alphabetical = (table[name].chunk(0) for name in ("word", "vector", "alphabetical"))
        matrix = vectors.values.to_numpy().reshape(len(vectors), vectors.type.list_size)
        vectors = WordVectors(words, matrix, alphabetical.to_numpy())
        if vectors.alphabetical.max(initial=0) >= len(words):
            raise BadVectors(f"a row beyond the {len(words)} words")
        if (found := vectors.sha256) != sha256:
            raise BadVectors(f"their content has the hash {found}, and should have {sha256}")
    except (OSError, pa.ArrowException, ValueError, KeyError, IndexError, AttributeError) as error:
        raise BadVectors(f"word vectors at {place} are damaged ({error}): remove the file and run again") from error
    return vectors


def _at(path: str | Path) -> tuple[AbstractFileSystem, str]:
    return url_to_fs(str(path), use_listings_cache=False)


def _on_disk(path: str, sha256: str) -> str:
    """The file itself, or a copy of it on this machine."""
    filesystem, place = _at(path)
    if isinstance(filesystem, LocalFileSystem):
        return place
    copy = private_folder() / f"word_vectors-{sha256}.arrow"
    if not copy.exists():
        with publishing_on_disk(copy) as file, filesystem.open(place, "rb") as source:
            shutil.copyfileobj(source, file)
    return str(copy)


def private_folder() -> Path:
    """A folder among the temporary files that nobody else can write to.

    Raises:
        PermissionError: somebody else made it, or others may write there.
    """
    folder = Path(tempfile.gettempdir()) / f"semiser-{getpass.getuser()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise PermissionError(f"{folder} is not a folder of yours: remove it, or let TMPDIR name another place")
    if os.name == "posix" and found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def _transcripts(utterances: pa.Table, options: Word2VecOptions) -> list[tuple[str, str | None]]:
    """Transcripts with their languages, in the order of corpora and ids."""
    ordered = utterances.sort_by([("corpus", "ascending"), ("utterance_id", "ascending")])
    wanted = pc.is_valid(ordered["transcript"])
    if options.corpora is not None:
        wanted = pc.and_(wanted, pc.is_in(ordered["corpus"], pa.array(options.corpora, pa.string())))
    rows = ordered.filter(wanted)
    return list(zip(rows["transcript"].to_pylist(), rows["language"].to_pylist(), strict=True))


def _key(texts: list[tuple[str, str | None]], options: Word2VecOptions) -> str:
    """Fingerprint of what decides the vectors: a loaded file's size and time, or text and training options."""
    if options.vectors:
        path = Path(options.vectors)
        file_facts = [path.stat().st_size, path.stat().st_mtime_ns, options.limit] if path.is_file() else []
        return hashlib.sha256(json.dumps([VERSION, path.name, file_facts]).encode()).hexdigest()
    facts = options.model_dump(mode="json", include=_TRAINING_OPTIONS)
    digest = hashlib.sha256(json.dumps([VERSION, facts], sort_keys=True).encode())
    for text in texts:
        digest.update(json.dumps(text, ensure_ascii=False).encode())
    for text_file in options.texts:
        with open(text_file, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _describe(sentences: Sequence[Sequence[str]]) -> str:
    return f"word2vec trained on {len(sentences)} transcripts of {sum(map(len, sentences))} words"


def _is_binary(path: Path, limit: int | None) -> bool:
    """Whether a word2vec file is binary: its first record, read as text, is not a word and the header's values."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        header, record = file.readline(100), file.readline(1 << 20)
    if header[:1] == b"\x80":
        raise BadVectors(
            f"features.word2vec.vectors: {path.name} is a pickle, as gensim's own `save` makes it, and can run code "
            "when it is read. Convert it where you trust it: `gensim.models.KeyedVectors.load(file)"
            ".save_word2vec_format('vectors.bin', binary=True)`, and give `vectors.bin`"
        )
    if not (match := _HEADER.fullmatch(header)):
        raise BadVectors(
            f"features.word2vec.vectors: {path.name} is not in word2vec's text or binary format: its first line must "
            f"be the numbers of words and values, found {header[:40]!r}"
        )
    words, values = int(match[1]), int(match[2])
    _check_size(path, min(words, limit or words), values)
    fields = record.split()
    if len(fields) != values + 1:
        return True
    try:
        [float(field) for field in fields[1:]]
    except ValueError:
        return True
    return False


def _check_size(path: Path, words: int, values: int) -> None:
    """Refuse a header that promises more than the file can hold, before memory is taken for it."""
    held = _unpacked_bytes(path) if path.suffix == ".gz" else path.stat().st_size
    if words * values * _BYTES_PER_VALUE > held:
        raise BadVectors(
            f"features.word2vec.vectors: {path.name} promises {words:,} words of {values:,} values, and has {held:,} "
            "bytes, too few to hold them: fetch it again"
        )


def _unpacked_bytes(path: Path) -> int:
    """Length of a packed file once unpacked, which is not held."""
    held, most = 0, _UNPACKED * path.stat().st_size + CHUNK_BYTES
    with gzip.open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            held += len(chunk)
            if held > most:
                raise BadVectors(
                    f"features.word2vec.vectors: {path.name} unpacks to more than {_UNPACKED} times its length, which "
                    "no word vectors do: unpack it yourself if you trust it"
                )
    return held
