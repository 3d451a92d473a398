"""CMU-MOSEI's raw files: `Labels/*.csv`, and a transcript and a wav per video.

Layout as in `CMU_MOSEI.zip`, below `Raw` or at the root (Zadeh et al., ACL 2018): transcripts in
`Transcript/Segmented/Combined`, wavs in `Audio/Full/WAV_16000`, videos in `Videos/Full/Combined`. A line is
`<video>___<clip>___<start>___<end>___<text>`, times in seconds of the whole video. The tables have a line per rater:
`Input.VIDEO_ID`, `Input.CLIP`, `Answer.sentiment` (-3 to 3) and the intensities `Answer.happiness` and so on (0 to 3).
`sentiment_multimodal` is the raters' mean, since they saw and heard the clip. The emotion is the one whose mean
intensity is highest; a clip in which nobody saw any is neutral, one with equals has none. The standard folds come with
the corpus's program, not with its files: the option `folds` names a copy of `cmu_mosei_std_folds.py`, whose lists are
read and which is not run. Speakers are not published; a video has one, who may have made others.
"""

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from semiser.corpora.files import Misfit
from semiser.corpora.lists import check_scale
from semiser.corpora.reader import Reader, ReaderOptions
from semiser.corpora.tables import describe_lines, read_lines, to_number
from semiser.corpora.text import is_there, read_text
from semiser.corpora.utterance import Rejected, Utterance

EMOTIONS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")

_TRANSCRIPTS = "Transcript/Segmented/Combined"
_AUDIO = "Audio/Full/WAV_16000"
_VIDEO = "Videos/Full/Combined"
_NEEDED = {"Input.VIDEO_ID", "Input.CLIP", "Answer.sentiment", *(f"Answer.{name}" for name in EMOTIONS)}
_FOLDS = {"standard_train_fold": "train", "standard_valid_fold": "valid", "standard_test_fold": "test"}

Ratings = dict[tuple[str, str], list[dict[str, float]]]  # of every rater, by video and clip


class CmuMoseiOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        folds: a copy of `cmu_mosei_std_folds.py`, relative to the root; None: `split` stays empty.
        unlabelled: whether clips that nobody rated are utterances without labels; false passes over them.
    """

    folds: str | None = None
    unlabelled: bool = False


def read(corpus: str, root: Path, options: CmuMoseiOptions) -> Iterator[Utterance | Rejected]:
    """Rows of the transcripts, sorted by video, one per clip; a line of a table that cannot be read is rejected.

    Raises:
        FileNotFoundError: the file of folds is not there.
        ValueError: it has no lists, or a table lacks columns.
    """
    raw = "Raw/" if (root / "Raw").is_dir() else ""
    splits = _read_folds(root, options.folds)
    ratings: Ratings = {}
    for path in sorted((root / raw / "Labels").glob("*.csv")):
        lines = read_lines(path, _NEEDED, "cp1252")
        yield from describe_lines(corpus, f"{raw}Labels/{path.name}", lines, partial(_rate, ratings))
    for path in sorted((root / raw / _TRANSCRIPTS).glob("*.txt")):
        describe = partial(_describe, corpus, root, raw, options, splits, ratings, path.stem)
        text = read_text(path, "cp1252").splitlines()
        lines_of = ((number, line) for number, line in enumerate(text, start=1) if line.strip())
        yield from describe_lines(corpus, f"{raw}{_TRANSCRIPTS}/{path.name}", lines_of, describe)


def _read_folds(root: Path, name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    if not is_there(root / name):
        raise FileNotFoundError(f"no {name} below the root: copy it from the CMU-MultimodalSDK, or leave out `folds`")
    found: dict[str, str] = {}
    try:
        for node in ast.parse(read_text(root / name)).body:
            if isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name) and target.id in _FOLDS:
                found |= dict.fromkeys(map(str, ast.literal_eval(node.value)), _FOLDS[target.id])
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{name} cannot be read as lists of videos: {error}") from error
    if not found:
        raise ValueError(f"{name} has none of the lists {', '.join(_FOLDS)}")
    return found


def _rate(ratings: Ratings, cells: dict[str, str]) -> None:
    """Take a rater's line up; it is no row."""
    video, clip = cells["Input.VIDEO_ID"], cells["Input.CLIP"].removesuffix(".0")
    if not video and not clip:
        return
    values = {"sentiment": to_number("Answer.sentiment", cells["Answer.sentiment"])}
    check_scale("Answer.sentiment", values["sentiment"], (-3, 3))
    for name in EMOTIONS:
        values[name] = (
            check_scale(f"Answer.{name}", to_number(f"Answer.{name}", cells[f"Answer.{name}"]), (0, 3)) or 0.0
        )
    ratings.setdefault((video, clip), []).append({name: value for name, value in values.items() if value is not None})


def _describe(
    corpus: str,
    root: Path,
    raw: str,
    options: CmuMoseiOptions,
    splits: dict[str, str],
    ratings: Ratings,
    video: str,
    line: str,
) -> Utterance | None:
    cells = line.split("___", 4)
    if len(cells) != 5 or cells[0] != video or not cells[1].isdecimal():
        raise Misfit("expected <video>___<clip>___<start>___<end>___<text>, with the file's name as video")
    clip, text = cells[1], cells[4]
    start, end = to_number("start", cells[2]), to_number("end", cells[3])
    if start is None or end is None or not 0 <= start < end:
        raise Misfit(f"start {cells[2]} and end {cells[3]}: expected 0 <= start < end")
    rated = ratings.get((video, clip), [])
    if not rated and not options.unlabelled:
        return None
    sentiments = [votes["sentiment"] for votes in rated if "sentiment" in votes]
    film = f"{raw}{_VIDEO}/{video}.mp4"
    has_film = (root / film).is_file()
    sound = f"{raw}{_AUDIO}/{video}.wav"
    return Utterance(
        utterance_id=f"{corpus}/{video}/{clip}",
        corpus=corpus,
        audio_path=film if has_film and not (root / sound).is_file() else sound,
        video_path=film if has_film else None,
        video_start_s=start if has_film else None,
        video_end_s=end if has_film else None,
        split=splits.get(video),
        dialogue_id=f"{corpus}/{video}",
        language="en",
        start_s=start,
        end_s=end,
        transcript=text.strip() or None,
        emotion=_strongest(rated),
        emotion_votes=[_vote(votes) for votes in rated] or None,
        sentiment_multimodal=sum(sentiments) / len(sentiments) if sentiments else None,
    )


def _vote(votes: dict[str, float]) -> str:
    return "/".join(name for name in EMOTIONS if votes[name] > 0) or "neutral"


def _strongest(rated: list[dict[str, float]]) -> str | None:
    """The emotion with the highest mean; neutral where all are 0, None where two are highest or nobody rated."""
    if not rated:
        return None
    sums = {name: sum(votes[name] for votes in rated) for name in EMOTIONS}
    highest = [name for name, total in sums.items() if total == max(sums.values())]
    if max(sums.values()) == 0:
        return "neutral"
    return highest[0] if len(highest) == 1 else None


READER = Reader(
    read=read,
    pattern="Labels/*.csv, Transcript/Segmented/Combined/<video>.txt, Audio/Full/WAV_16000/<video>.wav, also below Raw",
    example="Raw/Audio/Full/WAV_16000/--qXJuDtHPw.wav",
    options=CmuMoseiOptions,
    language="en",
    scales={"sentiment_multimodal": (-3, 3)},
    source="its authors: https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK",
    signs=tuple(f"{raw}{_TRANSCRIPTS}/*.txt" for raw in ("Raw/", "")),
)
