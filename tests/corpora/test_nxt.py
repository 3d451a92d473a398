"""Annotation files in XML."""

from pathlib import Path

import pytest

from semiser.corpora.nxt import UnreadableXml, read_elements

BOMB = """<?xml version="1.0"?>
<!DOCTYPE root [
<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
]>
<root><w starttime="0" endtime="1">&c;</w></root>"""


def _write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "x.words.xml"
    path.write_bytes(text.encode(encoding))
    return path


def test_elements_in_order_with_attributes_and_text_of_latin_1(tmp_path: Path):
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><r n:id="1"><w s="0.5">caf\xe9 &amp; <b>x</b>co</w><w/></r>'
    elements = read_elements(_write(tmp_path, text, "latin-1"))
    assert [(e.name, e.attributes, e.text) for e in elements] == [
        ("r", {"n:id": "1"}, ""),
        ("w", {"s": "0.5"}, "café & co"),
        ("b", {}, "x"),
        ("w", {}, ""),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, r"x\.words\.xml declares XML entities"),
        ('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r>&x;</r>', "declares XML entities"),
        ('<!DOCTYPE r [<!ENTITY % p SYSTEM "http://example.org/x.dtd"> %p;]><r/>', "declares XML entities"),
        ("<r><w></r>", r"not well-formed XML: mismatched tag: line 1"),
        ("<r><w>cut", "not well-formed XML"),
        ("", "not well-formed XML: no element found"),
    ],
)
def test_entities_and_broken_files_are_refused(tmp_path: Path, text, reason):
    with pytest.raises(UnreadableXml, match=reason):
        read_elements(_write(tmp_path, text))
