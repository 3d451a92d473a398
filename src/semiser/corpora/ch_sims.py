"""CH-SIMS: `Raw/video_0001/0001.mp4`, and `label.csv` or `meta.csv` with a line per clip.

Columns `video_id, clip_id, text, label, label_T, label_A, label_V, annotation, mode` (Yu et al., "CH-SIMS: a Chinese
multimodal sentiment analysis dataset with fine-grained annotation of modality", ACL 2020, and
https://github.com/thuiar/MMSA). `sentiment` is the label of the voice, `label_A`; `annotation`, a word for the class of
`label`, is left out, since the number says it. The list is given out with and without a
header line. Tables that went through a spreadsheet have lost the zeros in front
of `clip_id`; a clip is looked for with and without them. Speakers are not published.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.files import Misfit
from semiser.corpora.reader import PaperCount, Reader, ReaderOptions
from semiser.corpora.tables import describe_lines, read_lines, to_number
from semiser.corpora.text import is_there
from semiser.corpora.utterance import Rejected, Utterance

TABLES = ("label.csv", "meta.csv")

_COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "annotation", "mode")
_NEEDED = {"video_id", "clip_id", "text", "label", "label_T", "label_A", "label_V", "mode"}
_SENTIMENTS = ("sentiment", "sentiment_text", "sentiment_vision", "sentiment_multimodal")
_SPLITS = ("train", "valid", "test")


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[Utterance | Rejected]:
    """Rows of CH-SIMS, one per line of the table.

    Raises:
        ValueError: the table lacks columns or is in no known encoding.
    """
    table = next((root / name for name in TABLES if is_there(root / name)), None)
    if table is not None:
        lines = read_lines(table, _NEEDED, "gb18030", columns=_COLUMNS)
        yield from describe_lines(corpus, table.name, lines, partial(_describe, corpus, root))


def _describe(corpus: str, root: Path, cells: dict[str, str]) -> Utterance:
    video, split = cells["video_id"], cells["mode"].lower()
    if split not in _SPLITS:
        raise Misfit(f"mode {cells['mode']!r} is none of {', '.join(_SPLITS)}")
    path = _find_clip(root, video, cells["clip_id"])
    return Utterance(
        utterance_id=f"{corpus}/{video}/{path.stem}",
        corpus=corpus,
        audio_path=str(path),
        split=split,
        dialogue_id=f"{corpus}/{video}",
        language="zh-Hans",
        transcript=cells["text"] or None,
        programme=video,
        video_path=str(path),
        sentiment=_sentiment("label_A", cells["label_A"]),
        sentiment_text=_sentiment("label_T", cells["label_T"]),
        sentiment_vision=_sentiment("label_V", cells["label_V"]),
        sentiment_multimodal=_sentiment("label", cells["label"]),
    )


def _find_clip(root: Path, video: str, clip: str) -> PurePosixPath:
    bare = clip.removesuffix(".0")
    if not video or not bare or not set(f"{video}{bare}").isdisjoint("/\\"):
        raise Misfit(f"video_id {video!r} and clip_id {clip!r} name no file in Raw")
    for stem in dict.fromkeys((clip, *(bare.zfill(width) for width in (4, 5)), bare.lstrip("0"))):
        path = PurePosixPath("Raw", video, f"{stem}.mp4")
        if os.path.isfile(root / path):  # also where the name is too long for a file
            return path
    raise Misfit(f"no clip Raw/{video}/{bare.zfill(4)}.mp4: is the folder Raw complete?")


def _sentiment(column: str, cell: str) -> float | None:
    value = to_number(column, cell)
    if value is not None and not -1 <= value <= 1:
        raise Misfit(f"{column} {cell} is outside its scale, -1 to 1")
    return value


READER = Reader(
    read=read,
    pattern="label.csv (or meta.csv), and Raw/<video_id>/<clip_id>.mp4",
    example="Raw/video_0001/0001.mp4",
    options=ReaderOptions,
    language="zh-Hans",
    expected={"utterances": 2281, "utterances/train": 1368, "utterances/valid": 456, "utterances/test": 457},
    scales=dict.fromkeys(_SENTIMENTS, (-1, 1)),
    source="its authors: https://github.com/thuiar/MMSA",
    papers=(PaperCount("CMKT, Table 1", "utterances", 2281, lambda utterance: True),),
)
