"""Annotation files of the NITE XML Toolkit, read as untrusted XML.

What makes XML dangerous is declared in the file: entities that blow up or fetch other files, and default attributes
that every element repeats. A file with declarations is refused, and expat alone fetches nothing, so no second library
is needed; the size limit keeps a parser before expat 2.6, whose time grows with the square of a token, from hanging.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from xml.parsers import expat

from semiser.media.content import is_regular

LONGEST_BYTES = 16 << 20  # AMI's longest annotation file has 0.5 MB


class UnreadableXml(ValueError):
    """A file that is no well-formed XML, is too long, or has declarations, which may blow up to any size."""


@dataclass(slots=True)
class Element:
    """An element: its name with prefix, such as `w`, its attributes, such as `nite:id`, and its own text."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""


def read_elements(path: Path) -> list[Element]:
    """The elements of a file in the order of their beginnings, the root first; nesting is not kept.

    Raises:
        UnreadableXml: the file is not well formed, has declarations of its own or more than `LONGEST_BYTES`; the
            message names the file, and the line where there is one.
    """
    elements: list[Element] = []
    texts: list[list[str]] = []  # of each element, in pieces: adding to a string copies it
    open_texts: list[list[str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        elements.append(Element(name, attributes))
        texts.append([])
        open_texts.append(texts[-1])

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: open_texts.pop()
    parser.CharacterDataHandler = lambda text: open_texts[-1].append(text)
    parser.StartDoctypeDeclHandler = partial(_refuse_declarations, path)
    _parse(parser, path)
    for element, pieces in zip(elements, texts, strict=True):
        element.text = "".join(pieces)
    return elements


def _refuse_declarations(path: Path, name: str, system: str | None, public: str | None, has_own: int) -> None:
    if has_own:
        raise UnreadableXml(
            f"{path.name} declares XML entities or attributes, which annotation files have no need of: it is not read"
        )


def _parse(parser: expat.XMLParserType, path: Path) -> None:
    if not is_regular(path):
        raise UnreadableXml(f"{path.name} is no file but a folder, a pipe or a device, which may never end")
    if (size := path.stat().st_size) > LONGEST_BYTES:
        raise UnreadableXml(f"{path.name} has {size:,} bytes, an annotation file at most {LONGEST_BYTES:,}")
    try:
        parser.Parse(path.read_bytes(), True)
    except UnreadableXml:
        raise
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: of the encoding that it names
        raise UnreadableXml(f"{path.name} is not well-formed XML: {error}") from error
