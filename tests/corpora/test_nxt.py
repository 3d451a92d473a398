"""Annotation files in XML."""

from pathlib import Path

import pytest

from semiser.corpora import nxt
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
        ('<!DOCTYPE r [<!ATTLIST w x CDATA "long">]><r><w/></r>', "declares XML entities or attributes"),
        ('<?xml version="1.0" encoding="big5"?><r/>', r"x\.words\.xml is not .*multi-byte encodings"),
        ('<?xml version="1.0" encoding="klingon"?><r/>', r"x\.words\.xml is not .*unknown encoding: klingon"),
        ("<r><w></r>", r"not well-formed XML: mismatched tag: line 1"),
        ("<r><w>cut", "not well-formed XML"),
        ("", "not well-formed XML: no element found"),
    ],
)
def test_entities_and_broken_files_are_refused(tmp_path: Path, text, reason):
    with pytest.raises(UnreadableXml, match=reason):
        read_elements(_write(tmp_path, text))


def test_a_file_longer_than_any_annotation_is_not_read(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(nxt, "LONGEST_BYTES", 10)
    with pytest.raises(UnreadableXml, match=r"x\.words\.xml has 11 bytes, an annotation file at most 10"):
        read_elements(_write(tmp_path, "<r>1234</r>"))


def test_an_external_document_type_is_not_fetched(tmp_path: Path):
    (element,) = read_elements(_write(tmp_path, '<!DOCTYPE r SYSTEM "http://localhost:1/r.dtd"><r/>'))
    assert element.name == "r"
