import json
import threading

import numpy as np
import opensmile
import pytest
from helpers import voice

from semiser.errors import Unusable
from semiser.features import opensmile_engine
from semiser.features.descriptors import Is10Lld
from semiser.features.family import Source
from semiser.features.functionals import Compare2016, Egemaps, Emobase, Is10
from semiser.features.opensmile_sets import SetExtractor, set_names
from semiser.media.audio import decode_audio
from semiser.options.audio_features import OpenSmileOptions

SETS = {"IS10": 1582, "eGeMAPSv02": 88, "ComParE_2016": 6373, "emobase": 988}


def smile_of(name):
    return opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel.Functionals)


@pytest.fixture(scope="module")
def extractor():
    return SetExtractor("IS10", "Functionals", 16_000)


@pytest.mark.parametrize("name", SETS)
def test_values_equal_opensmile_on_signals_of_all_lengths_through_one_engine(name):
    smile, extractor = smile_of(name), SetExtractor(name, "Functionals", 16_000)
    for seconds, seed in [(1.0, 1), (0.1, 2), (2.3, 3), (0.35, 4), (1.0, 1)]:
        signal = voice(seconds, seed=seed)
        np.testing.assert_array_equal(extractor(signal), smile.process_signal(signal, 16_000).to_numpy())


@pytest.mark.parametrize("name", SETS)
def test_a_recording_that_goes_in_by_blocks_has_the_values_of_one_that_goes_in_whole(name, monkeypatch):
    monkeypatch.setattr(opensmile_engine, "_RING_S", 3)
    smile, extractor = smile_of(name), SetExtractor(name, "Functionals", 16_000)
    signal = np.concatenate([voice(4.5), np.zeros(16_000, np.float32), voice(3.77, seed=2)])  # thrice the ring
    for _ in range(2):
        np.testing.assert_array_equal(extractor(signal), smile.process_signal(signal, 16_000).to_numpy())


def test_nobody_hands_over_to_an_engine_that_stopped(monkeypatch):
    monkeypatch.setattr(opensmile_engine, "_RING_S", 1)
    extractor = SetExtractor("emobase", "Functionals", 16_000)
    monkeypatch.setattr(extractor._engine._engine, "run", lambda: 1 / 0)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        extractor(voice(6.0))
    assert threading.active_count() == before


@pytest.mark.parametrize("name", SETS)
def test_names_are_opensmiles(name):
    assert set_names(name) == tuple(smile_of(name).feature_names)
    assert len(set_names(name)) == SETS[name]


@pytest.mark.parametrize("family", [Is10, Egemaps, Compare2016, Emobase])
def test_a_family_gives_a_row_of_its_sets_names(family, monkeypatch):
    signal = voice(0.6)
    monkeypatch.setattr(Source, "audio", lambda self, rate: signal)
    made = family(OpenSmileOptions())
    (field,) = made.fields()
    (row,) = made.rows(Source({}, None))
    assert (field.name, field.type.list_size) == (made.name, SETS[made.feature_set])
    assert json.loads(field.metadata[b"names"]) == list(set_names(made.feature_set))
    np.testing.assert_array_equal(row[made.name], SetExtractor(made.feature_set, "Functionals", 16_000)(signal)[0])


def test_full_scale_is_clipped_and_does_not_wrap(extractor):
    signal = voice(1.0)
    signal[:4000:40] = 1.0
    just_below = np.where(signal == 1.0, np.float32(1 - 2**-15), signal)
    np.testing.assert_array_equal(extractor(signal), extractor(just_below))
    wrapped = np.where(signal == 1.0, np.float32(-1.0), signal)
    assert not np.array_equal(extractor(signal), extractor(wrapped))


@pytest.mark.parametrize("samples", [0, 1, 320, 1599])
def test_too_short_is_refused(samples, monkeypatch):
    monkeypatch.setattr(Source, "audio", lambda self, rate: voice(1.0)[:samples])
    with pytest.raises(Unusable, match=r"IS10 needs at least 0.1 s"):
        next(Is10(OpenSmileOptions()).rows(Source({}, None)))


@pytest.mark.parametrize("level", ["Functionals", "LowLevelDescriptors"])
def test_more_than_an_hour_is_refused_before_it_is_held_in_memory_and_the_engine_goes_on(level):
    extractor = SetExtractor("eGeMAPSv02", level, 16_000)
    before = extractor(voice(0.5))
    with pytest.raises(Unusable, match=r"3,601 s of audio: eGeMAPSv02 .* at most 3,600 s: give start_s and end_s"):
        extractor(np.broadcast_to(np.float32(0), 3601 * 16_000))
    np.testing.assert_array_equal(extractor(voice(0.5)), before)


@pytest.mark.parametrize("family", [Is10, Is10Lld])
def test_functionals_and_descriptors_alike_take_an_hour_at_most(family, monkeypatch):
    monkeypatch.setattr(Source, "audio", lambda self, rate: np.broadcast_to(np.float32(0), 3601 * rate))
    with pytest.raises(Unusable, match=r"3,601 s of audio: IS10"):
        next(family(OpenSmileOptions()).rows(Source({}, None)))


def test_longer_than_an_hour_is_refused_with_what_to_do(extractor):
    """openSMILE holds the descriptors of the whole utterance: 1 GB an hour."""
    signal = np.broadcast_to(np.float32(0.1), 3601 * 16_000)  # takes no memory
    with pytest.raises(Unusable, match=r"3,601 s of audio: .* takes at most 3,600 s: give start_s and end_s"):
        extractor(signal)


@pytest.mark.parametrize("name", SETS)
def test_silence_has_finite_values(name):
    assert np.isfinite(SetExtractor(name, "Functionals", 16_000)(np.zeros(16_000, np.float32))).all()


@pytest.mark.corpora
def test_values_equal_opensmile_on_ten_real_files(shared_corpora, extractor):
    files = (
        sorted(shared_corpora.glob("casia/*/*/*.wav"))[::240] + sorted(shared_corpora.glob("emodb/wav/*.wav"))[::107]
    )
    assert len(files) == 10
    smile = smile_of("IS10")
    for path in files:
        signal = decode_audio(path, 16_000)
        clipped = np.clip(signal, -1, 1 - 2**-15)
        np.testing.assert_array_equal(extractor(signal), smile.process_signal(clipped, 16_000).to_numpy())
