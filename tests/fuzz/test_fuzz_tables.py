"""Lexicons, word vectors, feature tables, manifests of shards, folds: what is read from disk beside corpora."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from fuzz.cases import ODD, damaged_json, examples, mutated_bytes, mutated_text, outcome
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from semiser.datasets.arrow import ArrowDataset
from semiser.features.lexicons import read_lexicons
from semiser.features.social import OTHER, TOPICS, one_hot
from semiser.features.tokens import tokenise
from semiser.features.word_vectors import (
    WordVectors,
    load_word_vectors,
    open_word_vectors,
    read_card,
    save_word_vectors,
)
from semiser.options.text_features import CliwcOptions, NtusdOptions, ValenceOptions
from semiser.shards.store import ShardFolder, ShardReport
from semiser.shards.table import Receipt, ShardedTable

CVAW = "Word,Valence_Mean\n快樂,7.5\n難過,2.5\n"
CLIWC = "%\n125\taffect\n126\tposemo\n127\tnegemo\n%\n快樂\t125\t126\n難過*\t127\n"
SCHEMA = pa.schema([("utterance_id", pa.string()), ("x", pa.list_(pa.float32(), 2))])


@examples(60)
@given(positive=mutated_text("快樂\n高興\n"), negative=mutated_text("難過\n"))
def test_ntusd(tmp_path_factory, positive, negative):
    folder = tmp_path_factory.getbasetemp()
    (folder / "p.txt").write_bytes(positive)
    (folder / "n.txt").write_bytes(negative)
    ntusd = NtusdOptions(positive=str(folder / "p.txt"), negative=str(folder / "n.txt"))
    _check_lexicon(outcome("lexicon ntusd", lambda: read_lexicons(ValenceOptions(ntusd=ntusd)), "ntusd"))


@examples(60)
@given(data=mutated_text(CVAW))
def test_cvaw(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "cvaw.csv"
    path.write_bytes(data)
    _check_lexicon(outcome("lexicon cvaw", lambda: read_lexicons(ValenceOptions(cvaw=str(path))), "cvaw"))


@examples(60)
@given(data=mutated_text(CLIWC))
def test_cliwc(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "cliwc.dic"
    path.write_bytes(data)
    cliwc = CliwcOptions(file=str(path))
    _check_lexicon(outcome("lexicon cliwc", lambda: read_lexicons(ValenceOptions(cliwc=cliwc)), "cliwc"))


def _check_lexicon(found: dict | None) -> None:
    for lexicon in (found or {}).values():
        assert all(word and word == word.strip() and sign in (1, -1) for word, sign in lexicon.items())


@examples(100)
@given(text=st.text(max_size=200) | st.sampled_from(ODD))
def test_words_of_any_text(text):
    words = outcome("words", lambda: tokenise(text, "en"))
    assert all(any(character.isalnum() for character in word) for word in words)


@examples(50)
@given(value=st.none() | st.text(max_size=20) | st.sampled_from((*ODD, *TOPICS)))
def test_social_attributes_of_any_text(value):
    encoded = outcome("social", lambda: one_hot(value, TOPICS))
    assert encoded.sum() == bool(value and value.strip())
    if value and value.strip().casefold() not in {topic.casefold() for topic in TOPICS}:
        assert not value.strip() or encoded[TOPICS.index(OTHER)] == 1


def _vectors(binary: bool) -> bytes:
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    words = ("the", "a", "好", "of")
    if binary:
        return b"4 2\n" + b"".join(
            f"{word} ".encode() + row.tobytes() + b"\n" for word, row in zip(words, values, strict=True)
        )
    return ("4 2\n" + "".join(f"{word} {row[0]} {row[1]}\n" for word, row in zip(words, values, strict=True))).encode()


@pytest.mark.parametrize(
    ("name", "binary"), [("v.txt", False), ("v.bin", True), ("v.txt.gz", False), ("v.bin.gz", True)]
)
def test_word_vectors(tmp_path, name, binary):
    path, plain = tmp_path / name, _vectors(binary)

    def check(data: bytes) -> None:
        path.write_bytes(data)
        found = outcome(f"vectors {name}", lambda: load_word_vectors(path), name)
        assert found is None or (found.matrix.shape[0] == len(found.words) and np.isfinite(found.matrix).all())

    if path.suffix == ".gz":
        # time stamps are left out, so that the examples are the same in every run
        strategy = mutated_bytes(plain).map(lambda data: gzip.compress(data, mtime=0))
        strategy |= mutated_bytes(gzip.compress(plain * 20, mtime=0))
    else:
        strategy = mutated_bytes(plain, header=8) | mutated_text(plain.decode("latin-1"))
    examples(60)(given(strategy)(check))()


def test_our_own_files_of_word_vectors(tmp_path):
    path, words = tmp_path / "v.arrow", ["a", "b", "word"]
    sha256 = save_word_vectors(WordVectors.of(words, np.eye(3)), path, {"key": "k", "origin": "here"})["sha256"]
    original = path.read_bytes()

    @examples(80)
    @given(data=mutated_bytes(original, header=len(original)))
    def check(data: bytes) -> None:
        path.unlink()  # what is mapped is not written into
        path.write_bytes(data)
        open_word_vectors.cache_clear()
        card = outcome("vectors card", lambda: read_card(path))
        assert card is None or isinstance(card, dict)
        found = outcome("vectors file", lambda: open_word_vectors(str(path), sha256), str(path))
        assert found is None or len(found.of_known(words)) <= 3

    check()


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """A committed table of one shard."""
    path = tmp_path_factory.mktemp("table") / "t"
    shards = ShardFolder(str(path / "shards"))
    with shards.shard("c/00000", SCHEMA, {"key": "k", "family": "f"}) as writer:
        for number in range(3):
            writer.add({"utterance_id": f"c/{number}", "x": np.ones(2)})
        writer.refuse("c/9", "9.wav", "too short")
    ShardedTable(str(path / "f.json")).commit(Receipt(shards.path, {"family": "f"}, [shards.report("c/00000", "k")]))
    return path


def test_footers_of_shards(tmp_path, table):
    shutil.copytree(table, tmp_path / "t")
    shard = tmp_path / "t/shards/c/00000-k.parquet"
    original = shard.read_bytes()

    @examples(120)
    @given(data=mutated_bytes(original[::-1], header=900).map(lambda data: data[::-1]))
    def check(data: bytes) -> None:
        shard.write_bytes(data)
        report = outcome("shard footer", lambda: ShardFolder(str(tmp_path / "t/shards")).report("c/00000", "k"))
        assert report is None or isinstance(report, ShardReport)

    check()


def test_manifests_of_shards(tmp_path, table):
    shutil.copytree(table, tmp_path / "t")
    path = tmp_path / "t/f.json"

    @examples(120)
    @given(data=damaged_json(json.loads(path.read_bytes())))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        table = ShardedTable(str(path))
        found = outcome("shard manifest", table.dataset, str(tmp_path / "t"))
        if found is not None:
            assert all(Path(file).resolve().is_relative_to(tmp_path / "t") for file in found.files)

    check()


def test_parquet_tables_of_the_catalog(tmp_path):
    path = tmp_path / "folds.parquet"
    dataset = ArrowDataset(filepath=str(path))
    dataset.save(pa.table({"fold": [1, 2], "role": ["train", "test"]}, metadata={"protocol": "{}"}))
    original = path.read_bytes()

    @examples(80)
    @given(data=mutated_bytes(original, header=len(original)))
    def check(data: bytes) -> None:
        path.write_bytes(data)

        def load() -> pa.Table:
            try:
                return dataset.load()
            except DatasetError as error:
                raise ValueError(str(error)) from error

        outcome("parquet table", load, "folds.parquet")

    check()
