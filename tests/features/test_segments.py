import json

import numpy as np
import pytest
import scipy.signal
from helpers import voice
from pydantic import ValidationError

from semiser.errors import Unusable
from semiser.features.segments import Segments, compute_segments
from semiser.options.audio_features import SegmentsOptions

pytestmark = pytest.mark.filterwarnings("error")


def test_values_equal_scipys_spectrogram():
    signal = voice(1.0)
    frequencies, _, spectrogram = scipy.signal.spectrogram(
        signal.astype(np.float64), 16_000, "hamming", nperseg=320, noverlap=160, nfft=800, detrend=False,
        mode="magnitude", scaling="spectrum",
    )  # fmt: skip
    magnitude = spectrogram[:200, :80] * scipy.signal.get_window("hamming", 320).sum()
    assert frequencies[199] == 3980
    found = compute_segments(signal, SegmentsOptions())
    assert found.shape == (1, 200, 80)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], np.log(magnitude), atol=1e-5)


@pytest.mark.parametrize(
    "samples, segments",
    [(12_960, 1), (12_960 + 12_799, 1), (12_960 + 12_800, 2), (160_000, 12)],
    ids=["810 ms", "a remainder of 79 frames is dropped", "160 frames", "10 s: 999 frames"],
)
def test_number_of_segments(samples, segments):
    assert compute_segments(voice(10.0)[:samples], SegmentsOptions()).shape == (segments, 200, 80)


def test_the_second_segment_is_what_starts_800_ms_later():
    signal = voice(1.7)
    second = compute_segments(signal, SegmentsOptions())[1]
    np.testing.assert_array_equal(second, compute_segments(signal[12_800:], SegmentsOptions())[0])


def test_under_810_ms_is_refused_or_padded():
    short = voice(0.81)[:-1]
    with pytest.raises(Unusable, match=r"0.810 s of audio: a segment takes 0.81 s"):
        compute_segments(short, SegmentsOptions())
    padded = compute_segments(short[:800], SegmentsOptions(pad_short=True))
    assert padded.shape == (1, 200, 80)
    assert (padded[0, :, 5:] == np.float32(np.log(1e-5))).all()  # frame 5 starts at sample 800
    assert (padded[0, :, :4] > np.float32(np.log(1e-5))).all()
    with pytest.raises(Unusable):
        compute_segments(np.empty(0, np.float32), SegmentsOptions(pad_short=True))


def test_silence_is_the_floor_and_dc_stays_in_the_low_bins():
    silence = compute_segments(np.zeros(16_000, np.float32), SegmentsOptions(floor=1e-3))
    assert (silence == np.float32(np.log(1e-3))).all()
    constant = compute_segments(np.full(16_000, 0.5, np.float32), SegmentsOptions())
    window_sum = 0.54 * 320  # of a periodic Hamming window
    np.testing.assert_allclose(constant[0, 0], np.log(0.5 * window_sum), rtol=1e-6)
    assert np.isfinite(constant).all()


def test_options_decide_shape_and_are_checked():
    family = Segments(SegmentsOptions(cutoff_hz=3_990, segment_frames=10))
    field = family.fields()[1]
    assert field.type.list_size == 200 * 10  # bins of 20 Hz up to 3,980
    assert json.loads(field.metadata[b"shape"]) == [200, 10]
    assert SegmentsOptions(cutoff_hz=8_000).bins == 400  # the paper's 400: all but the one at 8 kHz
    with pytest.raises(ValidationError, match="dft_size must be at least the 320 samples"):
        SegmentsOptions(dft_size=256)
