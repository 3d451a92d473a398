"""Mel frames beside those of librosa, and of transformers' port of Kaldi."""

import librosa
import numpy as np
import pytest
from helpers import voice

from semiser.errors import Unusable
from semiser.features.mel_frames import mel_frames
from semiser.options.onnx import MelOptions

RATE_HZ = 16_000
LIBROSA = dict(
    window="hann", periodic=True, centred=True, remove_mean=False, preemphasis=0, low_hz=0, filters="slaney", log="none"
)  # fmt: skip


def test_librosas_mel_spectrogram():
    signal = voice(0.5)
    expected = librosa.feature.melspectrogram(y=signal, sr=RATE_HZ, n_fft=400, hop_length=160, n_mels=40).T
    found = mel_frames(signal, RATE_HZ, MelOptions(**LIBROSA, dft_size=400, bands=40))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_a_window_shorter_than_the_transform_is_centred_in_it():
    signal = voice(0.5)
    expected = librosa.feature.melspectrogram(
        y=signal, sr=RATE_HZ, n_fft=512, win_length=400, hop_length=160, n_mels=40
    )
    found = mel_frames(signal, RATE_HZ, MelOptions(**LIBROSA, bands=40))
    np.testing.assert_allclose(found, expected.T, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("window", ["povey", "hamming"])
def test_kaldis_filter_bank(window):
    audio = pytest.importorskip("transformers.audio_utils")
    signal = voice(0.5) * 32768
    filters = audio.mel_filter_bank(
        257, 80, 20, 8000, RATE_HZ, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    expected = audio.spectrogram(
        signal, audio.window_function(400, window, periodic=False), 400, 160, fft_length=512, power=2.0, center=False,
        preemphasis=0.97, mel_filters=filters, log_mel="log", mel_floor=1.1920929e-7, remove_dc_offset=True,
    ).T  # fmt: skip
    found = mel_frames(signal, RATE_HZ, MelOptions(window=window))
    assert found.shape == (48, 80)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    normalised = mel_frames(signal, RATE_HZ, MelOptions(window=window, normalise="mean"))
    np.testing.assert_allclose(normalised, found - found.mean(0), atol=1e-4)


def test_yamnets_stabilised_logarithm_of_magnitudes():
    """TensorFlow's mel matrix is Kaldi's: straight on the mel scale, without bin 0."""
    audio = pytest.importorskip("transformers.audio_utils")
    signal = voice(0.5)
    filters = audio.mel_filter_bank(
        257, 64, 125, 7500, RATE_HZ, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    window = np.hanning(401)[:-1]
    magnitudes = np.abs(np.fft.rfft(np.stack([signal[n * 160 : n * 160 + 400] for n in range(48)]) * window, 512))
    options = MelOptions(
        window="hann", periodic=True, remove_mean=False, preemphasis=0, power=1, bands=64, low_hz=125, high_hz=7500,
        offset=0.001,
    )  # fmt: skip
    np.testing.assert_allclose(mel_frames(signal, RATE_HZ, options), np.log(magnitudes @ filters + 0.001), atol=1e-4)


def test_decibel_and_deviation():
    signal = voice(0.3)
    energies = mel_frames(signal, RATE_HZ, MelOptions(log="none"))
    decibel = mel_frames(signal, RATE_HZ, MelOptions(log="decibel"))
    np.testing.assert_allclose(decibel, 10 * np.log10(np.maximum(energies, 1.1920929e-7)), atol=1e-3)
    scaled = mel_frames(signal, RATE_HZ, MelOptions(normalise="mean_std"))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-4)


def test_what_is_too_short_is_refused():
    with pytest.raises(Unusable, match=r"0\.019 s of audio: a frame takes 0\.025 s"):
        mel_frames(voice(0.019), RATE_HZ, MelOptions())
    with pytest.raises(ValueError, match=r"mel\.dft_size must be at least the 400 samples of a frame, not 256"):
        mel_frames(voice(0.1), RATE_HZ, MelOptions(dft_size=256))
