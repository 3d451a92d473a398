import numpy as np
import opensmile
import pytest
from helpers import utterances_of, voice, write_wav

from semiser.errors import Unusable
from semiser.features.family import Source
from semiser.features.opensmile_engine import OpenSmileEngine
from semiser.features.voice import Voice, VoiceFamily, frame_levels, measure_voice, track_pitch
from semiser.options.audio_features import VoiceOptions

pytestmark = pytest.mark.filterwarnings("error")


def _tone(pitch_hz, seconds=1.0, amplitude=0.2):
    """Ten harmonics falling as 1 / k."""
    t = np.arange(round(seconds * 16_000)) / 16_000
    return sum(amplitude / k * np.sin(2 * np.pi * pitch_hz * k * t) for k in range(1, 11)).astype(np.float32)


@pytest.mark.parametrize("pitch_hz", [80.0, 150.0, 250.0, 400.0])
def test_medians_of_a_tone(pitch_hz):
    found = measure_voice(_tone(pitch_hz), 16_000)
    assert found.pitch_hz == pytest.approx(pitch_hz, rel=0.01)
    mean_square = sum((0.2 / k) ** 2 / 2 for k in range(1, 11))
    assert found.intensity_db == pytest.approx(10 * np.log10(mean_square), abs=0.2)
    assert found.voiced_share == 1


def test_pauses_do_not_count():
    spoken = measure_voice(_tone(200.0), 16_000)
    paused = measure_voice(np.concatenate([np.zeros(24_000, np.float32), _tone(200.0)]), 16_000)
    assert paused.pitch_hz == pytest.approx(spoken.pitch_hz, rel=0.001)
    assert paused.intensity_db == pytest.approx(spoken.intensity_db, abs=0.1)
    assert paused.voiced_share == pytest.approx(0.4, abs=0.03)


def test_pitch_and_level_look_at_the_same_frames():
    signal = np.concatenate([np.zeros(8_000, np.float32), _tone(200.0)])
    first_voiced, first_loud = (
        np.flatnonzero(track_pitch(signal, 16_000))[0],
        np.argmax(frame_levels(signal, 16_000) > -60),
    )
    assert first_loud == 45  # the first frame, of 60 ms every 10 ms, that reaches beyond 0.5 s
    assert abs(first_voiced - first_loud) <= 3


def test_levels_are_mean_squares_in_db():
    levels = frame_levels(np.repeat([0.1, -1.0, 0.0], 1600), 16_000)
    assert levels.shape == (25,)  # 1 + (4800 - 960) // 160
    np.testing.assert_allclose(levels[[0, 10]], [-20, 0], atol=1e-9)
    assert levels[7] == pytest.approx(10 * np.log10((480 * 0.01 + 480) / 960))  # half of each
    assert levels[-1] == -np.inf


@pytest.mark.parametrize(
    "signal",
    [np.zeros(16_000), np.full(16_000, 0.5), np.random.default_rng(0).normal(0, 0.1, 16_000)],
    ids=["silence", "dc", "noise"],
)
def test_unvoiced_has_no_medians(signal):
    assert measure_voice(signal.astype(np.float32), 16_000) == Voice(None, None, 0.0)


def test_under_a_pitch_frame_is_refused():
    with pytest.raises(Unusable, match=r"0.050 s of audio: a pitch frame takes 0.06 s"):
        measure_voice(voice(0.05), 16_000)
    assert measure_voice(voice(0.06), 16_000).pitch_hz == pytest.approx(120, rel=0.02)


def test_one_engine_gives_opensmiles_values_signal_after_signal():
    feature_set, level = opensmile.FeatureSet.GeMAPSv01b, opensmile.FeatureLevel.LowLevelDescriptors
    smile, engine = opensmile.Smile(feature_set, level), OpenSmileEngine(feature_set, level, 16_000)
    for seconds, seed in [(1.0, 1), (0.06, 2), (0.5, 3), (1.0, 1)]:
        signal = voice(seconds, seed=seed)
        np.testing.assert_array_equal(engine(signal), smile.process_signal(signal, 16_000).to_numpy())
    assert engine(voice(0.05)).shape == (0, 18)


def test_full_scale_is_clipped_and_does_not_wrap():
    signal = _tone(200.0)
    signal[::40] = 1.0
    just_below = np.where(signal == 1.0, np.float32(1 - 2**-15), signal)
    np.testing.assert_array_equal(track_pitch(signal, 16_000), track_pitch(just_below, 16_000))


def test_a_row_is_the_three_columns(tmp_path):
    write_wav(tmp_path / "s" / "a.wav", _tone(150.0))
    (row,) = utterances_of(tmp_path).to_pylist()
    family = VoiceFamily(VoiceOptions())
    (values,) = family.rows(Source(row, tmp_path))
    assert list(values) == [field.name for field in family.fields()]
    assert values["pitch_hz"] == pytest.approx(150, rel=0.01)
