from pathlib import Path

import pytest

from semiser.features.lexicons import BadLexicon, read_cliwc, read_cvaw, read_lexicons, read_ntusd, sentiment_value
from semiser.options.text_features import CliwcOptions, NtusdOptions, ValenceOptions

DIC = (
    "%\n125\taffect\n126\tPosEmo\n127\tnegemo\n%\n"
    "開心\t125\t126\n難過*\t125\t127\n難過得好\t126\n桌子\t1\nkind of\t126\n"
)


def ntusd(folder: Path, positive: str, negative: str, encoding: str = "utf-8") -> NtusdOptions:
    for name, text in (("p.txt", positive), ("n.txt", negative)):
        (folder / name).write_bytes(text.encode(encoding))
    return NtusdOptions(positive=str(folder / "p.txt"), negative=str(folder / "n.txt"))


@pytest.mark.parametrize("encoding", ["big5", "utf-8", "utf-8-sig", "utf-16"])
def test_ntusd_in_the_encodings_it_goes_round_in(tmp_path, encoding):
    options = ntusd(tmp_path, "快樂\r\n一夕成名\r\n\r\n", "難過\r\n用不著\r\n", encoding)
    assert read_ntusd(options) == {"快乐": 1, "一夕成名": 1, "难过": -1, "用不着": -1}


def test_ntusd_in_simplified_characters(tmp_path):
    # as GB 18030 the character 热 is no Big5, so the file falls through; a few words without one would pass for Big5
    assert read_ntusd(ntusd(tmp_path, "快乐\n热爱\n", "悲伤\n热死\n", "gb18030"))["快乐"] == 1


def test_words_twice_keep_their_sign_and_words_of_both_signs_are_left_out(tmp_path):
    lexicon = read_ntusd(ntusd(tmp_path, "快樂\n快乐\n驕傲\n", "骄傲\n難過\n難過\n"))
    assert lexicon == {"快乐": 1, "难过": -1}


@pytest.mark.parametrize("separator", [",", "\t"])
def test_cvaw_is_cut_at_its_midpoint(tmp_path, separator):
    rows = ["No.,Word,Valence_Mean,Valence_SD", "1,快樂,7.2,1.0", "2,難過,2.4,0.5", "3,桌子,5.0,0.1", "4,還好,5.001,1"]
    path = tmp_path / "cvaw.csv"
    path.write_text("\n".join(rows).replace(",", separator), encoding="utf-8-sig")
    assert read_cvaw(str(path)) == {"快乐": 1, "还好": 1, "难过": -1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Word,Valence\n快樂,7\n", r"features.valence.cvaw: c.csv has no column Valence_Mean; .*'Word,Valence'"),
        ("Word,Valence_Mean\n快樂,9.5\n", r"c.csv, line 2: Valence_Mean must be in 1 to 9, found '9.5'"),
        ("Word,Valence_Mean\n快樂\n", r"line 2: .* found ''"),
        ("Word,Valence_Mean\n快樂,6\n", r"found 1 positive and 0 negative words"),
        ("", r"has no column Valence_Mean nor Word"),
        ("Word,Valence_Mean\n" + "x" * 200_000, r"c.csv, line 1: field larger than field limit"),
    ],
)
def test_a_wrong_cvaw_is_refused_with_the_reason(tmp_path, text, message):
    (tmp_path / "c.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadLexicon, match=message):
        read_cvaw(str(tmp_path / "c.csv"))


def test_cliwc_by_its_categories_and_wildcards(tmp_path):
    (tmp_path / "c.dic").write_text(DIC, encoding="utf-8")
    lexicon = read_cliwc(CliwcOptions(file=str(tmp_path / "c.dic")))
    assert lexicon == {"开心": 1, "难过*": -1, "难过得好": 1, "kind of": 1}
    values = {
        word: sentiment_value(lexicon, word) for word in ("开心", "开心果", "难过", "难过的", "难过得好", "桌子", "")
    }
    assert values == {"开心": 1, "开心果": 0, "难过": -1, "难过的": -1, "难过得好": 1, "桌子": 0, "": 0}


def test_the_longest_wildcard_counts():
    lexicon = {"un*": -1, "unbeat*": 1}
    assert [sentiment_value(lexicon, word) for word in ("unbeaten", "unwell", "u")] == [1, -1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("開心 126\n", "no categories between two lines `%`"),
        ("%\n1 funct\n%\n開心 1\n", "posemo, emo_pos; it has funct"),
    ],
)
def test_a_wrong_cliwc_is_refused_with_the_reason(tmp_path, text, message):
    (tmp_path / "c.dic").write_text(text, encoding="utf-8")
    with pytest.raises(BadLexicon, match=message):
        read_cliwc(CliwcOptions(file=str(tmp_path / "c.dic")))


def test_files_that_are_missing_or_no_text_are_named_with_their_option(tmp_path):
    options = ntusd(tmp_path, "快樂\n", "難過\n")
    with pytest.raises(BadLexicon, match=r"features.valence.ntusd.negative: cannot read .*none.txt"):
        read_ntusd(options.model_copy(update={"negative": str(tmp_path / "none.txt")}))
    (tmp_path / "p.txt").write_bytes(b"\xff\xff\xff\n")
    with pytest.raises(BadLexicon, match=r"ntusd.positive: p.txt is not text .*utf-8, cp950, gb18030"):
        read_ntusd(options)


def test_any_subset_of_the_dictionaries_but_not_none(tmp_path):
    options = ntusd(tmp_path, "快樂\n", "難過\n")
    assert list(read_lexicons(ValenceOptions(ntusd=options))) == ["ntusd"]
    (tmp_path / "c.dic").write_text(DIC, encoding="utf-8")
    both = ValenceOptions(ntusd=options, cliwc=CliwcOptions(file=str(tmp_path / "c.dic")))
    assert list(read_lexicons(both)) == ["ntusd", "cliwc"]
    with pytest.raises(BadLexicon, match="give ntusd, cvaw or cliwc"):
        read_lexicons(ValenceOptions())


@pytest.mark.corpora
def test_the_real_ntusd(shared_corpora):
    folder = shared_corpora.parent / "lexicons" / "ntusd" / "data"
    (positive,), (negative,) = folder.glob("正*.txt"), folder.glob("負*.txt")
    lexicon = read_ntusd(NtusdOptions(positive=str(positive), negative=str(negative)))
    # of 9,365 and 11,230 words; simplification merges some, and some have both signs
    assert 9_300 < list(lexicon.values()).count(1) <= 9_365
    assert 11_150 < list(lexicon.values()).count(-1) <= 11_230
    assert (lexicon["快乐"], lexicon["悲伤"]) == (1, -1)
