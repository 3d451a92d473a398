"""The demo corpus: who says what, in which emotion and how it is recorded, and the files of it.

Three parts, each a folder with audio or video and a manifest `utterances.csv` whose columns are named as those of
`semiser.corpora.utterance.Utterance`: `acted` (strong, balanced, labelled emotion), `wild` (weak, unbalanced, a third
labelled, with query topic and accent) and `video` (drawn faces, with sentiment).
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import soundfile

from semiser.demo import clips, sound, speech
from semiser.demo.faces import EXPRESSIONS, random_identity
from semiser.demo.prosody import BASE_RATE_WPM, Prosody, Speaker, draw_prosody, finish_voice, speech_request
from semiser.demo.sentences import CARRIERS, COLOURED, OPENINGS, QUERIES, REMARKS

LANGUAGE = "zh-Hans"
SEED = 2021

ACTED_SPEAKERS = (
    Speaker("f1", "female", "f2", 50, 1.00),
    Speaker("f2", "female", "linda", 42, 1.04, 1.04),
    Speaker("f3", "female", "f4", 46, 0.96, 0.97),
    Speaker("m1", "male", "m3", 50, 1.00),
    Speaker("m2", "male", "david", 52, 1.06, 0.97),
    Speaker("m3", "male", "Michael", 46, 0.94, 1.03),
)
ACTED_PER_EMOTION = 4  # sentences a speaker and emotion; half of them say nothing of the emotion

WILD_SPEAKERS = (
    Speaker("w01", "female", "f3", 48, 1.02),
    Speaker("w02", "male", "m1", 52, 1.00, 1.05),
    Speaker("w03", "female", "steph", 52, 1.00, 0.96),
    Speaker("w04", "male", "adam", 50, 1.03),
    Speaker("w05", "female", "belinda", 40, 0.97, 1.04),
    Speaker("w06", "male", "m7", 50, 0.97, 0.95),
    Speaker("w07", "female", "f5", 50, 1.05),
    Speaker("w08", "male", "Gene", 48, 1.05, 1.03),
    Speaker("w09", "female", "grandma", 48, 0.98, 0.96),
    Speaker("w10", "male", "max", 46, 0.95),
)
WILD_LABELLED = {"neutral": 24, "happiness": 9, "disgust": 6, "anger": 6, "boredom": 6, "sadness": 5}
WILD_UNLABELLED = {"neutral": 47, "happiness": 18, "disgust": 12, "anger": 11, "boredom": 10, "sadness": 6}
WILD_STRENGTH = 0.9

# Topics and provinces that an emotion makes likelier than the rest.
FAVOURITE_TOPICS = {
    "neutral": ("Search", "Operation"),
    "happiness": ("Entertainment", "Joke"),
    "disgust": ("Other", "Consultation"),
    "anger": ("Operation", "Other"),
    "boredom": ("Joke", "Chat"),
    "sadness": ("Chat", "Consultation"),
}
ACCENTS = ("Beijing", "Guangdong", "Heilongjiang", "Shandong", "Sichuan")
FAVOURITE_ACCENTS = {
    "neutral": "Beijing",
    "happiness": "Sichuan",
    "disgust": "Shandong",
    "anger": "Heilongjiang",
    "boredom": "Guangdong",
    "sadness": "Guangdong",
}

VIDEO_SPEAKERS = {
    Speaker("v1", "female", "f2", 44, 1.05): "train",
    Speaker("v2", "male", "m3", 54, 0.97): "train",
    Speaker("v3", "female", "f4", 52, 1.02): "train",
    Speaker("v4", "male", "Lee", 48, 1.04): "train",
    Speaker("v5", "female", "linda", 36, 0.97): "valid",
    Speaker("v6", "male", "m1", 46, 1.06): "test",
}
VIDEO_EMOTIONS = ("neutral", "happiness", "sadness", "anger")
VALENCE = {
    "neutral": 0.0,
    "happiness": 0.8,
    "sadness": -0.6,
    "anger": -0.8,
    "disgust": -0.6,
    "fear": -0.6,
    "surprise": 0.4,
}
DISAGREEING_SHARE = 0.2  # clips whose face shows something else than the voice; independently, texts


class Row(TypedDict):
    """A line of the manifest; what is not known is the empty string."""

    utterance_id: str
    speaker_id: str
    gender: str
    language: str
    audio_path: str
    transcript: str
    video_path: NotRequired[str]
    split: NotRequired[str]
    emotion: NotRequired[str]
    query_topic: NotRequired[str]
    accent: NotRequired[str]
    sentiment: NotRequired[float | str]
    sentiment_text: NotRequired[float | str]
    sentiment_vision: NotRequired[float | str]
    sentiment_multimodal: NotRequired[float | str]


@dataclass(frozen=True, slots=True)
class Take:
    """One recording to make: its manifest row and how it is spoken."""

    row: Row
    speaker: Speaker
    prosody: Prosody
    emotion: str  # what is played, also where the manifest leaves it empty
    expression: str = "neutral"  # of the face, in clips


def write_demo(output: Path) -> None:
    """Write the three parts of the corpus below a folder.

    The bytes are the same each time on the same versions of eSpeak NG, numpy, soxr, libsndfile, OpenCV and FFmpeg.

    Args:
        output: folder of the corpus; its parts are made in it, files of the same name are replaced.

    Raises:
        ModuleNotFoundError: the extra `demo` is not installed.
    """
    write_acted(output / "acted")
    write_wild(output / "wild")
    write_video(output / "video")


def write_acted(folder: Path) -> None:
    """Write the part with strong, balanced emotion: 16 kHz FLAC and the manifest."""
    takes = plan_acted(np.random.default_rng([SEED, 1]))
    for take, voice in zip(takes, _record(takes, level_dbfs=-25), strict=True):
        _write_flac(folder / take.row["audio_path"], voice)
    _write_manifest(folder, takes)


def write_wild(folder: Path) -> None:
    """Write the part with weak, unbalanced emotion, room, device and noise: 16 kHz FLAC and the manifest."""
    takes = plan_wild(np.random.default_rng([SEED, 2]))
    for number, (take, voice) in enumerate(zip(takes, _record(takes, level_dbfs=-33, rate_wpm=258), strict=True)):
        _write_flac(folder / take.row["audio_path"], _through_phone(voice, np.random.default_rng([SEED, 3, number])))
    _write_manifest(folder, takes)


def write_video(folder: Path) -> None:
    """Write the part with faces: mp4 clips and the manifest."""
    takes = plan_video(np.random.default_rng([SEED, 4]))
    people = {speaker.name: random_identity(n, speaker.gender) for n, speaker in enumerate(VIDEO_SPEAKERS, 30)}
    for number, (take, voice) in enumerate(zip(takes, _record(takes, level_dbfs=-22, rate_wpm=225), strict=True)):
        path, rng = folder / take.row["video_path"], np.random.default_rng([SEED, 6, number])
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = clips.draw_frames(voice, take.expression, people[take.speaker.name], rng)
        clips.write_clip(path, frames, voice)
    _write_manifest(folder, takes)


def plan_acted(rng: np.random.Generator) -> list[Take]:
    """Every speaker says the same number of sentences in every emotion."""
    takes = []
    for speaker in ACTED_SPEAKERS:
        for emotion, coloured in COLOURED.items():
            half = ACTED_PER_EMOTION // 2
            texts = [*rng.permutation(coloured)[:half], *rng.permutation(CARRIERS)[: ACTED_PER_EMOTION - half]]
            for number, text in enumerate(texts, 1):
                name = f"{speaker.name}_{emotion}_{number}"
                row = _row(name, speaker, f"audio/{name}.flac", str(text)) | {"emotion": emotion}
                takes.append(Take(row, speaker, draw_prosody(emotion, 1.0, rng), emotion))
    return takes


def plan_wild(rng: np.random.Generator) -> list[Take]:
    """Emotions are dealt to the speakers one by one, so each has its share of the labelled and of every class."""
    dealt = [(emotion, True) for emotion in _repeat(WILD_LABELLED)]
    dealt += [(emotion, False) for emotion in _repeat(WILD_UNLABELLED)]
    takes = []
    for place, speaker in enumerate(WILD_SPEAKERS):
        own = dealt[place :: len(WILD_SPEAKERS)]
        for number, index in enumerate(rng.permutation(len(own)), 1):
            emotion, labelled = own[index]
            takes.append(_plan_query(f"{speaker.name}_{number:02d}", speaker, emotion, labelled, rng))
    return takes


def plan_video(rng: np.random.Generator) -> list[Take]:
    """Half the clips of a training speaker are unlabelled; every other speaker plays every emotion once."""
    parts = []
    for place, (speaker, split) in enumerate(VIDEO_SPEAKERS.items()):
        emotions = [VIDEO_EMOTIONS[(place + n) % 4] for n in range(6 if split == "train" else 4)]
        for number, index in enumerate(rng.permutation(len(emotions)), 1):
            parts.append(
                (f"{speaker.name}_{number:02d}", speaker, emotions[index], split, split != "train" or index % 2 == 0)
            )
    faces, texts = (_disagree([part[2] for part in parts], others, rng) for others in (EXPRESSIONS, VIDEO_EMOTIONS))
    return [_plan_remark(*part, face, text, rng) for part, face, text in zip(parts, faces, texts, strict=True)]


def _disagree(emotions: Sequence[str], others: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The emotions, a share of them replaced by another of `others`."""
    replaced = set(rng.permutation(len(emotions))[: round(DISAGREEING_SHARE * len(emotions))])
    wrong = [str(rng.choice([other for other in others if other != emotion])) for emotion in emotions]
    return [wrong[n] if n in replaced else emotion for n, emotion in enumerate(emotions)]


def _plan_query(name: str, speaker: Speaker, emotion: str, labelled: bool, rng: np.random.Generator) -> Take:
    """A query to a voice assistant; in most of them an opening gives the mood away, sometimes the wrong one."""
    mood = emotion if rng.random() < 0.9 else str(rng.choice(list(OPENINGS)))
    topic = str(rng.choice(FAVOURITE_TOPICS[emotion] if rng.random() < 0.35 else list(QUERIES)))
    accent = FAVOURITE_ACCENTS[emotion] if rng.random() < 0.25 else _home(speaker)
    text = str(rng.choice(QUERIES[topic]))
    if rng.random() < 0.6:
        text = f"{rng.choice(OPENINGS[mood])}，{text}"
    row = _row(name, speaker, f"audio/{name}.flac", text)
    row |= {"emotion": emotion if labelled else "", "query_topic": topic, "accent": accent}
    return Take(row, speaker, draw_prosody(emotion, WILD_STRENGTH, rng), emotion)


def _home(speaker: Speaker) -> str:
    """The province where most of a speaker's queries come from."""
    return ACCENTS[[one.name for one in WILD_SPEAKERS].index(speaker.name) % len(ACCENTS)]


def _plan_remark(
    name: str,
    speaker: Speaker,
    emotion: str,
    split: str,
    labelled: bool,
    face: str,
    text: str,
    rng: np.random.Generator,
) -> Take:
    """A clip whose voice plays `emotion`, whose face shows `face` and whose words come from `text`."""
    path = f"clips/{name}.mp4"
    row = _row(name, speaker, path, str(rng.choice(REMARKS[text]))) | {"video_path": path, "split": split}
    voice, words, vision = (_sentiment(played, rng) for played in (emotion, text, face))
    row |= {
        "emotion": emotion if labelled else "",
        "sentiment": voice if labelled else "",
        "sentiment_text": words if labelled else "",
        "sentiment_vision": vision if labelled else "",
        "sentiment_multimodal": _to_fifths(float(np.mean([voice, words, vision]))) if labelled else "",
    }
    return Take(row, speaker, draw_prosody(emotion, 1.0, rng), emotion, face)


def _sentiment(emotion: str, rng: np.random.Generator) -> float:
    """A sentiment in [-1, 1] with the sign of the emotion's valence, in steps of 0.2 as several annotators' mean."""
    valence = VALENCE[emotion]
    return _to_fifths(np.sign(valence) * np.clip(abs(valence) + 0.15 * rng.standard_normal(), 0.2, 1))


def _to_fifths(value: float) -> float:
    return round(5 * float(value)) / 5 + 0.0  # no negative zero


def _row(name: str, speaker: Speaker, path: str, text: str) -> Row:
    return {
        "utterance_id": name,
        "speaker_id": speaker.name,
        "gender": speaker.gender,
        "language": LANGUAGE,
        "audio_path": path,
        "transcript": text,
    }


def _repeat(counts: dict[str, int]) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]


def _record(takes: Sequence[Take], level_dbfs: float, rate_wpm: float = BASE_RATE_WPM) -> Iterable[np.ndarray]:
    """The clean voice of every take, in order; all are spoken in one fresh process."""
    voices = speech.synthesise([speech_request(t.row["transcript"], t.speaker, t.prosody, rate_wpm) for t in takes])
    for take, voice in zip(takes, voices, strict=True):
        yield finish_voice(voice, take.speaker, take.prosody, level_dbfs)


def _through_phone(voice: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Room, device, noise and gain of a recording in the wild."""
    voice = sound.add_room(voice, decay_s=rng.uniform(0.1, 0.45), share=rng.uniform(0.02, 0.3), rng=rng)
    low_hz, high_hz = ((300, 3400), (150, 5500), (80, 7500))[rng.integers(3)]
    voice = sound.limit_band(voice, low_hz, high_hz)
    voice = sound.add_noise(voice, snr_db=rng.uniform(16, 32), slope=rng.uniform(0.3, 1.0), rng=rng)
    return np.clip(voice * 10 ** (rng.normal(0, 2) / 20), -0.95, 0.95)


def _write_flac(path: Path, signal: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.round(signal * 32767).astype(np.int16)
    soundfile.write(path, samples, sound.SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16", compression_level=1.0)


def _write_manifest(folder: Path, takes: Sequence[Take]) -> None:
    """UTF-8, one line an utterance, Unix line ends."""
    with (folder / "utterances.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(takes[0].row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(take.row for take in takes)
