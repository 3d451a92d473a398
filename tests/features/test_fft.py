import numpy as np
import pytest
import scipy.signal
from helpers import spectra, voice
from pydantic import ValidationError

from semiser.errors import Unusable
from semiser.features.fft import Fft, compute_fft
from semiser.options.audio_features import FftOptions

pytestmark = pytest.mark.filterwarnings("error")


def test_values_equal_pairs_of_scipys_bins():
    signal = voice(1.0)
    *_, spectrogram = scipy.signal.spectrogram(
        signal.astype(np.float64), 16_000, "hamming", nperseg=400, noverlap=240, nfft=512, detrend=False,
        mode="magnitude", scaling="spectrum",
    )  # fmt: skip
    magnitude = (spectrogram * scipy.signal.get_window("hamming", 400).sum()).T
    pairs = np.sqrt((magnitude[:, 0:256:2] ** 2 + magnitude[:, 1:256:2] ** 2) / 2)
    found = compute_fft(spectra(signal, FftOptions()), FftOptions())
    assert found.shape == (98, 128)  # 1 + (16000 - 400) // 160
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.log(pairs), atol=1e-5)


@pytest.mark.parametrize("samples, frames", [(400, 1), (800, 3), (559, 1), (560, 2)])
def test_number_of_frames(samples, frames):
    assert compute_fft(spectra(voice(1.0)[:samples], FftOptions()), FftOptions()).shape == (frames, 128)


def test_shorter_than_a_frame_is_refused():
    with pytest.raises(Unusable, match=r"0.025 s of audio: a frame takes 0.025 s"):
        compute_fft(spectra(voice(1.0)[:399], FftOptions()), FftOptions())


def test_silence_is_the_floor_and_dc_is_in_the_first_band():
    assert (
        compute_fft(spectra(np.zeros(800, np.float32), FftOptions()), FftOptions()) == np.float32(np.log(1e-5))
    ).all()
    constant = compute_fft(spectra(np.full(800, 0.25, np.float32), FftOptions()), FftOptions())
    assert np.isfinite(constant).all()
    assert (constant.argmax(axis=1) == 0).all()


def test_bands_must_divide_the_bins():
    with pytest.raises(ValidationError, match="dft_size must be a multiple of 2 x bands = 200, not 512"):
        FftOptions(bands=100)
    assert compute_fft(spectra(voice(0.1), FftOptions(bands=64)), FftOptions(bands=64)).shape == (8, 64)


def test_the_columns_tell_frames_and_unit():
    frames, values = Fft(FftOptions()).fields()
    assert (frames.name, values.name) == ("frames", "fft")
    assert values.metadata[b"shape"] == b"[null, 128]"
    assert values.metadata[b"band_hz"] == b"62.5"
