"""Annotation files of the NITE XML Toolkit, read as untrusted XML: a file that declares entities is refused."""

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

_CHUNK_BYTES = 1 << 16


class UnreadableXml(ValueError):
    """A file that is no well-formed XML, or declares entities, which may blow up to any size."""


@dataclass(slots=True)
class Element:
    """An element: its name with prefix, such as `w`, its attributes, such as `nite:id`, and its own text."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""


def read_elements(path: Path) -> list[Element]:
    """The elements of a file in the order of their beginnings, the root first; nesting is not kept.

    Raises:
        UnreadableXml: the file is not well formed or declares entities; the message names file and line.
    """
    elements: list[Element] = []
    open_elements: list[Element] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        elements.append(Element(name, attributes))
        open_elements.append(elements[-1])

    def add_text(text: str) -> None:
        open_elements[-1].text += text

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: open_elements.pop()
    parser.CharacterDataHandler = add_text
    parser.EntityDeclHandler = lambda *_: _refuse_entities(path)
    _parse(parser, path)
    return elements


def _refuse_entities(path: Path) -> None:
    raise UnreadableXml(f"{path.name} declares XML entities, which annotation files have no need of: it is not read")


def _parse(parser: expat.XMLParserType, path: Path) -> None:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise UnreadableXml(f"{path.name} is not well-formed XML: {error}") from error
