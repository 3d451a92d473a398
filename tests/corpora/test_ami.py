"""AMI reader."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from semiser.corpora import ami
from semiser.corpora.ami import READER
from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.corpora.utterance import Rejected, Utterance, Word

ROOT = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n<nite:root xmlns:nite="http://nite.sourceforge.net/">{}</nite:root>'
)
SPEAKER = '<speaker nite:id="{0}" nxt_agent="{0}" channel="{1}" camera="{2}" global_name="{3}" role="PM"/>'


def _read(root: Path, **options) -> list[Utterance | Rejected]:
    return list(READER.read("ami", root, READER.options(**options)))


def _write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="latin-1")


def _write_meetings(root: Path, **speakers: str) -> None:
    meetings = "".join(
        f'<meeting observation="{name}" type="scenario">{text}</meeting>' for name, text in speakers.items()
    )
    _write(root / "corpusResources/meetings.xml", ROOT.format(meetings))


def _write_words(root: Path, name: str, *elements: str) -> None:
    _write(root / f"words/{name}.words.xml", ROOT.format("\n".join(elements)))


def _word(text: str, start: float | str, end: float | str, identifier: str = "", extra: str = "") -> str:
    times = "".join(f' {key}="{value}"' for key, value in (("starttime", start), ("endtime", end)) if value != "")
    return f'<w nite:id="{identifier or text}"{times}{extra}>{text}</w>'


def _row_of_words(count: int, prefix: str = "w") -> list[str]:
    """Words of 0.2 s every 0.3 s from 5 s on."""
    return [_word(f"{prefix}{i}", round(5 + 0.3 * i, 2), round(5.2 + 0.3 * i, 2)) for i in range(count)]


def _make_meeting(root: Path, *words: str) -> None:
    _write_meetings(root, ES2002a=SPEAKER.format("A", 2, "Closeup1", "FEE005"))
    _write(root / "ES2002a/audio/ES2002a.Headset-2.wav")
    _write_words(root, "ES2002a.A", *words)


def test_crops_can_be_drawn_from_speakers_with_video_alone(tmp_path: Path):
    _make_meeting(tmp_path, *_row_of_words(5))
    assert len(_read(tmp_path)) == 3 and _read(tmp_path, with_video=True) == []
    _write(tmp_path / "ES2002a/video/ES2002a.Closeup1.avi")
    assert len(_read(tmp_path, with_video=True)) == 3


def test_a_crop_of_128_frames_around_the_middle_of_three_words(tmp_path: Path):
    words = (
        _word("It's", 10.0, 10.2, "ES2002a.A.words7"),
        _word("a", 10.3, 10.4),
        _word(",", 10.4, 10.4, extra=' punc="true"'),
        '<vocalsound nite:id="v" starttime="10.4" endtime="10.5" type="laugh"/>',
        _word("remote", 10.5, 11.0),
    )
    _make_meeting(tmp_path, *words)
    _write(tmp_path / "ES2002a/video/ES2002a.Closeup1.avi")
    assert _read(tmp_path) == [
        Utterance(
            utterance_id="ami/ES2002a.A.words7",
            corpus="ami",
            audio_path="ES2002a/audio/ES2002a.Headset-2.wav",
            speaker_id="ami/FEE005",
            gender="female",
            session_id="ami/ES2002",
            dialogue_id="ami/ES2002a",
            language="en",
            start_s=9.8525,  # 10.5 - 1.295 / 2
            end_s=11.1475,
            transcript="It's a remote",
            words=[Word("It's", 10.0, 10.2), Word("a", 10.3, 10.4), Word("remote", 10.5, 11.0)],
            video_path="ES2002a/video/ES2002a.Closeup1.avi",
            video_start_s=9.8525,
            video_end_s=11.1475,
        )
    ]


def test_annotations_and_media_in_folders_of_their_own_and_a_camera_by_number(tmp_path: Path):
    _write_meetings(tmp_path / "ami_public_manual_1.6.2", TS3003a=SPEAKER.format("B", 0, "4", "MTD010ID"))
    _write_words(tmp_path / "ami_public_manual_1.6.2", "TS3003a.B", *_row_of_words(3))
    _write(tmp_path / "amicorpus/TS3003a/audio/TS3003a.Headset-0.wav")
    _write(tmp_path / "amicorpus/TS3003a/video/TS3003a.Closeup4.avi")
    (row,) = _read(tmp_path)
    assert row.audio_path == "amicorpus/TS3003a/audio/TS3003a.Headset-0.wav"
    assert row.video_path == "amicorpus/TS3003a/video/TS3003a.Closeup4.avi"
    assert (row.speaker_id, row.gender) == ("ami/MTD010ID", "male")


@pytest.mark.parametrize(
    "between",
    [
        '<gap nite:id="g" starttime="5.5" endtime="5.6"/>',
        _word("timeless", "", ""),
        _word("backwards", 5.9, 5.8),
        _word("late", 9.0, 9.1),
    ],
)
def test_gaps_missing_times_and_long_pauses_part_words(tmp_path: Path, between):
    first, second, *rest = _row_of_words(4)
    _make_meeting(tmp_path, first, second, between, *rest)
    assert _read(tmp_path) == []


@pytest.mark.parametrize(("max_pause_s", "found"), [(0.09, 0), (0.1, 2), (0.5, 2)])
def test_the_longest_pause_is_an_option(tmp_path: Path, max_pause_s, found):
    _make_meeting(tmp_path, *_row_of_words(4))
    assert len(_read(tmp_path, max_pause_s=max_pause_s)) == found


def test_a_crop_that_would_begin_before_the_recording_is_none(tmp_path: Path):
    _make_meeting(tmp_path, _word("a", 0.1, 0.2), _word("b", 0.3, 0.4), _word("c", 0.5, 0.6))
    assert _read(tmp_path) == []
    (row,) = _read(tmp_path, crop_s=0.7)
    assert (row.start_s, row.end_s) == (0.0, 0.7)


def test_the_draw_is_seeded_nested_and_without_replacement(tmp_path: Path):
    _make_meeting(tmp_path, *_row_of_words(302))
    ids = {seed: [row.utterance_id for row in _read(tmp_path, samples=30, seed=seed)] for seed in (0, 1)}
    assert [len(set(drawn)) for drawn in ids.values()] == [30, 30]
    assert ids[0] == [row.utterance_id for row in _read(tmp_path, samples=30, seed=0)]
    assert len({*ids[0]} & {*ids[1]}) < 15  # 3 expected in common
    assert {*ids[0]} < {row.utterance_id for row in _read(tmp_path, samples=60, seed=0)}
    numbers = [int(identifier.removeprefix("ami/w")) for identifier in ids[0]]
    assert numbers == sorted(numbers) and 90 < sum(numbers) / 30 < 210  # of 0 to 299
    assert len(_read(tmp_path)) == 300


def test_the_draw_does_not_depend_on_the_order_of_files(tmp_path: Path, monkeypatch):
    speakers = SPEAKER.format("A", 0, "Closeup1", "FEE005") + SPEAKER.format("B", 1, "Closeup2", "MEE006")
    _write_meetings(tmp_path, ES2002a=speakers, ES2002b=speakers)
    for meeting in ("ES2002a", "ES2002b"):
        for channel, agent in enumerate("AB"):
            _write(tmp_path / f"{meeting}/audio/{meeting}.Headset-{channel}.wav")
            _write_words(tmp_path, f"{meeting}.{agent}", *_row_of_words(40, f"{meeting}.{agent}."))
    rows = _read(tmp_path, samples=20)
    monkeypatch.setattr(
        ami, "sorted", lambda paths, **options: sorted(paths, **options)[:: 1 if options else -1], raising=False
    )
    assert _read(tmp_path, samples=20) == rows
    assert len({row.audio_path for row in rows}) > 2


def test_meetings_without_media_are_passed_over_and_missing_headsets_reported(tmp_path: Path):
    _make_meeting(tmp_path, *_row_of_words(3))
    _write_words(tmp_path, "ES2003a.A", *_row_of_words(3))
    _write_words(tmp_path, "ES2002a.B", *_row_of_words(3))
    _write_meetings(tmp_path, ES2002a=SPEAKER.format("A", 2, "", "FEE005") + SPEAKER.format("B", 3, "", "MEE006"))
    _write_words(tmp_path, "ES2002a.C", *_row_of_words(3))
    missing, unknown, row = _read(tmp_path)
    assert missing.path == "words/ES2002a.B.words.xml" and "ES2002a.Headset-3.wav is not there" in missing.reason
    assert "no channel and global_name for speaker C of ES2002a" in unknown.reason
    assert (row.speaker_id, row.video_path, row.video_start_s) == ("ami/FEE005", None, None)


def test_an_entity_bomb_costs_its_file_only(tmp_path: Path):
    _make_meeting(tmp_path, *_row_of_words(3))
    _write_meetings(tmp_path, ES2002a=SPEAKER.format("A", 2, "", "FEE005") + SPEAKER.format("B", 2, "", "MEE006"))
    lines = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(20))
    _write(tmp_path / "words/ES2002a.B.words.xml", f'<!DOCTYPE r [<!ENTITY e0 "ha">{lines}]><r><w>&e20;</w></r>')
    rejected, row = _read(tmp_path)
    assert rejected.path == "words/ES2002a.B.words.xml" and "declares XML entities" in rejected.reason
    assert row.speaker_id == "ami/FEE005"


def test_ingest_holds_words_and_refuses_crops_beyond_the_end(tmp_path: Path):
    _make_meeting(tmp_path, *_row_of_words(5))  # crops end at 6.05, 6.35 and 6.65 s
    soundfile.write(tmp_path / "ES2002a/audio/ES2002a.Headset-2.wav", np.zeros(6_400), 1_000)
    options = IngestOptions(
        corpora={"meetings": {"reader": "ami", "root": str(tmp_path), "options": {"samples": 3}}},
        max_quarantined_share=0.5,
    )
    found = ingest(options)
    rows = found.utterances.select(["utterance_id", "words", "duration_s", "video_start_s"]).to_pylist()
    assert [row["utterance_id"] for row in rows] == ["meetings/w0", "meetings/w1"]
    assert rows[0]["words"][2] == {"word": "w2", "start_s": 5.6, "end_s": 5.8}
    assert (rows[0]["duration_s"], rows[0]["video_start_s"]) == (pytest.approx(1.295), None)
    assert found.quarantine["reason"].to_pylist() == ["the segment ends at 6.6475 s, the file at 6.400 s"]


def test_a_root_without_annotations_has_no_rows(tmp_path: Path):
    assert _read(tmp_path) == []


def test_words_of_one_identifier_are_both_drawn_for_ingest_to_tell_apart(tmp_path: Path):
    _make_meeting(tmp_path, *(_word(f"w{i}", 5 + 0.3 * i, 5.2 + 0.3 * i, "same") for i in range(4)))
    rows = _read(tmp_path)
    assert [(row.utterance_id, row.transcript) for row in rows] == [("ami/same", "w0 w1 w2"), ("ami/same", "w1 w2 w3")]


def test_a_channel_too_long_for_the_name_of_a_file_has_no_recording(tmp_path: Path):
    _make_meeting(tmp_path, *_row_of_words(3))
    _write_meetings(tmp_path, ES2002a=SPEAKER.format("A", "2" * 300, "Closeup1", "FEE005"))
    (row,) = _read(tmp_path)
    assert isinstance(row, Rejected) and "is not there: no words of speaker A" in row.reason
