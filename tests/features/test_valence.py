from pathlib import Path

import pyarrow as pa
import pytest

from semiser.corpora.utterance import UTTERANCES_SCHEMA
from semiser.features.family import Source
from semiser.features.lexicons import BadLexicon, read_ntusd
from semiser.features.tokens import simplify
from semiser.features.valence import Valence, lexicon_sum
from semiser.options.text_features import CliwcOptions, NtusdOptions, ValenceOptions
from semiser.shards.extract import shard_key
from semiser.shards.task import table_schema


@pytest.fixture
def options(tmp_path) -> ValenceOptions:
    (tmp_path / "p.txt").write_bytes("快樂\n喜歡\n".encode("big5"))
    (tmp_path / "n.txt").write_bytes("難過\n".encode("big5"))
    (tmp_path / "c.dic").write_text("%\n1 posemo\n2 negemo\n%\n快樂 1\n下雨 2\n", encoding="utf-8")
    return ValenceOptions(
        ntusd=NtusdOptions(positive=str(tmp_path / "p.txt"), negative=str(tmp_path / "n.txt")),
        cliwc=CliwcOptions(file=str(tmp_path / "c.dic")),
    )


def row_of(options: ValenceOptions, transcript: str | None, language: str | None = "zh") -> dict:
    return next(Valence(options).rows(Source({"transcript": transcript, "language": language}, Path())))


def test_the_sum_goes_over_dictionaries_and_words():
    lexicons = {"a": {"good": 1, "bad": -1}, "b": {"good": 1, "grim": -1}}
    # good: 1 + 1, twice; bad: -1; grim: -1; other: 0
    assert lexicon_sum(["good", "bad", "other", "grim", "good"], lexicons) == (2, 4)
    assert lexicon_sum(["good"], {"a": {"good": 1}, "b": {"good": -1}}) == (0, 1)
    assert lexicon_sum([], lexicons) == (0, 0)


@pytest.mark.parametrize("text", ["今天下雨，我很快乐。", "今天下雨，我很快樂。"])
def test_a_row_in_simplified_and_traditional_characters(options, text):
    row = row_of(options, text)
    # 快乐 in both dictionaries, 下雨 in one: 1 + 1 - 1
    assert (row["valence_sum"], row["matched_words"], row["missing"]) == (1, 2, None)
    assert row["words"] == 5


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "the corpus gives no transcript"), ("？！", "the transcript holds no word")]
)
def test_without_words_the_sum_is_missing_and_not_zero(options, text, reason):
    row = row_of(options, text, None)
    assert row == {"valence_sum": None, "matched_words": 0, "words": 0, "missing": reason}


def test_words_that_no_dictionary_knows_sum_to_zero(options):
    assert row_of(options, "hello there", "en") == {"valence_sum": 0, "matched_words": 0, "words": 2, "missing": None}


def test_columns(options):
    schema = table_schema(Valence(options))
    assert schema.names == ["utterance_id", "valence_sum", "matched_words", "words", "missing"]
    assert schema.field("valence_sum").metadata[b"dictionaries"] == b'{"ntusd": 3, "cliwc": 2}'


def test_the_fingerprint_follows_the_words_and_no_path(options, tmp_path):
    shard = pa.Table.from_pylist([{"utterance_id": "a", "transcript": "快樂", "language": "zh"}], UTTERANCES_SCHEMA)
    before = shard_key(Valence(options), shard)
    (tmp_path / "copy.dic").write_bytes((tmp_path / "c.dic").read_bytes())
    moved = options.model_copy(update={"cliwc": CliwcOptions(file=str(tmp_path / "copy.dic"))})
    assert shard_key(Valence(moved), shard) == before
    (tmp_path / "n.txt").write_bytes("難過\n難受\n".encode("big5"))
    assert shard_key(Valence(options), shard) != before


def test_dictionaries_that_change_during_a_run_or_are_not_those_wanted_are_refused(options, tmp_path):
    family = Valence(options)
    (tmp_path / "n.txt").write_bytes("難受\n".encode("big5"))
    with pytest.raises(ValueError, match=r"expected dictionaries with the hash .* found"):
        next(family.rows(Source({"transcript": "快樂", "language": "zh"}, Path())))
    with pytest.raises(ValueError, match=r"hash abc, found .* for ntusd, cliwc"):
        Valence(options.model_copy(update={"lexicons_sha256": "abc"}))
    with pytest.raises(BadLexicon, match="needs a dictionary"):
        Valence(ValenceOptions())


@pytest.mark.corpora
def test_ntusd_agrees_with_labelled_sentences_above_chance(shared_corpora):
    folder = shared_corpora.parent / "lexicons" / "ntusd" / "data"
    (positive,), (negative,) = folder.glob("正*.txt"), folder.glob("負*.txt")
    lexicons = {"ntusd": read_ntusd(NtusdOptions(positive=str(positive), negative=str(negative)))}
    lines = (shared_corpora / "text" / "sentiment_XS_30k.txt").read_text(encoding="utf-8").splitlines()[1:]
    decided = []
    for line in lines:
        label, text = line.split(",", 1)
        total, _ = lexicon_sum(simplify(text).lower().split(), lexicons)  # the sentences come segmented
        if total:
            decided.append((label == "positive", total > 0))
    assert len(decided) / len(lines) > 0.6  # 0.69
    recalls = [
        sum(found == label for truth, found in decided if truth == label) / sum(truth == label for truth, _ in decided)
        for label in (True, False)
    ]
    assert sum(recalls) / 2 > 0.8  # 0.89 where a coin gives 0.5
