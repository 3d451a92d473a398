import importlib
import re

import numpy as np
import pytest

from semiser.demo import speech
from semiser.demo.prosody import EMOTION_PROSODY, Prosody, Speaker, draw_prosody, speech_request
from semiser.demo.speech import SpeechRequest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": " "}, "text must not be empty"),
        ({"volume": 151}, "volume must lie in 1 to 150, not 151"),
        ({"rate_wpm": 60}, "rate_wpm must lie in 80 to 450, not 60"),
        ({"pitch": 100}, "pitch must lie in 0 to 99"),
    ],
)
def test_request_refuses_settings_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        SpeechRequest(**{"text": "你好", **options})


def test_missing_extra_is_named(monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'semiser[demo]'")):
        speech.synthesise([SpeechRequest("你好")])


def test_settings_of_a_sentence_by_hand():
    speaker = Speaker("a", "female", "f2", pitch=60, tract=1.25, rate=1.1)
    request = speech_request("你好，再见", speaker, Prosody(rate=0.5, pitch=45, pitch_range=-20), rate_wpm=200)
    # 200 * 1.1 * 1.5 / 1.25 = 264; the pitch 105 is held at 99
    assert request == SpeechRequest("你好 再见", voice="cmn+f2", rate_wpm=264, pitch=99, pitch_range=30)


def test_drawn_prosody_is_centred_on_the_emotion_times_the_strength():
    rng = np.random.default_rng(0)
    drawn = np.mean([draw_prosody("anger", 0.5, rng).as_array() for _ in range(4000)], axis=0)
    np.testing.assert_allclose(drawn, 0.5 * EMOTION_PROSODY["anger"].as_array(), atol=0.5)


def test_settings_are_heard_and_speech_is_repeatable():
    pytest.importorskip("espeakng_loader", reason="the extra demo is not installed")
    requests = [
        SpeechRequest("今天天气好", "cmn+m3", rate_wpm=160),
        SpeechRequest("今天天气好", "cmn+m3", rate_wpm=320),
        SpeechRequest("今天天气好", "cmn+m3", rate_wpm=160, volume=50),
        SpeechRequest("今天天气好", "cmn+f2"),  # a breathy voice, which eSpeak would seed with the time
    ]
    voices, again = speech.synthesise(requests), speech.synthesise(requests)
    for one, other in zip(voices, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert voices[0].dtype == np.float32
    assert 0.8 < voices[0].size / speech.SAMPLE_RATE_HZ < 2.5
    assert voices[0].size / voices[1].size == pytest.approx(2, rel=0.25)
    assert np.std(voices[0]) / np.std(voices[2]) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("voice", ["no-such-voice", "cmn+nosuch"])
def test_unknown_voice_is_named(voice):
    pytest.importorskip("espeakng_loader", reason="the extra demo is not installed")
    with pytest.raises(ValueError, match=re.escape(f"knows no voice '{voice}'")):
        speech.synthesise([SpeechRequest("你好", voice)])
