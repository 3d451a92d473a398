"""Long recordings in segments."""

from pathlib import Path

import numpy as np
import pytest
from helpers import voice, write_wav

from semiser.media.audio import decode_audio
from semiser.options.predict import CutOptions
from semiser.prediction.cutting import cut_long, equal_parts
from semiser.prediction.sources import find_sources

SPEECH = sorted((Path(__file__).parents[2] / "data/01_raw/demo/wild").rglob("*.flac"))


def _rows(path, **options):
    cut = cut_long(find_sources(path), CutOptions(**options))
    columns = ["utterance_id", "start_s", "end_s", "duration_s"]
    return cut, [tuple(row.values()) for row in cut.sources.utterances.select(columns).to_pylist()]


def test_equal_parts_are_the_fewest_that_are_short_enough():
    assert list(equal_parts(0, 12, 5)) == [(0, 4), (4, 8), (8, 12)]
    assert list(equal_parts(1, 6, 5)) == [(1, 6)]
    assert list(equal_parts(0, 0.2, 5)) == [(0, 0.2)]


def test_windows_cover_a_long_recording_and_short_ones_stay_whole(tmp_path):
    write_wav(tmp_path / "long.wav", voice(11.0))
    write_wav(tmp_path / "short.wav", voice(1.0))
    cut, rows = _rows(tmp_path, by="windows", longest_s=8, window_s=4)
    assert cut.by == "windows"
    assert rows == [
        ("input/long.wav#0001", 0.0, 3.667, 3.667),
        ("input/long.wav#0002", 3.667, 7.333, pytest.approx(3.666)),
        ("input/long.wav#0003", 7.333, 11.0, pytest.approx(3.667)),
        ("input/short.wav", None, None, 1.0),
    ]
    cut, rows = _rows(tmp_path, by="none", longest_s=8)
    assert cut.by is None and len(rows) == 2
    cut, rows = _rows(tmp_path, by="windows", longest_s=12)
    assert cut.by is None and len(rows) == 2


def test_bounds_that_a_manifest_gives_are_kept(tmp_path):
    write_wav(tmp_path / "long.wav", voice(9.0))
    (tmp_path / "list.csv").write_text("audio_path,start_s,end_s,speaker_id\nlong.wav,0,8.5,a\nlong.wav,,,b\n")
    utterances = cut_long(
        find_sources(tmp_path / "list.csv"), CutOptions(by="windows", longest_s=5, window_s=5)
    ).sources.utterances
    found = {(row["start_s"], row["end_s"], row["speaker_id"].split("/")[-1]) for row in utterances.to_pylist()}
    assert found == {(0.0, 8.5, "a"), (0.0, 4.5, "b"), (4.5, 9.0, "b")}


def test_voice_activity_finds_what_is_said_between_pauses_and_across_blocks(tmp_path, monkeypatch):
    pytest.importorskip("silero_vad")
    from semiser.prediction import cutting

    monkeypatch.setattr(cutting, "BLOCK_S", 2.048)  # 64 times what the network takes
    said, bounds, parts = [decode_audio(path, 16_000) for path in SPEECH[:3]], [], [np.zeros(16_000, np.float32)]
    for signal in said:
        first = sum(map(len, parts)) / 16_000
        bounds.append((first, first + len(signal) / 16_000))
        parts += [signal, np.zeros(24_000, np.float32)]
    write_wav(tmp_path / "talk.wav", np.concatenate(parts))
    cut, rows = _rows(tmp_path, by="voice", longest_s=4)
    assert cut.by == "voice"
    middles = [(start + end) / 2 for _, start, end, _ in rows]
    assert all(any(first < middle < last for middle in middles) for first, last in bounds)
    for _, start, end, _ in rows:  # no segment is in a pause alone
        assert any(start < last and end > first for first, last in bounds)


def test_a_recording_is_listened_to_block_by_block_up_to_its_end(monkeypatch):
    pytest.importorskip("silero_vad")
    from semiser.prediction import cutting

    heard = []

    def decode(path, rate_hz, first, last):
        heard.append((rate_hz, first, last))
        return np.zeros(round((last - first) * 100), np.float32)

    monkeypatch.setattr(cutting, "decode_audio", decode)
    assert list(cutting._voices()("talk.wav", 150.5)) == []
    assert heard == [(16_000, 0, 60), (16_000, 60, 120), (16_000, 120, 150.5)]


def test_a_burst_of_voice_that_is_no_utterance_is_passed_over():
    from semiser.prediction import cutting

    def voices(path, duration_s):
        yield from [(0.25, 0.5), (1.0, 1.5), (10.0, 10.25), (20.0, 26.0)]

    found = list(cutting._segments("talk.wav", 30.0, CutOptions(by="voice", longest_s=5), voices))
    assert found == [(1.0, 1.5), (20.0, 23.0), (23.0, 26.0)]


def test_a_recording_without_speech_is_a_row_with_a_reason(tmp_path):
    pytest.importorskip("silero_vad")
    write_wav(tmp_path / "still.wav", np.zeros(16_000 * 5, np.float32))
    cut, rows = _rows(tmp_path, by="voice", longest_s=4)
    assert rows == [] and "no speech was found" in cut.sources.rejected[0].reason


def test_voice_without_its_extra_is_refused_and_auto_takes_windows(tmp_path, monkeypatch):
    from semiser.prediction import cutting

    monkeypatch.setattr(cutting, "find_spec", lambda name: None)
    write_wav(tmp_path / "long.wav", voice(5.0))
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'semiser\[vad\]'"):
        _rows(tmp_path, by="voice", longest_s=4)
    assert _rows(tmp_path, by="auto", longest_s=4)[0].by == "windows"
