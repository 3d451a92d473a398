import warnings

import librosa
import numpy as np
import pytest
import scipy.fft
from helpers import utterances_of, voice, write_wav
from scipy.signal import get_window

from semiser.features import spectra
from semiser.features.family import Source
from semiser.features.fbank import Fbank
from semiser.features.fft import Fft
from semiser.features.spectra import (
    cut_frames,
    fit_frames,
    magnitude_spectra,
    mel_filters,
    shaped_window,
    spectra_of,
)
from semiser.features.stft import Stft
from semiser.options.audio_features import FbankOptions, FftOptions, StftOptions

pytestmark = pytest.mark.filterwarnings("error")


def test_frames_overlap_and_the_rest_is_left_out():
    frames = cut_frames(np.arange(8), length=4, step=3)
    assert frames.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]]


@pytest.mark.parametrize("samples, frames", [(0, 0), (3, 0), (4, 1), (6, 1), (7, 2)])
def test_number_of_frames(samples, frames):
    assert cut_frames(np.zeros(samples), 4, 3).shape == (frames, 4)


def test_a_sine_on_a_bin_has_half_the_windows_sum():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(800) / 16_000)  # bin 50 of 800 at 20 Hz
    window = get_window("hann", 800)  # sums to 400
    magnitudes = magnitude_spectra(tone, window, 800, 800, 200)
    assert magnitudes.shape == (1, 200)
    assert magnitudes[0, 50] == pytest.approx(0.5 * 400 / 2)
    assert magnitudes[0, 49] == pytest.approx(0.5 * 400 / 4, rel=1e-5)
    assert magnitudes[0, 60:].max() < 1e-4


def test_blocks_give_what_one_transform_gives(monkeypatch):
    signal = voice(0.5)
    whole = magnitude_spectra(signal, np.ones(400), 160, 512, 257)
    np.testing.assert_allclose(
        whole[3], np.abs(scipy.fft.rfft(signal[480:880].astype(np.float64), 512)), rtol=1e-5, atol=1e-6
    )
    monkeypatch.setattr(spectra, "_BLOCK", 7)
    np.testing.assert_array_equal(magnitude_spectra(signal, np.ones(400), 160, 512, 257), whole)


def test_families_with_the_same_frames_share_one_transform(tmp_path, monkeypatch):
    write_wav(tmp_path / "s" / "a.wav", voice(0.5))
    (row,) = utterances_of(tmp_path).to_pylist()
    made = []
    real = spectra.magnitude_spectra
    monkeypatch.setattr(spectra, "magnitude_spectra", lambda *given: made.append(given[3:]) or real(*given))
    source, options = Source(row, tmp_path), FbankOptions()
    families = Fbank(options), Fft(FftOptions()), Stft(StftOptions())
    together = [dict(family.rows(source).__next__()) for family in families]
    assert made == [(1024, 513)]
    alone = [dict(family.rows(Source(row, tmp_path)).__next__()) for family in families]
    for name, found, expected in zip(("fbank", "fft", "stft"), together, alone, strict=True):
        np.testing.assert_array_equal(found[name], expected[name])
    assert len(made) == 4
    assert spectra_of(source, FbankOptions(step_ms=20)).shape == (24, 513) and len(made) == 5


@pytest.mark.parametrize("dft_size, made", [(512, 1024), (1024, 1024), (400, 400), (2048, 2048)])
def test_bins_of_a_shorter_transform_are_those_of_the_shared_one(tmp_path, dft_size, made):
    """To rounding in double precision; magnitudes here go up to 60."""
    write_wav(tmp_path / "s" / "a.wav", voice(0.5))
    (row,) = utterances_of(tmp_path).to_pylist()
    source, options = Source(row, tmp_path), FftOptions(dft_size=dft_size, bands=1)
    found = spectra_of(source, options)
    expected = spectra.frame_spectra(source.audio(16_000), options, dft_size // 2 + 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
    (key,) = (key for key in source._made if key[0] == "spectra")
    assert key[-1] == made


@pytest.mark.parametrize("shape", ["hann", "hamming"])
@pytest.mark.parametrize("samples, periodic", [(400, True), (401, True), (512, False)])
def test_windows_are_scipys(shape, samples, periodic):
    np.testing.assert_array_equal(shaped_window(shape, samples, periodic), get_window(shape, samples, fftbins=periodic))


@pytest.mark.parametrize("rate, dft_size, mels", [(16_000, 1024, 128), (16_000, 512, 128), (8_000, 512, 40)])
def test_mel_filters_are_librosas(rate, dft_size, mels):
    expected = librosa.filters.mel(sr=rate, n_fft=dft_size, n_mels=mels, dtype=np.float64)
    np.testing.assert_allclose(mel_filters(rate, dft_size, mels), expected, rtol=1e-6, atol=1e-9)


def test_too_many_filters_for_the_transform_are_refused():
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"of 128 mel filters hold no bin of a DFT of 256"):
        mel_filters(16_000, 256, 128)


def test_matrices_are_padded_at_the_head_and_cut_at_the_end():
    values = np.arange(6).reshape(3, 2)
    assert fit_frames(values, 4).tolist() == [[0, 0], [0, 1], [2, 3], [4, 5]]
    assert fit_frames(values, 3).tolist() == values.tolist()
    assert fit_frames(values, 2).tolist() == [[0, 1], [2, 3]]
