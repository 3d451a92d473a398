"""From a speaker and an emotion to the settings of one spoken sentence, and from its sound to a clean recording."""

from dataclasses import dataclass

import numpy as np

from semiser.demo import sound, speech

BASE_RATE_WPM = 228  # about five syllables a second


@dataclass(frozen=True, slots=True)
class Speaker:
    """A synthetic voice.

    Attributes:
        name: identifier inside its part of the corpus.
        gender: `female` or `male`.
        variant: eSpeak NG variant, such as `f2`.
        pitch: base pitch in eSpeak's units, where 50 is the variant's own.
        tract: factor on formants and pitch, see `sound.change_tract`.
        rate: factor on the speaking rate.
    """

    name: str
    gender: str
    variant: str
    pitch: int = 50
    tract: float = 1.0
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Prosody:
    """Departures from neutral speech.

    Attributes:
        rate: relative speaking rate, 0.1 is 10 % faster.
        pitch: in eSpeak's units, 10 is about two semitones.
        pitch_range: in eSpeak's units, around 50.
        level_db: loudness.
        tilt_db: brightness, dB an octave between 500 Hz and 4 kHz.
    """

    rate: float = 0.0
    pitch: float = 0.0
    pitch_range: float = 0.0
    level_db: float = 0.0
    tilt_db: float = 0.0

    def as_array(self) -> np.ndarray:
        """(5,) in the order of the attributes."""
        return np.array([self.rate, self.pitch, self.pitch_range, self.level_db, self.tilt_db])


# Directions as the literature on acted speech reports them (arousal raises pitch, range, rate, level and brightness).
EMOTION_PROSODY = {
    "neutral": Prosody(),
    "sadness": Prosody(rate=-0.14, pitch=-7, pitch_range=-22, level_db=-4, tilt_db=-2.0),
    "disgust": Prosody(rate=-0.10, pitch=-9, pitch_range=14, level_db=0, tilt_db=1.2),
    "anger": Prosody(rate=0.12, pitch=9, pitch_range=16, level_db=5, tilt_db=2.4),
    "happiness": Prosody(rate=0.08, pitch=15, pitch_range=26, level_db=2, tilt_db=0.8),
    "boredom": Prosody(rate=-0.20, pitch=-4, pitch_range=-34, level_db=-2, tilt_db=-1.0),
}
SPREAD = Prosody(rate=0.05, pitch=5, pitch_range=10, level_db=1.5, tilt_db=0.7)  # standard deviation of a sentence


def draw_prosody(emotion: str, strength: float, rng: np.random.Generator) -> Prosody:
    """The emotion's prosody at a strength (1 acted, less in the wild), with a sentence's own deviation."""
    centre = strength * EMOTION_PROSODY[emotion].as_array()
    return Prosody(*(centre + SPREAD.as_array() * rng.standard_normal(5)))


def speech_request(
    text: str, speaker: Speaker, prosody: Prosody, rate_wpm: float = BASE_RATE_WPM
) -> speech.SpeechRequest:
    """What to ask of eSpeak NG; punctuation is spoken as a space, which makes no pause."""
    return speech.SpeechRequest(
        text=text.replace("，", " "),
        voice=f"cmn+{speaker.variant}",
        rate_wpm=round(rate_wpm * speaker.rate * (1 + prosody.rate) / speaker.tract),
        pitch=_within(speaker.pitch + prosody.pitch, "pitch"),
        pitch_range=_within(50 + prosody.pitch_range, "pitch_range"),
    )


def finish_voice(signal: np.ndarray, speaker: Speaker, prosody: Prosody, level_dbfs: float) -> np.ndarray:
    """eSpeak's sound -> (samples,) float32 at `sound.SAMPLE_RATE_HZ`, with the prosody's brightness and level."""
    signal = sound.cut_silence(signal, speech.SAMPLE_RATE_HZ)
    signal = sound.change_tract(signal, speech.SAMPLE_RATE_HZ, speaker.tract)
    return sound.set_level(sound.tilt_spectrum(signal, prosody.tilt_db), level_dbfs + prosody.level_db)


def _within(value: float, name: str) -> int:
    low, high = speech.RANGES[name]
    return round(min(max(value, low), high))
