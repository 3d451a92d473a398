import librosa
import numpy as np
import pytest
from helpers import voice

from semiser.errors import Unusable
from semiser.features.chunks import compute_chunks
from semiser.options.audio_features import ChunksOptions

pytestmark = pytest.mark.filterwarnings("error")


def test_values_equal_librosas_centred_stft():
    signal = voice(1.0)
    amplitude = np.abs(librosa.stft(signal.astype(np.float64), n_fft=1024, hop_length=512)) / 256  # a sine of 1 gives 1
    expected = librosa.amplitude_to_db(amplitude, ref=1.0, amin=1e-5, top_db=None) / 50 + 1  # [-100, 0] dB -> [-1, 1]
    found = compute_chunks(signal, ChunksOptions())
    assert found.shape == (1, 513, 32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], np.clip(expected, -1, 1), atol=1e-5)


def test_the_scale_is_fixed_by_a_full_scale_sine_and_silence():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)  # bin 64
    found = compute_chunks(tone, ChunksOptions())[0]
    np.testing.assert_allclose(found[64, 2:-2], 1, atol=1e-6)
    np.testing.assert_allclose(compute_chunks(tone / 10, ChunksOptions())[0, 64, 2:-2], 0.6, atol=1e-6)  # -20 of 100 dB
    np.testing.assert_allclose(compute_chunks(tone / 10, ChunksOptions(floor_db=-40))[0, 64, 2:-2], 0, atol=1e-6)
    assert (compute_chunks(np.zeros(16_000, np.float32), ChunksOptions()) == -1).all()


@pytest.mark.parametrize("signal", [np.full(16_000, 1.0), np.full(800, -0.5), np.sign(voice(1.0)) * 4])
def test_nothing_leaves_the_range(signal):
    found = compute_chunks(signal.astype(np.float32), ChunksOptions())
    assert found.min() >= -1
    assert found.max() <= 1


@pytest.mark.parametrize(
    "samples, chunks",
    [(1, 1), (800, 1), (15_999, 1), (16_000, 1), (23_999, 1), (24_000, 2), (32_000, 2), (40_001, 3)],
)
def test_a_last_part_counts_from_half_a_second_on_and_the_only_one_always(samples, chunks):
    assert compute_chunks(voice(3.0)[:samples], ChunksOptions()).shape == (chunks, 513, 32)


def test_chunks_do_not_overlap_and_the_last_is_padded_with_silence():
    signal = voice(2.6)
    found = compute_chunks(signal, ChunksOptions())
    for number, part in enumerate([signal[:16_000], signal[16_000:32_000], np.pad(signal[32_000:], (0, 6_400))]):
        np.testing.assert_array_equal(found[number], compute_chunks(part, ChunksOptions())[0])
    assert (found[2][:, 21:] == -1).all()  # frame 21 covers samples 10,240 to 11,264 of a chunk with 9,600
    with pytest.raises(Unusable, match="0 s of audio"):
        compute_chunks(signal[:0], ChunksOptions())
