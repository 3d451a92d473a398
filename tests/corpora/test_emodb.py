"""EmoDB reader."""

from pathlib import Path

import pytest

from semiser.corpora.emodb import READER
from semiser.corpora.utterance import Rejected, Utterance


def _read(root: Path, corpus: str = "emodb") -> list[Utterance | Rejected]:
    return list(READER.read(corpus, root, READER.options()))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_the_name_gives_the_whole_row(tmp_path: Path):
    _touch(tmp_path, "wav/03a01Fa.wav", "wav/._03a01Fa.wav", "lablaut/03a01Fa.lablaut", "erkennung.txt")
    assert _read(tmp_path, "my_emodb") == [
        Utterance(
            utterance_id="my_emodb/03a01Fa",
            corpus="my_emodb",
            audio_path="wav/03a01Fa.wav",
            speaker_id="my_emodb/03",
            gender="male",
            language="de",
            transcript="Der Lappen liegt auf dem Eisschrank.",
            emotion="happiness",
            emotion_original="Freude",
        )
    ]


@pytest.mark.parametrize(
    ("letter", "emotion", "word"),
    [
        ("W", "anger", "Wut"),
        ("L", "boredom", "Langeweile"),
        ("E", "disgust", "Ekel"),
        ("A", "fear", "Angst"),
        ("F", "happiness", "Freude"),
        ("T", "sadness", "Trauer"),
        ("N", "neutral", "neutral"),
    ],
)
def test_letters_are_german_words(tmp_path: Path, letter, emotion, word):
    _touch(tmp_path, f"16b10{letter}b.wav")  # at the root itself
    (row,) = _read(tmp_path)
    assert (row.emotion, row.emotion_original, row.gender) == (emotion, word, "female")
    assert row.transcript == "Die wird auf dem Platz sein, wo wir sie immer hinlegen."


def test_a_copy_with_names_in_capitals_has_the_same_identifiers(tmp_path: Path):
    _touch(tmp_path, "WAV/03A01FA.WAV")
    (row,) = _read(tmp_path)
    assert (row.utterance_id, row.audio_path) == ("emodb/03a01Fa", "WAV/03A01FA.WAV")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("03a01Xa.wav", "emotion letter 'X' is none of A, E, F, L, N, T, W"),
        ("03a03Fa.wav", "text code 'a03' is none of a01, a02, a04"),
        ("07a01Fa.wav", "speaker '07' is none of 03, 08"),
        ("test.wav", "such as 03a01Fa"),
        ("03a01Fa copy.wav", "such as 03a01Fa"),
    ],
)
def test_names_that_do_not_fit_are_rejected_with_a_reason(tmp_path: Path, name, reason):
    _touch(tmp_path, f"wav/{name}")
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and row.path == f"wav/{name}" and reason in row.reason


@pytest.mark.corpora
def test_real_corpus(shared_corpora: Path):
    rows = _read(shared_corpora / "emodb")
    assert len(rows) == READER.expected["utterances"] == 535
    assert len({row.utterance_id for row in rows}) == 535
    assert sum(row.emotion == "anger" for row in rows) == 127
    assert sum(row.gender == "female" for row in rows) == 302
