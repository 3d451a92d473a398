"""IEMOCAP reader."""

from pathlib import Path

import pytest

from semiser.corpora.iemocap import READER
from semiser.corpora.utterance import Rejected, Unmatched, Utterance

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral state; Sadness;\t()
C-E4:\tOther;\t(a little (too) polite; calm)
C-F1:\tAnger;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  3;\t(mildly aggravated but staying polite, attitude)
A-F1:\tval 5; act 5; dom  5;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[3.0000, 2.0000, 4.0000]
C-E2:\tExcited;\t()
C-E3:\tHappiness;\t()
A-E3:\tval 3; act 2; dom  ;\t()
A-M1:\tval ; act ; dom  ;\t()
"""
TEXT = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_M001 [010.0100-011.3925]: Do you have your forms?
M: [LAUGHTER]
"""
DIALOGUE = "Session1/dialog/{}/Ses01F_impro01.{}"
WAV = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{}.wav"


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    found = READER.read("iemocap", root, READER.options(**options))
    return [entry for entry in found if not isinstance(entry, Unmatched)]


def _write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _make_copy(root: Path, *numbers: str) -> None:
    _write(root / DIALOGUE.format("EmoEvaluation", "txt"), EVALUATION)
    _write(root / DIALOGUE.format("transcriptions", "txt"), TEXT)
    for number in numbers:
        _write(root / WAV.format(number))


@pytest.mark.parametrize("above", ["", "IEMOCAP_full_release/"])
def test_an_utterance_with_everything_a_copy_says_of_it(tmp_path: Path, above):
    _make_copy(tmp_path / above, "F000")
    _write(tmp_path / above / DIALOGUE.format("avi/DivX", "avi"))
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="iemocap/Ses01F_impro01_F000",
            corpus="iemocap",
            audio_path=above + WAV.format("F000"),
            speaker_id="iemocap/Ses01_F",
            gender="female",
            session_id="iemocap/Session1",
            dialogue_id="iemocap/Ses01F_impro01",
            language="en",
            transcript="Excuse me.",
            emotion="neutral",
            emotion_original="neu",
            emotion_votes=["neutral", "neutral/sadness", "other"],
            valence=2.5,
            arousal=2.5,
            dominance=2.5,
            valence_votes=[3.0, 2.0],
            arousal_votes=[2.0, 3.0],
            dominance_votes=[2.0, 3.0],
            video_path=above + DIALOGUE.format("avi/DivX", "avi"),
            video_side="left",
            video_start_s=6.2901,
            video_end_s=8.2357,
        )
    ]


def test_no_agreement_is_no_emotion_and_excitement_is_not_happiness(tmp_path: Path):
    _make_copy(tmp_path, "M001")
    (row,) = _read(tmp_path)
    assert (row.emotion, row.emotion_original) == (None, "xxx")
    assert row.emotion_votes == ["excitement", "happiness"]
    assert (row.valence, row.arousal, row.dominance) == (3.0, 2.0, 4.0)
    assert (row.valence_votes, row.arousal_votes, row.dominance_votes) == ([3.0], [2.0], None)


@pytest.mark.parametrize(("options", "sides"), [({}, ["left", "right"]), ({"marker_side": "right"}, ["right", "left"])])
def test_who_wears_the_markers_has_the_side_and_the_other_one_the_other(tmp_path: Path, options, sides):
    _make_copy(tmp_path, "F000", "M001")
    _write(tmp_path / DIALOGUE.format("avi/DivX", "avi"))
    assert [row.video_side for row in _read(tmp_path, **options)] == sides


def test_in_a_recording_of_the_man_he_is_on_the_left(tmp_path: Path):
    for speaker in "FM":
        _write(tmp_path / f"Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_{speaker}003.wav")
    for kind in ("EmoEvaluation", "transcriptions"):
        _write(tmp_path / f"Session5/dialog/{kind}/Ses05M_script01_1b.txt")
    _write(tmp_path / "Session5/dialog/avi/DivX/Ses05M_script01_1b.avi")
    rows = _read(tmp_path)
    assert [(row.speaker_id, row.video_side) for row in rows] == [
        ("iemocap/Ses05_F", "right"),
        ("iemocap/Ses05_M", "left"),
    ]
    assert [row.emotion_original for row in rows] == [None, None]


def test_the_mess_of_a_copy_is_passed_over(tmp_path: Path):
    _make_copy(tmp_path, "F000")
    leftovers = (
        "Session1/sentences/wav/Ses01F_impro01/._Ses01F_impro01_F000.wav",
        "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt",
        "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro01_e2_cat.txt",
        "Session1/dialog/EmoEvaluation/Self-evaluation/Ses01F_impro01_f1_cat.txt",
        "Session1/dialog/avi/DivX/._Ses01F_impro01.avi",
        "Session1/dialog/wav/Ses01F_impro01.wav",
        "Session1/sentences/ForcedAlignment/Ses01F_impro01/Ses01F_impro01_F000.wdseg",
        "Documentation/demo.wav",
        "Session1.zip",
    )
    for name in leftovers:
        _write(tmp_path / name, "Mac OS X")
    (row,) = _read(tmp_path)
    assert (row.audio_path, row.video_path, row.video_side) == (WAV.format("F000"), None, None)


def test_missing_or_undecodable_text_files_cost_what_they_say_and_are_reported(tmp_path: Path):
    _make_copy(tmp_path, "F000", "M001")
    (tmp_path / DIALOGUE.format("EmoEvaluation", "txt")).unlink()
    (tmp_path / DIALOGUE.format("transcriptions", "txt")).write_bytes(b"Ses01F_impro01_F000 [1-2]: caf\x81\n")
    labels, text, *rows = _read(tmp_path)
    assert labels.path == DIALOGUE.format("EmoEvaluation", "txt") and "come without labels" in labels.reason
    assert text.path == DIALOGUE.format("transcriptions", "txt") and "utf-8, cp1252" in text.reason
    assert [(row.emotion, row.transcript) for row in rows] == [(None, None)] * 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Ses01F_impro01/Ses01M_impro01_F000.wav", "expected <dialogue>/<dialogue>_"),
        ("Ses01F_impro01/copy of F000.wav", "expected <dialogue>/<dialogue>_"),
        ("Ses06F_impro01/Ses06F_impro01_F000.wav", "expected <dialogue>/<dialogue>_"),
    ],
)
def test_wavs_that_do_not_fit_are_rejected(tmp_path: Path, name, reason):
    _write(tmp_path / "Session1/sentences/wav" / name)
    row = _read(tmp_path)[-1]
    assert isinstance(row, Rejected) and row.path.endswith(name) and reason in row.reason


def test_an_unknown_emotion_code_is_rejected(tmp_path: Path):
    _make_copy(tmp_path, "F000")
    _write(tmp_path / DIALOGUE.format("EmoEvaluation", "txt"), EVALUATION.replace("\tneu\t", "\tbor\t"))
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and "emotion code 'bor' is none of ang, dis" in row.reason


@pytest.mark.parametrize(
    ("old", "new"),
    [("2.5000, 2.5000, 2.5000", "2.5000, 2.5.0, 2.5000"), ("6.2901 -", "... -"), ("act 2;", f"act {'9' * 400};")],
)
def test_a_number_that_is_none_rejects_its_utterance(tmp_path: Path, old, new):
    _make_copy(tmp_path, "F000", "M001")
    _write(tmp_path / DIALOGUE.format("EmoEvaluation", "txt"), EVALUATION.replace(old, new, 1))
    rejected, row = _read(tmp_path)
    assert rejected.path.endswith("F000.wav") and "something that is no number" in rejected.reason
    assert (row.valence, row.emotion_votes) == (3.0, ["excitement", "happiness"])


def test_a_folder_in_place_of_a_text_file_is_reported(tmp_path: Path):
    _make_copy(tmp_path, "F000")
    (tmp_path / DIALOGUE.format("transcriptions", "txt")).unlink()
    (tmp_path / DIALOGUE.format("transcriptions", "txt")).mkdir()
    rejected, row = _read(tmp_path)
    assert "is no file but a folder, a pipe or a device" in rejected.reason and row.transcript is None


def test_lines_without_a_wav_are_told(tmp_path: Path):
    _make_copy(tmp_path, "F000")
    *_, unmatched = READER.read("iemocap", tmp_path, READER.options())
    assert unmatched == Unmatched("iemocap", DIALOGUE.format("transcriptions", "txt"), lines=1, of=2)


def test_a_long_line_of_blanks_is_read_in_no_time(tmp_path: Path):
    _make_copy(tmp_path, "F000")
    line = "Ses01F_impro01_F000 [1-2]: a" + " " * 200_000 + "b\n"  # with backtracking: an hour
    _write(tmp_path / DIALOGUE.format("transcriptions", "txt"), line)
    (row,) = _read(tmp_path)
    assert row.transcript.split() == ["a", "b"]


def test_counts_of_the_papers_add_up_and_every_label_falls_into_one():
    papers = {(paper.table, paper.what): paper for paper in READER.papers}
    for dimension in ("arousal", "valence"):
        levels = [papers["MSSGAN, Table I", f"{dimension}: {level}"] for level in ("low", "medium", "high")]
        assert sum(paper.count for paper in levels) == 10039
        for value, place in ((1, 0), (2, 0), (2.01, 1), (3.99, 1), (4, 2), (5, 2), (None, None)):
            utterance = Utterance(utterance_id="i/x", corpus="i", audio_path="x", **{dimension: value})
            assert [paper.counts(utterance) for paper in levels] == [place == n for n in range(3)]
    classes = [paper for (table, _), paper in papers.items() if table == "CMKT, section 4.1"]
    assert sum(paper.count for paper in classes) == papers["CMKT, Table 1", "four classes"].count == 5531
    excited = Utterance(utterance_id="i/x", corpus="i", audio_path="x", emotion="excitement")
    assert [paper.what for paper in classes if paper.counts(excited)] == ["happiness"]
