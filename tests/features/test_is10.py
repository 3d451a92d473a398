import numpy as np
import opensmile
import pytest
from helpers import voice

from semiser.errors import Unusable
from semiser.features.is10 import NUM_FEATURES, Is10Extractor, feature_names
from semiser.media.audio import decode_audio


@pytest.fixture(scope="module")
def smile():
    return opensmile.Smile(opensmile.FeatureSet.IS10, opensmile.FeatureLevel.Functionals)


@pytest.fixture(scope="module")
def extractor():
    return Is10Extractor(16_000)


def test_values_equal_opensmile_on_signals_of_all_lengths_through_one_engine(smile, extractor):
    for seconds, seed in [(1.0, 1), (0.1, 2), (2.3, 3), (0.35, 4), (1.0, 1)]:
        signal = voice(seconds, seed=seed)
        np.testing.assert_array_equal(extractor(signal), smile.process_signal(signal, 16_000).to_numpy()[0])


def test_names_are_opensmiles(smile):
    assert feature_names() == tuple(smile.feature_names)
    assert len(feature_names()) == NUM_FEATURES


def test_full_scale_is_clipped_and_does_not_wrap(extractor):
    signal = voice(1.0)
    signal[:4000:40] = 1.0
    just_below = np.where(signal == 1.0, np.float32(1 - 2**-15), signal)
    np.testing.assert_array_equal(extractor(signal), extractor(just_below))
    wrapped = np.where(signal == 1.0, np.float32(-1.0), signal)
    assert not np.array_equal(extractor(signal), extractor(wrapped))


@pytest.mark.parametrize("samples", [0, 1, 320, 1599])
def test_too_short_is_refused_and_the_engine_goes_on(extractor, samples):
    before = extractor(voice(0.5))
    with pytest.raises(Unusable, match=r"IS10 needs at least 0.1 s"):
        extractor(voice(1.0)[:samples])
    np.testing.assert_array_equal(extractor(voice(0.5)), before)


def test_silence_has_finite_values(extractor):
    assert np.isfinite(extractor(np.zeros(16_000, np.float32))).all()


@pytest.mark.corpora
def test_values_equal_opensmile_on_ten_real_files(shared_corpora, smile, extractor):
    files = (
        sorted(shared_corpora.glob("casia/*/*/*.wav"))[::240] + sorted(shared_corpora.glob("emodb/wav/*.wav"))[::107]
    )
    assert len(files) == 10
    for path in files:
        signal = decode_audio(path, 16_000)
        clipped = np.clip(signal, -1, 1 - 2**-15)
        np.testing.assert_array_equal(extractor(signal), smile.process_signal(clipped, 16_000).to_numpy()[0])
