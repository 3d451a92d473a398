"""Every corpus reader through ingest, on copies whose tables, transcripts and names are not what they should be."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz.cases import examples, mutated_bytes, mutated_text, odd_text, outcome
from fuzz.corpora import COPIES, FACE_COPIES, MANIFESTS, Copy
from helpers import voice, write_wav
from hypothesis import given
from hypothesis import strategies as st

from semiser.corpora.ingest import Ingested, ingest
from semiser.corpora.nxt import read_elements
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.faces.images import FACES_SCHEMA, ingest_faces
from semiser.faces.registry import get_face_reader


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """Half a second of sound."""
    return write_wav(tmp_path_factory.mktemp("sound") / "a.wav", voice(0.5))


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "a.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((48, 48), np.uint8))[1].tobytes())
    return path


def _write(root: Path, texts: dict[str, bytes], media: tuple[str, ...] = (), file: Path | None = None) -> None:
    """Files below the root; texts that are there already are replaced."""
    for name, data in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    for name in media:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if not (root / name).exists():
            os.link(file, root / name)


def _ingest(reader: str, root: Path, options: dict) -> Ingested:
    return ingest(
        IngestOptions(
            corpora={"fuzzed": {"reader": reader, "root": str(root), "options": options}}, max_quarantined_share=1
        )
    )


def _check(found: Ingested | None, root: Path) -> None:
    """Rows are of the corpus and of files below its root; what is not has a place and a reason."""
    if found is None:
        return
    assert found.utterances.schema.equals(UTTERANCES_SCHEMA)
    for row in found.utterances.to_pylist():
        assert row["utterance_id"].startswith("fuzzed/") and row["duration_s"] > 0
        assert (root / row["audio_path"]).resolve().is_relative_to(root.resolve())
    for row in found.quarantine.to_pylist():
        assert row["corpus"] == "fuzzed" and row["path"] and row["reason"]


@st.composite
def _texts(draw: st.DrawFn, texts: dict[str, str]) -> dict[str, bytes]:
    """The text files, one of them mutated."""
    chosen = draw(st.sampled_from(sorted(texts)))
    data = draw(mutated_text(texts[chosen]) | st.just(b"") | st.binary(max_size=40))
    return {name: text.encode() for name, text in texts.items()} | {chosen: data}


def _fuzz(number: int, strategy: st.SearchStrategy, check: Callable) -> None:
    examples(number)(given(strategy)(check))()


@pytest.mark.parametrize("reader", [name for name, copy in COPIES.items() if copy.texts])
def test_readers_of_tables_and_transcripts(tmp_path, sound, reader):
    copy = COPIES[reader]
    _write(tmp_path / "c", {}, copy.media, sound)

    def check(texts: dict[str, bytes]) -> None:
        _write(tmp_path / "c", texts)
        names = [Path(name).name for name in texts]
        _check(
            outcome(f"reader {reader}", lambda: _ingest(reader, tmp_path / "c", copy.options), *names), tmp_path / "c"
        )

    _fuzz(60, _texts(copy.texts), check)


@pytest.mark.parametrize("reader", [*COPIES, "manifest"])
def test_a_copy_as_it_should_be_is_read_whole(tmp_path, sound, reader):
    copy = COPIES.get(reader) or Copy({"utterances.csv": MANIFESTS["utterances.csv"]}, ("clips/1.wav", "clips/2.wav"))
    texts = {name: text.encode() for name, text in copy.texts.items()}
    _write(tmp_path / "c", texts, copy.media, sound)
    found = _ingest(reader, tmp_path / "c", copy.options)
    assert found.utterances.num_rows == {"ami": 6, "emovoxceleb": 2, "esd": 3}.get(
        reader, sum(name.endswith((".wav", ".mp4")) for name in copy.media)
    )


_FILE_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..")
)


@pytest.mark.parametrize("reader", COPIES)
def test_readers_of_file_names(tmp_path, sound, reader):
    copy = COPIES[reader]
    texts = {name: text.encode() for name, text in copy.texts.items()}

    @st.composite
    def names(draw: st.DrawFn) -> str:
        parts = list(Path(draw(st.sampled_from(copy.media))).parts)
        at = draw(st.integers(0, len(parts) - 1))
        odd = draw(_FILE_NAMES)
        stem, suffix = os.path.splitext(parts[at])
        parts[at] = draw(st.sampled_from((odd + suffix, stem + odd + suffix, odd[:1] + stem + suffix, f"{stem}{odd}")))
        return str(Path(*parts))

    def check(name: str) -> None:
        shutil.rmtree(tmp_path / "c", ignore_errors=True)
        _write(tmp_path / "c", texts, (*copy.media, name), sound)
        found = outcome(f"names {reader}", lambda: _ingest(reader, tmp_path / "c", copy.options))
        _check(found, tmp_path / "c")

    _fuzz(10, names(), check)


@pytest.mark.parametrize("file", MANIFESTS)
def test_manifests(tmp_path, sound, file):
    def check(texts: dict[str, bytes]) -> None:
        _write(tmp_path / "c", texts, ("clips/1.wav", "clips/2.wav"), sound)
        found = outcome(f"manifest {file}", lambda: _ingest("manifest", tmp_path / "c", {"file": file}), file)
        _check(found, tmp_path / "c")

    _fuzz(80, _texts({file: MANIFESTS[file]}), check)


_CELLS = (
    odd_text()
    | st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.booleans()
    | st.lists(st.floats(), max_size=9)
    | st.lists(st.text(max_size=3), max_size=3)
    | st.recursive(
        st.none() | st.text(max_size=3) | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=9
    )
    | st.dictionaries(st.sampled_from(("word", "start_s", "end_s")), st.integers() | st.text(max_size=3), max_size=3)
)
_NAMES = st.sampled_from(UTTERANCES_SCHEMA.names)


@examples(80)
@given(rows=st.lists(st.dictionaries(_NAMES, _CELLS, max_size=8), max_size=5))
def test_manifests_of_json_values_of_every_kind(tmp_path_factory, sound, rows):
    import json

    root = tmp_path_factory.getbasetemp() / "json"
    lines = [json.dumps({"audio_path": "clips/1.wav", **row}) for row in rows]
    _write(root, {"u.jsonl": "\n".join(lines).encode()}, ("clips/1.wav",), sound)
    _check(outcome("manifest values", lambda: _ingest("manifest", root, {"file": "u.jsonl"}), "u.jsonl"), root)


def _parquet() -> bytes:
    table = pa.table(
        {
            "audio_path": ["clips/1.wav", "clips/2.wav", "../3.wav"],
            "speaker_id": [1.0, None, 3.0],
            "arousal_votes": [[1.0, 2.0], None, []],
            "transcript": ["hello", "你好", None],
        }
    )
    with io.BytesIO() as file:
        pq.write_table(table, file)
        return file.getvalue()


@examples(80)
@given(data=mutated_bytes(_parquet(), header=4096))
def test_manifests_in_damaged_parquet(tmp_path_factory, sound, data):
    root = tmp_path_factory.getbasetemp() / "parquet"
    _write(root, {"u.parquet": data}, ("clips/1.wav", "clips/2.wav"), sound)
    _check(outcome("manifest u.parquet", lambda: _ingest("manifest", root, {"file": "u.parquet"}), "u.parquet"), root)


@pytest.mark.parametrize("name", [name for name, copy in FACE_COPIES.items() if copy.texts])
def test_readers_of_face_images(tmp_path, picture, name):
    copy, root = FACE_COPIES[name], tmp_path / "c"
    reader = get_face_reader(name.removesuffix("_pixels"))

    _write(root, {}, copy.media, picture)

    def check(texts: dict[str, bytes]) -> None:
        _write(root, texts)
        found = outcome(
            f"faces {name}",
            lambda: ingest_faces("fuzzed", root, reader, reader.options(), 1),
            *(Path(text).name for text in texts),
        )
        if found is not None:
            assert found.faces.schema.equals(FACES_SCHEMA)
            for path in found.faces["path"].drop_null().to_pylist():
                assert (root / path).resolve().is_relative_to(root.resolve())
            assert all(row.path and row.reason for row in found.rejected)

    _fuzz(50, _texts(copy.texts), check)


@examples(120)
@given(data=mutated_text(COPIES["ami"].texts["words/ES2002a.A.words.xml"]))
def test_annotations_in_xml(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "x.words.xml"
    path.write_bytes(data)
    outcome("xml", lambda: read_elements(path), path.name)
