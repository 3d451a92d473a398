import librosa
import numpy as np
import pytest
from helpers import spectra, voice

from semiser.errors import Unusable
from semiser.features.fbank import compute_fbank
from semiser.options.audio_features import FbankOptions

OPTIONS = FbankOptions()
pytestmark = pytest.mark.filterwarnings("error")


def test_values_equal_librosas_mel_spectrogram():
    signal = voice(1.0).astype(np.float64)
    # librosa puts the window of 400 in the middle of 1024 samples: 312 in front line its frames up with ours.
    power = np.abs(
        librosa.stft(
            np.pad(signal, 312), n_fft=1024, win_length=400, hop_length=160, window="hamming", center=False
        )
    ) ** 2  # fmt: skip
    expected = np.log(librosa.feature.melspectrogram(S=power, sr=16_000, n_mels=128)).T
    found = compute_fbank(spectra(signal, OPTIONS), OPTIONS)
    assert found.shape == (98, 128)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_tone_is_loudest_in_the_filter_around_it():
    tone = np.sin(2 * np.pi * 440 * np.arange(1600) / 16_000).astype(np.float32)
    centres = librosa.mel_frequencies(n_mels=130, fmax=8_000)[1:-1]
    assert (compute_fbank(spectra(tone, OPTIONS), OPTIONS).argmax(axis=1) == np.abs(centres - 440).argmin()).all()


def test_silence_is_the_floor_squared_and_dc_is_finite():
    silence = spectra(np.zeros(800, np.float32), OPTIONS)
    assert (compute_fbank(silence, OPTIONS) == np.float32(np.log(1e-10))).all()
    few = FbankOptions(mels=40)
    constant = compute_fbank(spectra(np.full(800, 0.25, np.float32), few), few)
    assert constant.shape == (3, 40)
    assert np.isfinite(constant).all()


def test_shorter_than_a_frame_is_refused():
    with pytest.raises(Unusable, match=r"a frame takes 0.025 s"):
        spectra(np.zeros(399, np.float32), OPTIONS)
