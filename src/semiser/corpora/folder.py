"""A folder as a corpus: every sound below it is an utterance; what its path says of it is read by a pattern.

In a pattern `{speaker}`, `{emotion}`, `{session}`, `{gender}`, `{split}` and `{language}` stand for what is to be read,
`{emotion:1}` for that in one character (or another number), `*` for anything and `?` for one character, all inside a
name; `/` is between folder and file. A pattern is about the end of the path: whatever folders lie above do not matter.
Without a pattern nothing is known but the sound: a pile of unlabelled speech.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from semiser.corpora.emotions import UnknownEmotion, canonical_emotion
from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.reader import (
    EmotionWords,
    Language,
    Reader,
    ReaderOptions,
    check_gender,
    check_language,
    unknown_emotion,
)
from semiser.corpora.suffixes import AUDIO, VIDEO
from semiser.corpora.utterance import Rejected, Utterance

FIELDS = ("speaker", "emotion", "session", "gender", "split", "language")
_TOKEN = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<width>[1-9]\d?))?\}|(?P<wild>[*?])|(?P<text>[^{}*?]+)|(?P<wrong>.)")


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression that is to match a path in full; upper and lower case are the same.

    Raises:
        ValueError: a field is unknown or a brace is alone; the message says what there is.
    """
    parts, seen = [r"(?:.*/)?"], set()
    for token in _TOKEN.finditer(pattern.removeprefix("./")):
        name, width = token["name"], token["width"]
        if token["wrong"] or (name is not None and name not in FIELDS):
            raise ValueError(
                f"pattern {pattern!r}: {token[0]!r} means nothing; fields are "
                f"{', '.join(f'{{{field}}}' for field in FIELDS)}, {{emotion:1}} is a field of one character, * and ? "
                "stand for what does not matter"
            )
        if name in seen:
            parts.append(f"(?P={name})")
        elif name is not None:
            parts.append(f"(?P<{name}>[^/]{{{width}}})" if width else f"(?P<{name}>[^/]+?)")
            seen.add(name)
        elif token["wild"]:
            parts.append("[^/]*" if token["wild"] == "*" else "[^/]")
        else:
            parts.append(re.escape(token["text"]))
    return re.compile("".join(parts), re.IGNORECASE)


def _check_pattern(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


class FolderOptions(ReaderOptions):
    r"""Options of the reader.

    Attributes:
        pattern: what the paths say, such as `{speaker}/{emotion}_*.wav`, or for EmoDB's names
            `{speaker:2}???{emotion:1}?.wav`; without an ending (`{speaker}_{emotion}`) all kinds of sound fit. None:
            the paths say nothing.
        emotions: the paths' emotion words to canonical names.
        language: BCP 47 tag of all utterances.
    """

    pattern: Annotated[str, AfterValidator(_check_pattern)] | None = Field(default=None, min_length=1)
    emotions: EmotionWords = Field(default_factory=dict)
    language: Language | None = None


def read(corpus: str, root: Path, options: FolderOptions) -> Iterator[Utterance | Rejected]:
    """Every audio and video file below the root, sorted by its path; one that does not fit the pattern is rejected."""
    fits = compile_pattern(options.pattern) if options.pattern else None
    yield from read_files(corpus, iter_files(root, {*AUDIO, *VIDEO}), partial(_describe, corpus, options, fits))


def _describe(corpus: str, options: FolderOptions, fits: re.Pattern[str] | None, path: PurePosixPath) -> Utterance:
    found = read_path(fits, path) if fits else {}
    if found is None:
        raise Misfit(f"the path does not fit the pattern {options.pattern}")
    word = found.get("emotion")
    try:
        emotion = canonical_emotion(word, options.emotions) if word else None
        language = check_language(found["language"]) if "language" in found else options.language
        gender = check_gender(found["gender"]) if "gender" in found else None
    except UnknownEmotion as error:
        raise unknown_emotion(error) from error
    except ValueError as error:
        raise Misfit(f"in the path: {error}") from error
    return Utterance(
        # The whole path is the id: a.wav and a.mp4 may lie side by side.
        utterance_id=f"{corpus}/{path}",
        corpus=corpus,
        audio_path=str(path),
        video_path=str(path) if path.suffix.lower() in VIDEO else None,
        speaker_id=f"{corpus}/{found['speaker']}" if "speaker" in found else None,
        session_id=f"{corpus}/{found['session']}" if "session" in found else None,
        split=found.get("split"),
        gender=gender,
        language=language,
        emotion=emotion,
        emotion_original=word,
    )


def read_path(fits: re.Pattern[str], path: PurePosixPath) -> dict[str, str] | None:
    """What a path says by field, with or without its ending; None where it does not fit."""
    match = fits.fullmatch(str(path.with_suffix(""))) or fits.fullmatch(str(path))
    return match and {name: text.strip() for name, text in match.groupdict().items()}


READER = Reader(
    read=read,
    pattern="any audio or video file, at any depth (option `pattern` reads speaker and emotion from paths)",
    example="anna/anger_01.wav",
    options=FolderOptions,
)
