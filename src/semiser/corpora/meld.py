"""MELD: `train_sent_emo.csv` and its like, and a folder of clips `dia0_utt0.mp4` per split.

Lists and folders as in `MELD.Raw` and on https://github.com/declare-lab/MELD (Poria et al., ACL 2019): the lists at the
root or in a folder of it; the clips in `train_splits`, `dev_splits_complete` and `output_repeated_splits_test`, which
the archives unpack at the root or below `train`, `dev` and `test`. Wavs in the clips' place serve too. The same names
come back in every split. `Sentiment` is a word and left out. A speaker is a name; `All`, `Both` and the like are
nobody, but a passer-by called `Man` in two episodes is one speaker of the corpus. Splits share the six main ones.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.emotions import UnknownEmotion, canonical_emotion
from semiser.corpora.files import Misfit, iter_files
from semiser.corpora.reader import Reader, ReaderOptions, unknown_emotion
from semiser.corpora.tables import describe_lines, read_lines
from semiser.corpora.utterance import Rejected, Utterance

_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
_NEEDED = {"Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"}
_SUFFIXES = (".mp4", ".wav", ".flac")  # the first that is there is taken
_NOBODY = ("all", "both", "everyone", "everybody", "guys", "girls", "together")


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Utterance | Rejected]:
    """Rows of MELD, one per line of the lists.

    Raises:
        ValueError: a list lacks columns or is in no known encoding.
    """
    lists = {split: path for split in _FOLDERS if (path := _find_list(root, f"{split}_sent_emo.csv"))}
    clips = _find_clips(root) if lists else {}
    for split, path in lists.items():
        lines = read_lines(path, _NEEDED, "cp1252")
        yield from describe_lines(
            corpus, path.relative_to(root).as_posix(), lines, partial(_describe, corpus, split, clips)
        )


def _find_list(root: Path, name: str) -> Path | None:
    return next((path for pattern in (name, f"*/{name}", f"*/*/{name}") for path in sorted(root.glob(pattern))), None)


def _find_clips(root: Path) -> dict[tuple[str, str], PurePosixPath]:
    """Paths by the folder of the split and the name without ending."""
    clips: dict[tuple[str, str], PurePosixPath] = {}
    for path in iter_files(root, _SUFFIXES):
        key = (path.parent.name, path.stem)
        if key not in clips or _rank(path) < _rank(clips[key]):
            clips[key] = path
    return clips


def _rank(path: PurePosixPath) -> int:
    return _SUFFIXES.index(path.suffix.lower())


def _describe(corpus: str, split: str, clips: dict[tuple[str, str], PurePosixPath], cells: dict[str, str]) -> Utterance:
    dialogue, utterance = cells["Dialogue_ID"], cells["Utterance_ID"]
    if not (dialogue.isdecimal() and utterance.isdecimal()):
        raise Misfit(f"Dialogue_ID {dialogue!r} and Utterance_ID {utterance!r} are no numbers")
    name = f"dia{dialogue}_utt{utterance}"
    path = clips.get((_FOLDERS[split], name))
    if path is None:
        raise Misfit(f"no clip {_FOLDERS[split]}/{name}.mp4: is the folder complete?")
    try:
        emotion = canonical_emotion(cells["Emotion"])
    except UnknownEmotion as error:
        raise unknown_emotion(error) from error
    speaker = cells["Speaker"]
    return Utterance(
        utterance_id=f"{corpus}/{split}/{name}",
        corpus=corpus,
        audio_path=str(path),
        video_path=str(path) if path.suffix.lower() == ".mp4" else None,
        split=split,
        speaker_id=f"{corpus}/{speaker}" if speaker and speaker.lower() not in _NOBODY else None,
        dialogue_id=f"{corpus}/{split}/{dialogue}",
        language="en",
        transcript=cells["Utterance"] or None,
        programme="Friends",
        episode=_episode(cells.get("Season", ""), cells.get("Episode", "")),
        emotion=emotion,
        emotion_original=cells["Emotion"],
    )


def _episode(season: str, episode: str) -> str | None:
    return f"{season}x{episode}" if season and episode else None


READER = Reader(
    read=read,
    pattern="train_sent_emo.csv (dev, test), and train_splits (dev_splits_complete, output_repeated_splits_test)",
    example="train/train_splits/dia0_utt0.mp4",
    options=ReaderOptions,
    language="en",
    expected={"utterances/train": 9989, "utterances/dev": 1109, "utterances/test": 2610, "emotions": 7},
    source="its authors: https://github.com/declare-lab/MELD",
    signs=("train_sent_emo.csv", "*/train_sent_emo.csv", "*/*/train_sent_emo.csv"),
)
