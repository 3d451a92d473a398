"""The MER challenges and MERBench: a table of names and emotions, and a clip of that name.

Layouts as MERTools (https://github.com/zeroQiaoba/MERTools) reads them. MER2023: `train-label.csv`, `test1-label.csv`
to `test3-label.csv`, clips in folders `train`, `test1` to `test3`. MER2025: `track1_train_disdim.csv`,
`track1_test_dis.csv`, sound in `audio`, clips in `video`. Columns `name`, `discrete` and, but in some tests, `valence`.
Subtitles come from `subtitle_chieng.csv` or `transcription-engchi-polish.csv` (`name`, `chinese`). Clips that no table
names, the challenges' unlabelled ones, are read where the option `unlabelled` says so. Speakers are not published.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.lists import ListOptions, to_emotion
from semiser.corpora.reader import Reader
from semiser.corpora.suffixes import AUDIO, VIDEO
from semiser.corpora.tables import describe_lines, read_lines, to_number
from semiser.corpora.text import is_there
from semiser.corpora.transcripts import Transcripts
from semiser.corpora.utterance import Entry, Labels, Utterance

_TABLE = re.compile(r"(?P<of_2023>train|test\d?)-label\.csv|track\d_(?P<of_2025>train|test)_\w+\.csv")
_EMOTIONS = {"worried": "fear"}  # the nearest name that there is; the option `emotions` may say another
_SUBTITLES = ("subtitle_chieng.csv", "transcription-engchi-polish.csv")


class MerOptions(ListOptions):
    """Options of the reader.

    Attributes:
        unlabelled: whether clips that no table names are utterances without labels.
    """

    unlabelled: bool = False


Clips = dict[str, list[PurePosixPath]]  # by the name without ending


def read(corpus: str, root: Path, options: MerOptions) -> Iterator[Entry]:
    """Rows of the tables, one per line, then those of other clips where they are asked for.

    Raises:
        ValueError: a table lacks the columns `name` and `discrete` or is not UTF-8.
    """
    tables = {path.name: _TABLE.fullmatch(path.name) for path in sorted(root.glob("*.csv"))}
    clips: Clips = {}
    for path in iter_files(root, {*AUDIO, *VIDEO}):
        clips.setdefault(path.stem, []).append(path)
    texts = _read_subtitles(root)
    named: set[str] = set()
    for name, match in tables.items():
        if match is not None:
            split = match["of_2023"] or match["of_2025"]
            lines = read_lines(root / name, {"name", "discrete"}, "gb18030")
            describe = partial(_describe, corpus, options, split, clips, texts, named)
            yield from describe_lines(corpus, name, lines, describe)
    if options.unlabelled:
        others = (_choose(paths, None) for name, paths in clips.items() if name not in named)
        yield from read_files(corpus, others, partial(_describe_unlabelled, corpus, options, clips, texts))
        yield from texts.unmatched(corpus)  # else the clips without label have some


def _read_subtitles(root: Path) -> Transcripts[str]:
    path = next((root / name for name in _SUBTITLES if is_there(root / name)), None)
    if path is None:
        return Transcripts()
    lines = read_lines(path, {"name", "chinese"}, "gb18030")
    return Transcripts({cells["name"]: cells["chinese"] for _, cells in lines}, path.relative_to(root))


def _choose(paths: list[PurePosixPath], split: str | None, kinds: tuple[str, ...] = (*AUDIO, *VIDEO)) -> PurePosixPath:
    """The file of a clip, sound before video and the split's folder before others."""
    ranked = [(path.parent.name != split, kinds.index(path.suffix.lower()), path) for path in paths]
    return min(ranked)[2]


def _video(paths: list[PurePosixPath], split: str | None) -> str | None:
    videos = [path for path in paths if path.suffix.lower() in VIDEO]
    return str(_choose(videos, split)) if videos else None


def _describe(
    corpus: str,
    options: MerOptions,
    split: str,
    clips: Clips,
    texts: Transcripts[str],
    named: set[str],
    cells: dict[str, str],
) -> Utterance:
    name = cells["name"]
    named.add(name)
    if name not in clips:
        raise Misfit(f"no clip {name!r} in any folder: is the copy complete?")
    labels: Labels = {"valence": to_number("valence", cells.get("valence", ""))}
    words = options.model_copy(update={"emotions": _EMOTIONS | options.emotions})
    labels.update(to_emotion(cells["discrete"], words))
    return Utterance(
        utterance_id=f"{corpus}/{name}",
        corpus=corpus,
        audio_path=str(_choose(clips[name], split)),
        video_path=_video(clips[name], split),
        split=split,
        language=options.language,
        transcript=texts.get(name) or None,
        **labels,
    )


def _describe_unlabelled(
    corpus: str, options: MerOptions, clips: Clips, texts: Transcripts[str], path: PurePosixPath
) -> Utterance:
    return Utterance(
        utterance_id=f"{corpus}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        video_path=_video(clips[path.stem], None),
        language=options.language,
        transcript=texts.get(path.stem) or None,
    )


READER = Reader(
    read=read,
    pattern="train-label.csv and its like, or track1_train_disdim.csv and its like, and a clip per name in any folder",
    example="train/sample_00000001.mp4",
    options=MerOptions,
    language="zh-Hans",
    source="the organizers of the MER challenges, on request: http://merchallenge.cn",
    signs=("train-label.csv", "track[0-9]_train_*.csv"),
)
