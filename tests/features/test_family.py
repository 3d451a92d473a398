from pathlib import Path

import pytest
from helpers import voice, write_wav

from semiser.errors import Unusable
from semiser.features.family import Source

ROW = {"audio_path": "a.wav", "start_s": None, "end_s": None}


def test_an_utterance_is_decoded_once_for_all_families(tmp_path):
    write_wav(tmp_path / "a.wav", voice(0.5))
    source = Source(ROW, tmp_path)
    first = source.audio(16_000)
    (tmp_path / "a.wav").unlink()
    assert source.audio(16_000) is first


def test_what_failed_fails_again_without_being_tried_again():
    source, tries = Source(ROW, Path()), []

    def fail():
        tries.append(1)
        raise Unusable("broken")

    for _ in range(2):
        with pytest.raises(Unusable, match="broken"):
            source.once("key", fail)
    assert len(tries) == 1
