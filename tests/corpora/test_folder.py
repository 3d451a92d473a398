"""A folder of sounds as a corpus, on made trees."""

from pathlib import Path

import pytest
from helpers import voice, write_wav
from pydantic import ValidationError

from semiser.corpora.folder import READER, FolderOptions, compile_pattern
from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import Rejected
from semiser.errors import TooManyUnusable, Unusable


def _tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def _read(root: Path, **options):
    return list(READER.read("mine", root, FolderOptions(**options)))


def test_without_a_pattern_every_sound_is_an_utterance_of_which_nothing_is_known(tmp_path):
    rows = _read(_tree(tmp_path, "b/deep/1.mp3", "a.WAV", "notes.txt", ".hidden.wav", "a.mp4"), language="de")
    assert [row.utterance_id for row in rows] == ["mine/a.WAV", "mine/a.mp4", "mine/b/deep/1.mp3"]
    assert {(row.speaker_id, row.emotion, row.language) for row in rows} == {(None, None, "de")}
    assert [row.video_path for row in rows] == [None, "a.mp4", None]


def test_speaker_and_emotion_come_from_the_path(tmp_path):
    _tree(tmp_path, "set1/Anna/Wut_01.wav", "set1/Ben/freude_2.wav", "odd.wav")
    found = _read(tmp_path, pattern="{speaker}/{emotion}_*.wav")
    assert [(row.speaker_id, row.emotion, row.emotion_original) for row in found[1:]] == [
        ("mine/Anna", "anger", "Wut"),
        ("mine/Ben", "happiness", "freude"),
    ]
    assert found[0] == Rejected("mine", "odd.wav", "the path does not fit the pattern {speaker}/{emotion}_*.wav")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{speaker:2}???{emotion:1}?.wav", "wav/03a01Fa.wav", {"speaker": "03", "emotion": "F"}),
        ("{speaker}_{emotion}", "x/anna_sad.flac", {"speaker": "anna", "emotion": "sad"}),
        ("{speaker}/{speaker}_{emotion}", "anna/anna_sad.wav", {"speaker": "anna", "emotion": "sad"}),
        ("{speaker}/{speaker}_{emotion}", "anna/ben_sad.wav", None),
        ("{emotion}/*.wav", "anger/1.WAV", {"emotion": "anger"}),
        ("{emotion}/*.wav", "1.wav", None),
    ],
)
def test_patterns(pattern, path, expected):
    from pathlib import PurePosixPath

    from semiser.corpora.folder import read_path

    assert read_path(compile_pattern(pattern), PurePosixPath(path)) == expected


@pytest.mark.parametrize("pattern", ["{speeker}/*.wav", "{speaker/*.wav", "{emotion:0}.wav"])
def test_a_pattern_that_means_nothing_is_refused_with_what_there_is(pattern):
    with pytest.raises(ValidationError, match=r"means nothing; fields are \{speaker\}, \{emotion\}"):
        FolderOptions(pattern=pattern)


def test_all_unknown_words_are_told_once_with_lines_to_paste(tmp_path):
    for name in ("anna/Wutt_1.wav", "anna/Wutt_2.wav", "ben/Heimweh_1.wav", "ben/Freude_1.wav"):
        write_wav(tmp_path / name, voice(0.1))
    corpus = {"reader": "folder", "root": str(tmp_path), "options": {"pattern": "{speaker}/{emotion}_*.wav"}}
    with pytest.raises(TooManyUnusable) as caught:
        ingest(IngestOptions(corpora={"mine": corpus}))
    assert "Wutt (2), Heimweh (1)" in str(caught.value)
    assert str(caught.value).endswith('\n  emotions: {"Wutt": anger, "Heimweh": other}')
    (tmp_path / "ben/Freude_1.wav").unlink()
    with pytest.raises(Unusable, match="none of 3 entries can be used: emotion words that are not known"):
        ingest(IngestOptions(corpora={"mine": corpus}))
