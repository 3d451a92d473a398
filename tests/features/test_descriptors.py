import json

import numpy as np
import opensmile
import pytest
from helpers import voice

from semiser.errors import Unusable
from semiser.features.descriptors import Compare2016Lld, EgemapsLld, EmobaseLld, Is10Lld
from semiser.features.family import Source
from semiser.features.opensmile_sets import SetExtractor
from semiser.options.audio_features import OpenSmileOptions

FAMILIES = {Is10Lld: 38, EgemapsLld: 25, Compare2016Lld: 65, EmobaseLld: 26}


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_equal_opensmile_through_one_engine(family, monkeypatch):
    made = family(OpenSmileOptions())
    level = opensmile.FeatureLevel.LowLevelDescriptors
    smile = opensmile.Smile(opensmile.FeatureSet[made.feature_set], level)
    for seconds in (0.8, 0.3, 0.8):
        signal = voice(seconds)
        monkeypatch.setattr(Source, "audio", lambda self, rate, signal=signal: signal)
        (row,) = made.rows(Source({}, None))
        expected = smile.process_signal(signal, 16_000).to_numpy()
        assert row["frames"] == len(expected)
        np.testing.assert_array_equal(row[made.name].reshape(-1, FAMILIES[family]), expected)
    _, values = made.fields()
    assert json.loads(values.metadata[b"shape"]) == [None, FAMILIES[family]]
    assert json.loads(values.metadata[b"names"]) == smile.feature_names


def test_too_short_for_a_frame_is_refused():
    with pytest.raises(Unusable, match=r"openSMILE gave no eGeMAPSv02 values for 0\.006 s of audio"):
        SetExtractor("eGeMAPSv02", "LowLevelDescriptors", 16_000)(voice(1.0)[:100])
