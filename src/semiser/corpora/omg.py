"""OMG-Emotion: `omg_TrainVideos.csv` and its like, and a folder per video with `utterance_1.mp4` and so on.

Lists and emotion codes as in https://github.com/knowledgetechnologyuhh/OMGEmotionChallenge (Barros et al., "The
OMG-Emotion behavior dataset", IJCNN 2018). The clips are cut from YouTube by the corpus's script, so the lists lie at
the root or in a folder of it and the clips anywhere below, in folders named as the column `video`; sound files in
their place serve too. `omg_TestVideos_WithLabels.csv` stands before `..._WithoutLabels.csv`; transcripts come from
`omg_TrainTranscripts.csv` and its like. Speakers are not published, a video is a dialogue.

Videos vanish, so a copy rarely has all clips. Those not there are passed over, and the found counts stand against
the published ones in the summary. `DetailedAnnotation`, a file per annotator, is not read: its scales are not
documented.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.tables import describe_lines, read_lines, to_number
from semiser.corpora.transcripts import Transcripts
from semiser.corpora.utterance import Entry, Labels, Utterance

_SPLITS = {"train": "Train", "validation": "Validation", "test": "Test"}
_SUFFIXES = (".mp4", ".avi", ".mkv", ".webm", ".wav", ".flac", ".mp3")  # the first that is there is taken
_VIDEOS = _SUFFIXES[:4]
_EMOTIONS = {
    "0": "anger",
    "1": "disgust",
    "2": "fear",
    "3": "happiness",
    "4": "neutral",
    "5": "sadness",
    "6": "surprise",
}

Clips = dict[tuple[str, str], str]  # path by video and utterance without suffix


class OmgOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        skip_missing: pass over listed utterances whose clip is not there; false rejects them.
    """

    skip_missing: bool = True


def read(corpus: str, root: Path, options: OmgOptions) -> Iterator[Entry]:
    """Rows of OMG-Emotion, one per line of the lists whose clip is there.

    Raises:
        ValueError: a list lacks the columns `video` and `utterance`.
    """
    lists = {split: path for split in _SPLITS if (path := _find_list(root, _SPLITS[split], "Videos"))}
    clips = _find_clips(root) if lists else {}
    for split, path in lists.items():
        transcripts = _read_transcripts(root, _find_list(root, _SPLITS[split], "Transcripts"))
        describe = partial(_describe, corpus, split, clips, transcripts, options)
        lines = read_lines(path, {"video", "utterance"}, "cp1252")
        yield from describe_lines(corpus, path.relative_to(root).as_posix(), lines, describe)
        yield from transcripts.unmatched(corpus)


def _find_list(root: Path, split: str, kind: str) -> Path | None:
    for ending in ("", "_WithLabels", "_WithoutLabels"):
        name = f"omg_{split}{kind}{ending}.csv"
        found = [path for pattern in (name, f"*/{name}") for path in sorted(root.glob(pattern))]
        if found:
            return found[0]
    return None


def _find_clips(root: Path) -> Clips:
    clips: Clips = {}
    for path in iter_files(root, _SUFFIXES):
        key = (path.parent.name, path.stem)
        if key not in clips or _rank(path) < _rank(PurePosixPath(clips[key])):
            clips[key] = str(path)
    return clips


def _rank(path: PurePosixPath) -> int:
    return _SUFFIXES.index(path.suffix.lower())


def _read_transcripts(root: Path, path: Path | None) -> Transcripts[tuple[str, str]]:
    if path is None:
        return Transcripts()
    lines = read_lines(path, {"video", "utterance", "transcript"}, "cp1252")
    texts = {_key(cells): cells["transcript"] for _, cells in lines if cells["transcript"]}
    return Transcripts(texts, path.relative_to(root))


def _key(cells: dict[str, str]) -> tuple[str, str]:
    return cells["video"], PurePosixPath(cells["utterance"]).stem


def _describe(
    corpus: str,
    split: str,
    clips: Clips,
    transcripts: Transcripts[tuple[str, str]],
    options: OmgOptions,
    cells: dict[str, str],
) -> Utterance | None:
    video, utterance = key = _key(cells)
    if not video or not utterance:
        raise Misfit("video or utterance is empty")
    clip, text = clips.get(key), transcripts.get(key)
    if clip is None and options.skip_missing:
        return None
    if clip is None:
        raise Misfit(f"no clip {video}/{utterance}.mp4 below the root: has the video vanished?")
    return Utterance(
        utterance_id=f"{corpus}/{video}/{utterance}",
        corpus=corpus,
        audio_path=clip,
        split=split,
        dialogue_id=f"{corpus}/{video}",
        language="en",
        transcript=text,
        video_path=clip if clip.lower().endswith(_VIDEOS) else None,
        **_labels(cells),
    )


def _labels(cells: dict[str, str]) -> Labels:
    labels: Labels = {
        "arousal": to_number("arousal", cells.get("arousal", "")),
        "valence": to_number("valence", cells.get("valence", "")),
    }
    code = cells.get("EmotionMaxVote") or cells.get("emotionMaxVote") or None
    if code is None:
        return labels
    if code.removesuffix(".0") not in _EMOTIONS:
        raise Misfit(f"EmotionMaxVote {code!r} is none of 0 to 6")
    return {**labels, "emotion": _EMOTIONS[code.removesuffix(".0")], "emotion_original": code}


READER = Reader(
    read=read,
    pattern="omg_<Train, Validation or Test>Videos.csv, and <video>/<utterance>.mp4 in any folder",
    example="omg_TrainVideos.csv with 05f6b3a3f_1/utterance_1.mp4",
    language="en",
    expected={"utterances/train": 2442, "utterances/validation": 617, "utterances/test": 2229},
    scales={"arousal": (0, 1), "valence": (-1, 1)},
    options=OmgOptions,
    source="its authors: https://github.com/knowledgetechnologyuhh/OMGEmotionChallenge",
)
