import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from semiser.features import tokens
from semiser.features.family import Source
from semiser.features.tokens import is_chinese, simplify, tokenise, transcript_words


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Don't you think it's 3.14, o’clock?", "en", ["Don't", "you", "think", "it's", "3.14", "o'clock"]),
        ("Das schwarze Stück Papier: Größe 1,80m.", "de", ["Das", "schwarze", "Stück", "Papier", "Größe", "1,80m"]),
        ("e-mail -- well…", "en-GB", ["e", "mail", "well"]),
        ("nai\u0308ve", "fr", ["na\u00efve"]),
        (" \n ?! 😀", "en", []),
        ("", None, []),
        ("ノート", None, ["ノート"]),
    ],
)
def test_words_of_languages_with_spaces(text, language, words):
    assert tokenise(text, language) == words


@pytest.mark.parametrize("language", ["zh", "zh-Hans", "cmn", None])
def test_chinese_is_segmented_without_its_punctuation(language):
    assert tokenise("就是下雨也去。\n今天天气很好！", language) == [
        "就是",
        "下雨",
        "也",
        "去",
        "今天",
        "天气",
        "很",
        "好",
    ]


def test_traditional_characters_give_the_words_of_simplified_ones():
    assert tokenise("我們看著頭髮", "zh-TW") == tokenise("我们看着头发", "zh-CN") == ["我们", "看", "着", "头发"]


def test_text_beyond_thulacs_limit_is_segmented_in_pieces():
    assert tokenise("我们喜欢" * 12_501 + "。", "zh") == ["我们", "喜欢"] * 12_501


def test_lower_case_is_an_option():
    assert tokenise("The IPhone", "en", lower_case=True) == ["the", "iphone"]
    assert tokenise("我喜欢iPhone", "zh", lower_case=True) == ["我", "喜欢", "iphone"]


@pytest.mark.parametrize(
    ("text", "simplified"), [("怎麼辦", "怎么办"), ("聽著", "听着"), ("什么著名", "什么著名"), ("老么", "老么")]
)
def test_simplified_text_is_left_alone(text, simplified):
    assert simplify(text) == simplified


@pytest.mark.parametrize(
    ("text", "language", "chinese"),
    [
        ("anything", "zh_TW", True),
        ("anything", "yue", True),
        ("漢字", "ja", False),
        ("漢字", None, True),
        ("漢字です", None, False),
        ("words", None, False),
    ],
)
def test_which_text_goes_to_thulac(text, language, chinese):
    assert is_chinese(text, language) is chinese


def test_families_of_one_pass_share_the_words_of_an_utterance():
    source = Source({"transcript": "One two", "language": "en"}, Path())
    words = transcript_words(source, lower_case=True)
    assert words == ["one", "two"]
    assert transcript_words(source, lower_case=True) is words
    assert transcript_words(source, lower_case=False) == ["One", "two"]
    assert transcript_words(Source({"transcript": None, "language": None}, Path()), lower_case=True) == []


def test_thulac_is_not_imported_for_other_languages():
    code = (
        "import sys; from semiser.features.tokens import tokenise; tokenise('a', 'en'); print('thulac' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "False"


def test_thulac_loads_once_for_segmentation_alone_and_its_message_is_dropped(monkeypatch, capsys):
    loads = []

    class Loud:
        def __init__(self, seg_only):
            print("Model loaded succeed")
            loads.append(seg_only)

        def cut(self, text):
            return [[character, ""] for character in text]

    monkeypatch.setitem(sys.modules, "thulac", SimpleNamespace(thulac=Loud))
    monkeypatch.setattr(tokens, "_thulac", cache(tokens._thulac.__wrapped__))
    assert tokenise("今天", "zh") == tokenise("今天", "zh") == ["今", "天"]
    assert loads == [True]
    assert capsys.readouterr().out == ""
