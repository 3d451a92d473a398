import json
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.features.family import Source
from semiser.features.word2vec import FUNCTIONALS, Word2Vec, functionals, utterance_functionals
from semiser.features.word_vectors import WordVectors, save_word_vectors
from semiser.options.text_features import Word2VecOptions
from semiser.shards.extract import shard_key
from semiser.shards.task import table_schema


@pytest.fixture
def vectors_file(tmp_path) -> Path:
    vectors = WordVectors.of(["one", "two", "好"], np.array([[1, -2], [4, 0], [2, 2]]))
    save_word_vectors(vectors, tmp_path / "v.arrow", {"key": "k", "origin": "by hand"})
    return tmp_path / "v.arrow"


def row_of(family: Word2Vec, transcript: str | None, language: str | None = "en") -> dict:
    return next(family.rows(Source({"transcript": transcript, "language": language}, Path())))


def test_functionals_of_values_worked_out_by_hand():
    # 0, 0, 0, 4: mean 1, deviations -1, -1, -1, 3: m2 = 12/4 = 3, m3 = (-3 + 27)/4 = 6, m4 = (3 + 81)/4 = 21
    found = dict(zip(FUNCTIONALS, functionals(np.array([[[0.0], [4.0], [0.0], [0.0]]]))[0, :, 0], strict=True))
    expected = {
        "max": 4,
        "min": 0,
        "mean": 1,
        "range": 4,
        "std": 3**0.5,
        "disp": 3**0.5,  # its greatest value for 4 words: sqrt(4 - 1)
        "kurtosis": 21 / 9 - 3,
        "skewness": 6 / 3**1.5,
        "iqr1-2": 0,
        "iqr2-3": 1,  # third quartile: place 2.25 between 0 and 4
        "iqr1-3": 1,
        "quartile1": 0,
        "quartile2": 0,
        "quartile3": 1,
    }
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("words", [2, 3, 4, 7, 30])
def test_functionals_equal_scipys_and_numpys(words):
    vectors = np.random.default_rng(words).normal(0.3, 2, (words, 5)).astype(np.float32)
    wide = vectors.astype(np.float64)
    first, second, third = np.quantile(wide, [0.25, 0.5, 0.75], axis=0)
    expected = [
        wide.max(0),
        wide.min(0),
        wide.mean(0),
        np.ptp(wide, axis=0),
        wide.std(0),
        wide.std(0) / np.abs(wide).mean(0),
        stats.kurtosis(wide),
        stats.skew(wide),
        second - first,
        third - second,
        stats.iqr(wide, axis=0),
        first,
        second,
        third,
    ]
    np.testing.assert_allclose(functionals(vectors[None])[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("words", [1, 5])
def test_equal_words_have_no_spread_no_nan_and_no_warning(words):
    value = np.array([0.1, -3.7, 0.0], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = dict(zip(FUNCTIONALS, functionals(np.tile(value, (1, words, 1)))[0], strict=True))
    places = {"max", "min", "mean", "quartile1", "quartile2", "quartile3"}
    for name, values in found.items():
        np.testing.assert_array_equal(values, value if name in places else 0, err_msg=name)


def test_one_word_that_differs_by_little_stays_finite():
    vectors = np.full((1, 6, 1), 0.5, np.float32)
    vectors[0, 3] = np.nextafter(np.float32(0.5), np.float32(1))
    tiny = np.zeros((1, 6, 1), np.float32)
    tiny[0, 0] = 1e-45
    for values in (vectors, tiny):
        found = dict(zip(FUNCTIONALS, functionals(values)[0, :, 0], strict=True))
        # one of six differs by d: m2 = 5/36 d^2, m4 = 105/1296 d^4 and m3 = 20/216 d^3, whatever d is
        assert found["kurtosis"] == pytest.approx(105 / 25 - 3, rel=1e-4)
        assert found["skewness"] == pytest.approx(20 / 5**1.5, rel=1e-4)


def test_an_utterance_has_the_same_values_alone_and_in_any_company():
    random = np.random.default_rng(0)
    utterances = [random.normal(size=(length, 6)).astype(np.float32) for length in (3, 1, 8, 3, 3, 17)]
    together = utterance_functionals(utterances)
    assert together.shape == (6, 14 * 6)
    for vectors, found in zip(utterances, together, strict=True):
        np.testing.assert_array_equal(found, utterance_functionals([vectors])[0])
        np.testing.assert_array_equal(found[:6], vectors.max(axis=0))  # functional by functional


def test_a_row_holds_functionals_of_known_words_and_counts(vectors_file):
    row = row_of(Word2Vec(Word2VecOptions(), vectors_file), "One, what TWO?")
    assert {name: row[name] for name in ("words", "known_words", "no_known_word")} == {
        "words": 3,
        "known_words": 2,
        "no_known_word": False,
    }
    np.testing.assert_array_equal(row["word2vec"][:8], [4, 0, 1, -2, 2.5, -1, 3, 2])  # max, min, mean, range
    assert row_of(Word2Vec(Word2VecOptions(lower_case=False), vectors_file), "One TWO")["no_known_word"]
    assert row_of(Word2Vec(Word2VecOptions(), vectors_file), "天气很好", "zh")["known_words"] == 1


@pytest.mark.parametrize(("transcript", "words"), [(None, 0), ("", 0), (" ?! ", 0), ("nothing known", 2)])
def test_no_known_word_is_a_row_of_zeros_with_its_flag(vectors_file, transcript, words):
    row = row_of(Word2Vec(Word2VecOptions(), vectors_file), transcript)
    np.testing.assert_array_equal(row["word2vec"], np.zeros(28, np.float32))
    assert (row["no_known_word"], row["known_words"], row["words"]) == (True, 0, words)


def test_columns_tell_what_they_hold(vectors_file):
    schema = table_schema(Word2Vec(Word2VecOptions(), vectors_file))
    assert schema.names == ["utterance_id", "word2vec", "words", "known_words", "no_known_word"]
    assert schema.field("word2vec").type == pa.list_(pa.float32(), 28)
    metadata = schema.field("word2vec").metadata
    names = json.loads(metadata[b"names"])
    assert (len(names), names[0], names[1], names[27]) == (28, "max_000", "max_001", "quartile3_001")
    assert metadata[b"vectors"] == b"by hand"


def test_the_fingerprint_follows_the_vectors_content_and_no_path(vectors_file, tmp_path):
    shard = pa.Table.from_pylist([{"utterance_id": "a", "transcript": "one", "language": "en"}], UTTERANCES_SCHEMA)

    def key(path, **options):
        return shard_key(Word2Vec(Word2VecOptions(**options), path), shard)

    copy, other = tmp_path / "copy.arrow", tmp_path / "other.arrow"
    copy.write_bytes(vectors_file.read_bytes())
    save_word_vectors(WordVectors.of(["one"], np.array([[1, 2]])), other, {"key": "k", "origin": "by hand"})
    assert key(vectors_file) == key(copy) == key(copy, vectors="some.bin", corpora=("tiny",))
    assert key(vectors_file) != key(other)
    assert key(vectors_file) != key(vectors_file, lower_case=False)


def test_missing_or_unwanted_vectors_are_refused(vectors_file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no word vectors at .*none.arrow"):
        Word2Vec(Word2VecOptions(), tmp_path / "none.arrow")
    with pytest.raises(ValueError, match=r"features.word2vec.vectors_sha256 is abc, but .*by hand"):
        Word2Vec(Word2VecOptions(vectors_sha256="abc"), vectors_file)
