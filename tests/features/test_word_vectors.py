import gzip
import json
import os

import numpy as np
import pyarrow as pa
import pytest
from gensim.models import KeyedVectors

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.features.word_vectors import (
    BadVectors,
    WordVectors,
    find_word_vectors,
    load_word_vectors,
    make_word_vectors,
    open_word_vectors,
    private_folder,
    read_card,
    save_word_vectors,
    train_word_vectors,
    vectors_path,
)
from semiser.options.text_features import Word2VecOptions

WORDS = ["the", "Apfel", "zebra", "好"]
MATRIX = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float32)
SMALL = Word2VecOptions(vector_size=4, min_count=2, epochs=2)


def keyed() -> KeyedVectors:
    vectors = KeyedVectors(2)
    vectors.add_vectors(WORDS, MATRIX)
    return vectors


def utterances(*transcripts, corpus="tiny", language="en") -> pa.Table:
    rows = [
        {"utterance_id": f"{corpus}/{n}", "corpus": corpus, "audio_path": "", "transcript": text, "language": language}
        for n, text in enumerate(transcripts)
    ]
    return pa.Table.from_pylist(rows, UTTERANCES_SCHEMA)


def test_known_words_have_their_vectors_and_unknown_ones_are_skipped():
    vectors = WordVectors.of(WORDS, MATRIX)
    assert [vectors.row(word) for word in ["好", "Apfel", "the", "zebra"]] == [3, 1, 0, 2]
    assert [vectors.row(word) for word in ["", "apfel", "zz", "龥龥"]] == [None] * 4
    np.testing.assert_array_equal(vectors.of_known(["zebra", "none", "the", "zebra"]), [[5, 6], [1, 2], [5, 6]])
    assert vectors.of_known(["none"]).shape == (0, 2)


def test_training_repeats_and_follows_seed_and_options():
    sentences = [["a", "b", "c"], ["a", "b"], ["c", "a", "once"]]
    first = train_word_vectors(sentences, SMALL)
    assert set(first.words.to_pylist()) == {"a", "b", "c"}  # `once` is below min_count
    assert first.words[0].as_py() == "a"  # the most frequent
    assert first.matrix.shape == (3, 4)
    assert train_word_vectors(sentences, SMALL).sha256 == first.sha256
    other = train_word_vectors(sentences, SMALL.model_copy(update={"seed": 1}))
    assert other.sha256 != first.sha256


@pytest.mark.parametrize("sentences", [[], [[]], [["a"], ["b"]]])
def test_no_frequent_word_is_an_error_that_names_the_options(sentences):
    with pytest.raises(ValueError, match=r"no word occurs 2 times .* word2vec.min_count"):
        train_word_vectors(sentences, SMALL)


@pytest.mark.parametrize(
    ("name", "binary"), [("a.bin", True), ("a.kv", True), ("a.txt", False), ("a.kv", False), ("a.bin.gz", True)]
)
def test_word2vec_formats_load_whatever_the_ending(tmp_path, name, binary):
    keyed().save_word2vec_format(str(tmp_path / name), binary=binary)
    vectors = load_word_vectors(tmp_path / name)
    assert vectors.words.to_pylist() == WORDS
    np.testing.assert_array_equal(vectors.matrix, MATRIX)
    assert load_word_vectors(tmp_path / name, limit=2).words.to_pylist() == WORDS[:2]


def test_gensims_own_format_is_refused_with_the_way_to_convert_it(tmp_path):
    keyed().save(str(tmp_path / "vectors.kv"))
    with pytest.raises(ValueError, match=r"vectors.kv is a pickle.*save_word2vec_format"):
        load_word_vectors(tmp_path / "vectors.kv")


def test_damaged_files_are_refused_with_the_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"features.word2vec.vectors"):
        load_word_vectors(tmp_path / "none.bin")
    path = tmp_path / "a.bin"
    path.write_text("the 0.1 0.2\n")
    with pytest.raises(ValueError, match=r"a.bin is not in word2vec's .* found b'the 0.1"):
        load_word_vectors(path)
    keyed().save_word2vec_format(str(path), binary=True)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"a.bin ends too early"):
        load_word_vectors(path)
    path.write_text("1 2\nthe nan 1\n")
    with pytest.raises(ValueError, match=r"not finite"):
        load_word_vectors(path)


def test_a_saved_file_comes_back_by_its_hash_only(tmp_path):
    vectors = WordVectors.of(WORDS, MATRIX)
    path = tmp_path / "deep" / "vectors.arrow"
    card = save_word_vectors(vectors, path, {"key": "k", "origin": "by hand"})
    assert card == read_card(path)
    assert (card["vector_size"], card["words"], card["origin"]) == (2, 4, "by hand")
    found = open_word_vectors(str(path), card["sha256"])
    assert found.words.to_pylist() == WORDS
    np.testing.assert_array_equal(found.of_known(["好", "the"]), [[7, 8], [1, 2]])
    with pytest.raises(ValueError, match="expected those with hash other"):
        open_word_vectors(str(path), "other")
    before = path.read_bytes()
    save_word_vectors(vectors, path, {"key": "k", "origin": "by hand"})
    assert path.read_bytes() == before


def test_a_file_on_no_disk_is_fetched_once_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = f"memory://{tmp_path.name}/vectors.arrow"
    card = save_word_vectors(WordVectors.of(WORDS, MATRIX), path, {"key": "k", "origin": "by hand"})
    assert card == read_card(path)
    assert open_word_vectors(path, card["sha256"]).words.to_pylist() == WORDS
    (copy,) = tmp_path.rglob("*.arrow")
    fetched = copy.stat().st_mtime_ns
    open_word_vectors.cache_clear()
    assert open_word_vectors(path, card["sha256"]).words.to_pylist() == WORDS
    assert copy.stat().st_mtime_ns == fetched


def test_the_hash_is_of_words_and_values():
    hashes = {
        WordVectors.of(WORDS, MATRIX).sha256,
        WordVectors.of(WORDS[::-1], MATRIX).sha256,
        WordVectors.of(WORDS, MATRIX + 1).sha256,
        WordVectors.of(WORDS[:1], np.array([[1, 2]])).sha256,
        WordVectors.of(WORDS[:2], np.array([[1], [2]])).sha256,
    }
    assert len(hashes) == 5


def test_vectors_are_made_once_and_others_lie_beside_them(tmp_path):
    folder, table = str(tmp_path), utterances("One two", "one TWO", None)
    first = make_word_vectors(table, SMALL, folder)
    assert first["origin"] == "word2vec trained on 2 transcripts of 4 words"
    path = tmp_path / f"{first['key'][:12]}.arrow"
    assert str(path) == vectors_path(folder, first["key"])
    written = path.stat().st_mtime_ns
    assert make_word_vectors(table, SMALL, folder) == first
    assert make_word_vectors(table, SMALL.model_copy(update={"limit": 9}), folder) == first  # of loading only
    assert make_word_vectors(utterances("one six", "one six"), SMALL, folder)["key"] != first["key"]
    other = make_word_vectors(table, SMALL.model_copy(update={"vector_size": 5}), folder)
    assert other["vector_size"] == 5
    assert path.stat().st_mtime_ns == written and len(list(tmp_path.glob("*.arrow"))) == 3
    assert find_word_vectors(folder, first["sha256"]) == str(path)
    assert find_word_vectors(folder, other["sha256"]) == vectors_path(folder, other["key"])


@pytest.mark.parametrize("scheme", ["{}", "memory://{}"])
def test_vectors_are_found_by_their_hash_or_taken_as_they_are(tmp_path, scheme):
    folder = scheme.format(f"{tmp_path}/vectors")
    card = save_word_vectors(WordVectors.of(WORDS, MATRIX), f"{folder}/a.arrow", {"key": "k", "origin": "by hand"})
    assert find_word_vectors(folder, card["sha256"]) == f"{folder}/a.arrow"
    assert find_word_vectors(f"{folder}/a.arrow", "whatever") == f"{folder}/a.arrow"
    with pytest.raises(FileNotFoundError, match=r"no word vectors with hash other at .*the model was trained"):
        find_word_vectors(folder, "other")


def test_only_the_familys_corpora_and_further_texts_are_trained_on(tmp_path):
    table = pa.concat_tables([utterances("one one"), utterances("two two", corpus="other")])
    (tmp_path / "more.txt").write_text("three\nthree\n", encoding="utf-8")
    options = SMALL.model_copy(update={"corpora": ("tiny",), "texts": (str(tmp_path / "more.txt"),)})
    card = make_word_vectors(table, options, str(tmp_path))
    vectors = open_word_vectors(vectors_path(str(tmp_path), card["key"]), card["sha256"])
    assert sorted(vectors.words.to_pylist()) == ["one", "three"]
    (tmp_path / "more.txt").write_text("three\nfour\nfour\n", encoding="utf-8")
    assert make_word_vectors(table, options, str(tmp_path))["key"] != card["key"]


def test_a_loaded_file_is_loaded_again_when_it_changes(tmp_path):
    source, folder = tmp_path / "source.bin.gz", str(tmp_path / "vectors")
    source.write_bytes(gzip.compress(b"1 2\nthe 1 2\n"))
    options = SMALL.model_copy(update={"vectors": str(source)})
    first = make_word_vectors(utterances(None), options, folder)
    assert (first["origin"], first["words"], first["vector_size"]) == ("source.bin.gz", 1, 2)
    assert make_word_vectors(utterances("other text"), options, folder) == first
    source.write_bytes(gzip.compress(b"1 2\nthe 1 3\n"))
    os.utime(source, ns=(1, 1))
    assert make_word_vectors(utterances(None), options, folder)["sha256"] != first["sha256"]


@pytest.mark.corpora
def test_thirty_thousand_sentences_are_trained_on(shared_corpora):
    lines = (shared_corpora / "text" / "sentiment_XS_30k.txt").read_text(encoding="utf-8").splitlines()[1:]
    vectors = train_word_vectors([line.split(",", 1)[1].split() for line in lines], Word2VecOptions())
    assert vectors.matrix.shape == (3108, 300)
    assert np.isfinite(vectors.matrix).all()


@pytest.mark.parametrize("text", ["99999999 300\nthe 1 2\n", "2 99999999\nthe 1 2\n", "1 2\nthe\n"])
def test_a_header_that_promises_more_than_the_file_holds_takes_no_memory(tmp_path, text):
    for name, data in (("a.txt", text.encode()), ("a.txt.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadVectors, match=rf"{name} (promises .* too few to hold them|ends too early)"):
            load_word_vectors(tmp_path / name)


def test_a_file_that_unpacks_beyond_measure_is_not_unpacked(tmp_path):
    (tmp_path / "a.bin.gz").write_bytes(gzip.compress(b"1 9\nword " + bytes(10 << 20)))
    with pytest.raises(BadVectors, match=r"a\.bin\.gz unpacks to more than 20 times its length"):
        load_word_vectors(tmp_path / "a.bin.gz")


@pytest.mark.parametrize("data", [b"2 2\nthe 1 2\na x 2\n", b"2 2\nthe 1 2\na 2 3 4\n"])
def test_values_that_are_none_are_damage_of_the_named_file(tmp_path, data):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(BadVectors, match=r"a\.txt is damaged: "):
        load_word_vectors(tmp_path / "a.txt")
    packed = bytearray(gzip.compress(data * 100))
    packed[12:16] = b"\xff" * 4
    (tmp_path / "a.txt.gz").write_bytes(packed)
    with pytest.raises(BadVectors, match=r"a\.txt\.gz is damaged: "):
        load_word_vectors(tmp_path / "a.txt.gz")


def test_a_damaged_file_of_ours_has_no_card(tmp_path):
    path = tmp_path / "v.arrow"
    save_word_vectors(WordVectors.of(WORDS, MATRIX), path, {"key": "k", "origin": "by hand"})
    for card in (b'{"key": "k"', b'["key": "k"'):  # the second is no JSON
        path.write_bytes(path.read_bytes().replace(b'{"key": "k"', card))
    assert read_card(path) is None
    path.unlink()
    path.mkdir()
    assert read_card(path) is None


def test_places_outside_a_damaged_file_of_ours_are_not_followed(tmp_path):
    vectors, path = WordVectors.of(WORDS, MATRIX), tmp_path / "v.arrow"
    rows = vectors.alphabetical.astype(np.uint64).tobytes()
    card = save_word_vectors(vectors, path, {"key": "k", "origin": "by hand"})
    whole = path.read_bytes()
    assert whole.count(rows) == 1
    path.write_bytes(whole.replace(rows, b"\xff" * len(rows)))
    with pytest.raises(BadVectors, match=r"v.arrow are damaged .a row beyond the 4 words"):
        open_word_vectors(str(path), card["sha256"])
    offsets = np.cumsum([0, *(len(word.encode()) for word in WORDS)]).astype(np.int32).tobytes()
    assert whole.count(offsets) == 1
    path.write_bytes(whole.replace(offsets, offsets[:4] + b"\xff\xff\xff\x7f" + offsets[8:]))
    with pytest.raises(BadVectors, match=r"v.arrow are damaged"):
        open_word_vectors(str(path), card["sha256"])


def _swapped(path, card):
    """The same words with each other's vectors, in a file that says that it holds the right ones."""
    save_word_vectors(WordVectors.of(WORDS, MATRIX[::-1]), path, {"key": "k", "origin": "o"})
    table = pa.ipc.open_file(str(path)).read_all().replace_schema_metadata({b"semiser": json.dumps(card)})
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


def test_vectors_with_another_content_than_their_card_says_are_refused(tmp_path, monkeypatch):
    good, facts = WordVectors.of(WORDS, MATRIX), {"key": "k", "origin": "o"}
    card = save_word_vectors(good, tmp_path / "v.arrow", facts)
    _swapped(tmp_path / "v.arrow", card)
    with pytest.raises(ValueError, match=r"v\.arrow are damaged \(their content has the hash"):
        open_word_vectors(str(tmp_path / "v.arrow"), card["sha256"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert private_folder().stat().st_mode & 0o777 == 0o700
    away = f"memory://{tmp_path.name}/w.arrow"
    save_word_vectors(good, away, facts)
    _swapped(private_folder() / f"word_vectors-{card['sha256']}.arrow", card)
    with pytest.raises(ValueError, match="their content has the hash"):
        open_word_vectors(away, card["sha256"])


def test_a_temporary_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = private_folder()
    folder.rmdir()
    (tmp_path / "theirs").mkdir()
    folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(PermissionError, match="is not a folder of yours"):
        private_folder()


def test_vectors_in_another_encoding_are_refused(tmp_path):
    (tmp_path / "v.txt").write_bytes("2 2\n你好 1 2\n世界 3 4\n".encode("gbk"))
    with pytest.raises(ValueError, match=r"2 of 2 words of v\.txt are no UTF-8 .* is the file in GBK or Big5\?"):
        load_word_vectors(tmp_path / "v.txt")


def test_fewer_words_than_the_first_line_counts_are_refused(tmp_path):
    (tmp_path / "v.txt").write_text("4 2\nthe 0.0 1.0\na 2.0 3.0\nthe 4.0 5.0\nof 6.0 7.0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"v\.txt is damaged: 1 of the 4 words .* are not there, or stand there twice"):
        load_word_vectors(tmp_path / "v.txt")
