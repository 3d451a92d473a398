"""The row that every reader yields, and the Arrow schema of the `utterances` and `quarantine` tables."""

from dataclasses import dataclass
from typing import TypedDict

import pyarrow as pa

_LONGEST_REASON = 1000  # characters


@dataclass(slots=True, frozen=True)
class Word:
    """A word and when it is said, in seconds of the audio file."""

    word: str
    start_s: float
    end_s: float


@dataclass(slots=True, kw_only=True)
class Utterance:
    """One utterance as its corpus describes it; what the corpus does not say stays None.

    Paths are relative to the corpus root, with forward slashes. `audio_path` may name a video file whose sound
    track is the speech. Readers leave the fields below `# filled by ingest` alone.
    """

    utterance_id: str  # `<corpus>/<stable id>`, unique, never a local path
    corpus: str
    audio_path: str
    split: str | None = None  # official split; where the corpus has several folds, `1:train 2:test`
    speaker_id: str | None = None  # unique across corpora: `emodb/03`
    gender: str | None = None  # female, male
    session_id: str | None = None
    dialogue_id: str | None = None
    language: str | None = None  # BCP 47
    start_s: float | None = None  # both None when the file is the utterance
    end_s: float | None = None
    transcript: str | None = None
    words: list[Word] | None = None  # of the transcript, with their times
    emotion: str | None = None  # canonical name (`semiser.corpora.emotions`), None if unlabelled
    emotion_original: str | None = None  # the corpus's own word
    emotion_votes: list[str] | None = None  # one entry per annotator; several names of one are joined: `anger/disgust`
    arousal: float | None = None  # corpus scale, see the table's metadata
    valence: float | None = None
    dominance: float | None = None
    arousal_votes: list[float] | None = None  # every annotator's value
    valence_votes: list[float] | None = None
    dominance_votes: list[float] | None = None
    sentiment: float | None = None  # of the voice
    sentiment_text: float | None = None
    sentiment_vision: float | None = None
    sentiment_multimodal: float | None = None
    query_topic: str | None = None
    accent: str | None = None
    programme: str | None = None
    episode: str | None = None
    video_path: str | None = None
    video_side: str | None = None  # left, right
    video_start_s: float | None = None  # the utterance within the video, both None when the video is the utterance
    video_end_s: float | None = None
    visual_probabilities: list[float] | None = None  # a face network's, over `semiser.corpora.emotions.EXPRESSIONS`
    # filled by ingest
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    level_db: float | None = None  # root mean square in dB of full scale; None where ingest did not listen
    audio_bytes: int | None = None
    audio_modified_ns: int | None = None
    video_bytes: int | None = None  # None also where the video named in `video_path` is not there
    video_modified_ns: int | None = None


class Labels(TypedDict, total=False):
    """What a reader knows of an utterance's labels, by the names of its fields; what it leaves out stays None."""

    emotion: str | None
    emotion_original: str | None
    emotion_votes: list[str] | None
    arousal: float | None
    valence: float | None
    dominance: float | None
    arousal_votes: list[float] | None
    valence_votes: list[float] | None
    dominance_votes: list[float] | None


@dataclass(slots=True, frozen=True)
class Rejected:
    """A file or a line of a corpus that could not be used, and why (a sentence that a person can act on).

    `word` is the emotion word that is not known, where that is why; ingest counts it, and no table has it.

    A reason that quotes more than anybody reads (a cell may have 131,072 characters) is cut in its middle.
    """

    corpus: str
    path: str
    reason: str
    stage: str = "ingest"
    word: str | None = None

    def __post_init__(self) -> None:
        if len(self.reason) > _LONGEST_REASON:
            half = _LONGEST_REASON // 2
            object.__setattr__(self, "reason", f"{self.reason[:half]} ... {self.reason[-half:]}")


@dataclass(slots=True, frozen=True)
class Unmatched:
    """Lines of a transcript file that belong to no recording; ingest says how many, and nothing is lost by them.

    Attributes:
        corpus: its name.
        path: of the file.
        lines: that belong to nothing.
        of: lines of the file.
    """

    corpus: str
    path: str
    lines: int
    of: int


Entry = Utterance | Rejected | Unmatched  # what a reader yields

_STRINGS = (
    "utterance_id corpus split speaker_id gender session_id dialogue_id language audio_path transcript emotion "
    "emotion_original query_topic accent programme episode video_path video_side"
).split()
_FLOATS = (
    "start_s end_s duration_s level_db arousal valence dominance sentiment sentiment_text sentiment_vision "
    "sentiment_multimodal video_start_s video_end_s"
).split()
_FLOAT_LISTS = "arousal_votes valence_votes dominance_votes visual_probabilities".split()
_WORD = pa.struct([("word", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())])
_INTEGERS = {
    "sample_rate_hz": pa.int32(),
    "channels": pa.int16(),
    "audio_bytes": pa.int64(),
    "audio_modified_ns": pa.int64(),
    "video_bytes": pa.int64(),
    "video_modified_ns": pa.int64(),
}
_TYPES = (
    dict.fromkeys(_STRINGS, pa.string())
    | dict.fromkeys(_FLOATS, pa.float64())
    | _INTEGERS
    | dict.fromkeys(_FLOAT_LISTS, pa.list_(pa.float64()))
    | {"emotion_votes": pa.list_(pa.string()), "words": pa.list_(_WORD)}
)

UTTERANCES_SCHEMA = pa.schema([(name, _TYPES[name]) for name in Utterance.__dataclass_fields__])
QUARANTINE_SCHEMA = pa.schema([(name, pa.string()) for name in ("corpus", "path", "stage", "reason")])
