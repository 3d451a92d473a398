"""What is odd about a recording."""

import numpy as np
import pytest
from helpers import voice, write_wav

from semiser.media.plausible import hear, listen

VOICE = voice(1.0)[:, None]


@pytest.mark.parametrize(
    "signal, oddities",
    [
        (VOICE, ()),
        (VOICE * 0, ("silent",)),
        (VOICE * 1e-5, ("silent",)),
        (np.clip(VOICE * 5, -1, 1), ("clipped",)),
        (VOICE * 9000, ("clipped", "beyond_full_scale")),
        (np.hstack([VOICE, 0 * VOICE]), ("dead_channel",)),
        (np.hstack([VOICE, -VOICE]), ("opposite_phase",)),
        (np.hstack([VOICE, VOICE]), ()),
        (np.zeros((0, 1), np.float32), ("silent",)),
        (VOICE * 0 + 0.5, ("silent",)),  # a constant, as of a cable without a microphone
        (np.hstack([VOICE, 0 * VOICE + 0.3]), ("dead_channel",)),
        (VOICE * 0.5 + 0.3, ()),
    ],
)
def test_what_is_odd(signal, oddities):
    assert hear(signal.astype(np.float32)).oddities == oddities


def test_the_level_is_that_of_the_segment(tmp_path):
    square = np.tile([1.0, -1.0], 8_000)
    signal = np.concatenate([0.5 * square, 0.05 * square]).astype(np.float32)
    path = write_wav(tmp_path / "a.wav", signal, subtype="FLOAT")
    assert listen(path, 0.0, 1.0).level_db == pytest.approx(-6.02, abs=0.01)
    assert listen(path, 1.0, 2.0).level_db == pytest.approx(-26.02, abs=0.01)
    assert listen(path).level_db == pytest.approx(10 * np.log10((0.25 + 0.0025) / 2), abs=0.01)
