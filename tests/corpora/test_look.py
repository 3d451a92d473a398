"""What is seen of folders and tables that nobody described."""

from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
from helpers import voice, write_wav

from semiser.corpora.look import guess_encoding, guess_pattern, look_at, map_words


def _sounds(folder: Path, *names: str) -> Path:
    for name in names:
        write_wav(folder / name, voice(0.2))
    return folder


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ("anna/anger_1.wav anna/sad_2.wav ben/anger_1.wav ben/sad_2.wav", "{speaker}/{emotion}_*"),
        ("s1_anger_01.wav s1_sad_02.wav s2_anger_01.wav s2_sad_02.wav", "{speaker}_{emotion}_*"),
        ("Wut/s1_01.wav Trauer/s1_02.wav Wut/s2_01.wav Trauer/s2_02.wav", "{emotion}/{speaker}_*"),
        ("生气/01.wav 悲伤/01.wav 生气/02.wav 悲伤/02.wav", "{emotion}/*"),  # a counter is no speaker
        ("1/x/anger.wav 1/x/sad.wav 2/x/anger.wav 2/x/sad.wav", "{speaker}/*/{emotion}"),  # a folder of numbers may be
        ("a-b-Wut.wav a-Freude.wav c-Wut.wav c-Freude.wav", "*-{emotion}"),
        ("000.wav 001.wav", None),
    ],
)
def test_patterns_are_guessed_from_the_words_in_the_paths(names, pattern):
    assert guess_pattern([PurePosixPath(name) for name in names.split()])[0] == pattern


def test_a_table_in_cp1252_with_german_columns(tmp_path):
    _sounds(tmp_path, "a.wav", "b.wav", "c.wav", "d.wav")
    lines = ["Datei;VP;Gefühl;Bemerkung", "a.wav;1;Wut;gut", "b.wav;2;Freude;", "c.wav;1;neutral;ä", "d.wav;2;Wutt;"]
    (tmp_path / "liste.csv").write_text("\n".join(lines), encoding="cp1252")
    found = look_at(tmp_path, "mine")
    assert (found.reader, found.root, found.passed_over) == ("manifest", tmp_path, ["Bemerkung"])
    assert found.options == {
        "file": "liste.csv",
        "encoding": "cp1252",
        "delimiter": ";",
        "aliases": {"Datei": "audio_path", "VP": "speaker_id", "Gefühl": "emotion"},
        "emotions": {"Wut": "anger", "Freude": "happiness", "Wutt": "anger"},
        "ignore": "*",
    }
    assert found.speakers == {"mine/1", "mine/2"} and found.emotions == Counter(anger=2, happiness=1, neutral=1)
    assert (found.probed, found.unreadable, round(found.shortest_s, 3)) == (4, 0, 0.2)


def test_a_column_of_emotion_words_is_known_by_them_and_a_root_beside_the_table(tmp_path):
    _sounds(tmp_path / "audio", "a.wav", "b.wav")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/all.tsv").write_text("wav\tx\tlabel\na.wav\tsad\t0\nb.wav\tangry\t1\n")
    found = look_at(tmp_path / "lists/all.tsv", "mine")
    assert found.root == tmp_path / "audio" or found.root.resolve() == (tmp_path / "audio").resolve()
    assert found.options["file"] == "../lists/all.tsv"
    assert found.options["aliases"] == {"wav": "audio_path", "x": "emotion"}
    assert found.emotions == Counter(sadness=1, anger=1)


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Gefühl;Ärger;Müller", "cp1252", "cp1252"),
        ("文件,情感,说话人", "gb18030", "gb18030"),
        ("文件,Gefühl", "utf-8", "utf-8-sig"),
        ("文件,Gefühl", "utf-16", "utf-16"),
    ],
)
def test_encodings_are_known_by_their_bytes(tmp_path, text, encoding, expected):
    (tmp_path / "t.csv").write_text(text, encoding=encoding)
    assert guess_encoding(tmp_path / "t.csv") == expected


def test_what_cannot_be_seen_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing at .*nowhere: give a folder of sounds"):
        look_at(tmp_path / "nowhere", "mine")
    with pytest.raises(ValueError, match=r"no sound below .*looked for .*\.wav"):
        look_at(tmp_path, "mine")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"t.csv has no column with names of sound files .* found 'a', 'b'"):
        look_at(tmp_path / "t.csv", "mine")
    _sounds(tmp_path, "a.wav")
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("file\na.wav\n")
    with pytest.raises(ValueError, match=r"several tables that name sounds: one.csv, two.csv"):
        look_at(tmp_path, "mine")


def test_words_that_are_names_already_need_no_line():
    assert map_words({"anger": 3, "Neutral": 1, "angry": 2, "Heimweh": 1}) == {"angry": "anger", "Heimweh": "other"}
