"""MMMD's Table 2 in small: IEMOCAP, ten speakers, voice, words, and both, with word vectors that are given."""

import pytest
from gensim.models import KeyedVectors
from published.layouts import WORDS, Turn, write_iemocap

pytestmark = pytest.mark.published
TURNS = [
    *(Turn(speaker, code) for code in ("neu", "hap", "exc", "ang", "sad") for speaker in "FM"),
    Turn("F", "xxx", votes=(1, 5)),  # the evaluators did not agree, and one was not there
    Turn("M", "fru", votes=()),
    Turn("F", "neu", seconds=0.15, start_s=5.0),  # hardly a syllable, while he speaks
]


@pytest.fixture(scope="module")
def finished(project):
    write_iemocap(project.folder / "iemocap", TURNS)
    vectors, words = KeyedVectors(4), [*WORDS, *(word.capitalize() for word in WORDS)]
    vectors.add_vectors(words, [[len(word), place, word[0].isupper(), 1] for place, word in enumerate(words)])
    vectors.save_word2vec_format(project.folder / "news.bin", binary=True)
    params = {"ingest.corpora.iemocap.root": "iemocap", "features.word2vec.vectors": "news.bin"}
    return project.run("mmmd_iemocap", "features,train_mmmd,report", params | {"train_mmmd.mmd.epochs": 2})


def test_each_of_ten_speakers_is_tested_on_four_classes_without_the_utterances_of_no_agreement(finished):
    folds = finished.table("05_model_input", "train_mmmd", "folds.parquet")
    tested = folds[folds["role"] == "test"]
    assert set(folds["role"]) == {"train", "test"} and folds["fold"].nunique() == 10
    assert tested["label"].value_counts().to_dict() == {"happiness": 20, "neutral": 15, "anger": 10, "sadness": 10}
    protocol = finished.metrics("mmmd")["protocol"]
    assert protocol["left_out"] == [
        {"corpus": "iemocap", "reason": "label frustration is not among the classes", "utterances": 5},
        {"corpus": "iemocap", "reason": "no label, and folds.unlabelled_rows is false", "utterances": 5},
    ]


def test_three_sets_of_features_are_three_columns_of_one_table(finished):
    variants = finished.metrics("mmmd")["variants"]
    assert list(variants) == [f"mmd/modalities={chosen}" for chosen in ("acoustic", "text", "acoustic+text")]
    assert finished.rows_without_ours("mmmd", "Table 2") == []
    ours = finished.beside()["Table 2", "MMD", "modalities=text", "wa"]
    assert (ours["ours_variant"], ours["comparable"]) == ("mmd/modalities=text", "same corpus")


def test_words_keep_their_capitals_and_the_vectors_are_those_given(finished):
    card = finished.document("03_primary", "word_vectors.json")
    assert card["words"] == 22
