"""Text files of corpora: UTF-8, else the encoding that the corpus is known for, and never a replacement character."""

import codecs
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TextIO

from semiser.corpora.files import printable
from semiser.media.content import is_regular, what_it_is

CHUNK_BYTES = 1 << 20
LONGEST_TEXT_BYTES = 64 << 20  # of a file that is held: the longest of a corpus known here has 2 MB
LONGEST_LINE = 16 << 20  # characters

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class UndecodableText(ValueError):
    """A text file that is in none of the encodings tried, or longer than anything that it could be."""


def find_encoding(path: Path, *encodings: str) -> str:
    """The encoding in which the whole of a text file decodes.

    UTF-8 (with or without a byte order mark) is tried first, or UTF-16 alone where the file begins with its byte
    order mark, which no UTF-8, GBK or Big5 text can begin with; then the given encodings in their order. The file is
    read in chunks and never held.

    Args:
        path: the file.
        encodings: encodings known of the corpus, such as `gb18030` (which holds GBK and GB 2312) or `big5`.

    Raises:
        UndecodableText: none of them decodes it; the message names the file and the encodings tried.
    """
    if not is_regular(path):
        raise UndecodableText(f"{_name(path)} is no file but a folder, a pipe or a device, which may never end")
    if what := what_it_is(path):
        raise UndecodableText(f"{_name(path)} is {what}")
    candidates = ("utf-16",) if _has_utf16_mark(path) else ("utf-8-sig", *encodings)
    for encoding in candidates:
        if _decodes(path, encoding):
            return encoding
    tried = ", ".join(name.removesuffix("-sig") for name in candidates)
    raise UndecodableText(f"{_name(path)} is not text in any encoding tried ({tried}): save it as UTF-8")


def is_there(path: Path) -> bool:
    """Whether there is a file that a reader can do without.

    Raises:
        UndecodableText: a pipe or a device stands there, which would count as absent without a word.
    """
    if path.is_file() or not path.exists() or path.is_dir():
        return path.is_file()
    raise UndecodableText(f"{_name(path)} is no file but a pipe or a device, which may never end")


def read_text(path: Path, *encodings: str) -> str:
    """The text of a small file, decoded as `find_encoding` finds.

    Raises:
        UndecodableText: none of the encodings decodes it, or it is no small file.
    """
    if (size := path.stat().st_size) > LONGEST_TEXT_BYTES:
        raise UndecodableText(f"{_name(path)} has {size:,} bytes, a list or transcript at most {LONGEST_TEXT_BYTES:,}")
    return path.read_text(encoding=find_encoding(path, *encodings))


def iter_lines(file: TextIO, path: Path) -> Iterator[str]:
    """Lines of an open text file with their ends, of which no more than one is held.

    Raises:
        UndecodableText: a line is longer than `LONGEST_LINE`; the message names the file and the line.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UndecodableText(
                f"{_name(path)}, line {number} is longer than {LONGEST_LINE:,} characters: is it a table?"
            )
        yield line


def check_encoding(name: str) -> str:
    """The name of a text encoding as an option gives it.

    Raises:
        ValueError: Python knows none of that name.
    """
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(f"{name!r} is no encoding that Python knows: expected one such as gb18030 or big5") from None
    return name


def _name(path: Path) -> str:
    return printable(PurePath(path.name))


def _has_utf16_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in _UTF16_MARKS


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    with path.open("rb") as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeError:  # not all codecs raise UnicodeDecodeError
            return False
    return True
