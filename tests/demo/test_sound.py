import numpy as np
import pytest

from semiser.demo import sound

SECOND = np.arange(sound.SAMPLE_RATE_HZ) / sound.SAMPLE_RATE_HZ


def tone(hz: float, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * SECOND)).astype(np.float32)


def loudness(signal: np.ndarray) -> float:
    """Root mean square of the middle, in dB of full scale."""
    return 20 * np.log10(np.sqrt(np.mean(signal[4000:12000] ** 2)))


def test_cut_silence_keeps_the_margin():
    signal = np.zeros(1000, np.float32)
    signal[300:400] = 0.5
    np.testing.assert_array_equal(sound.cut_silence(signal, 1000, margin_ms=20), signal[280:420])


def test_cut_silence_refuses_silence():
    with pytest.raises(ValueError, match="no sample of 10 is above"):
        sound.cut_silence(np.zeros(10), 16_000)


def test_a_shorter_tract_raises_every_frequency_and_shortens():
    signal = sound.change_tract(tone(400), sound.SAMPLE_RATE_HZ, 1.25)
    assert signal.size == 12_800
    spectrum = np.abs(np.fft.rfft(signal))
    assert np.fft.rfftfreq(signal.size, 1 / sound.SAMPLE_RATE_HZ)[spectrum.argmax()] == pytest.approx(500, abs=2)


@pytest.mark.parametrize(("hz", "gain_db"), [(250, 0), (500, 0), (1000, 3), (2000, 6), (4000, 9), (6000, 9)])
def test_tilt_is_in_db_an_octave(hz, gain_db):
    assert loudness(sound.tilt_spectrum(tone(hz), 3)) - loudness(tone(hz)) == pytest.approx(gain_db, abs=0.05)


def test_band_limit_is_3_db_at_its_edges_and_open_between():
    # second-order low edge: 3.01 dB; fourth-order high edge: 3.01 dB
    for hz, gain_db in ((300, -3.01), (3400, -3.01), (1000, 0), (60, -27.96)):
        assert loudness(sound.limit_band(tone(hz), 300, 3400)) - loudness(tone(hz)) == pytest.approx(gain_db, abs=0.1)


def test_level_is_set_and_the_peak_respected():
    assert np.sqrt(np.mean(sound.set_level(tone(100), -20) ** 2)) == pytest.approx(0.1, rel=1e-4)
    assert np.abs(sound.set_level(tone(100), 0)).max() == pytest.approx(0.95)


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_noise_has_the_ratio_asked_for(slope):
    noisy = sound.add_noise(tone(300), 10, slope, np.random.default_rng(0))
    noise = noisy - tone(300)
    assert np.mean(tone(300) ** 2) / np.mean(noise**2) == pytest.approx(10, rel=0.01)


def test_room_adds_a_tail_of_the_energy_asked_for():
    click = np.zeros(8000, np.float32)
    click[0] = 1.0
    wet = sound.add_room(click, decay_s=0.3, share=0.2, rng=np.random.default_rng(0)) - click
    assert np.sum(wet**2) == pytest.approx(0.2, rel=1e-3)
    assert np.sum(wet[:800] ** 2) > 100 * np.sum(wet[2400:3200] ** 2)
    assert not np.any(np.abs(wet[4800:]) > 1e-6)
