"""RAF-DB, basic expressions: `basic/Image/aligned/train_00001_aligned.jpg` and a list of labels, or Kaggle's folders.

The list, `EmoLabel/list_patition_label.txt` (so spelt), has a line `train_00001.jpg 5` per image; 1 to 7 are surprise,
fear, disgust, happiness, sadness, anger, neutral (Li, Deng and Du, "Reliable crowdsourcing and deep locality-preserving
learning for expression recognition in the wild", CVPR 2017, and http://www.whdeng.cn/raf/model1.html). The root is
the folder that holds `basic`, or `basic` itself. Kaggle's copy has no list: `DATASET/train/1/train_00001_aligned.jpg`,
the folder being the label.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.reader import ReaderOptions
from semiser.corpora.text import read_text
from semiser.corpora.utterance import Rejected
from semiser.faces.images import IMAGE_SUFFIXES, FaceImage, FaceReader

LIST = "EmoLabel/list_patition_label.txt"

_NAME = re.compile(r"(?P<split>train|test)_\d+")
_EXPRESSIONS = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happiness",
    "5": "sadness",
    "6": "anger",
    "7": "neutral",
}


class RafdbOptions(ReaderOptions):
    """Options of the reader.

    Attributes:
        images: which images of the published copy: faces cut out and aligned, or the whole pictures.
    """

    images: Literal["aligned", "original"] = "aligned"


def read(corpus: str, root: Path, options: RafdbOptions) -> Iterator[FaceImage | Rejected]:
    """Rows of RAF-DB, one per line of the list or, where there is no list, per image below a numbered folder."""
    base = next((base for base in ("basic", ".") if (root / base / LIST).is_file()), None)
    if base is None:
        yield from read_files(corpus, iter_files(root, IMAGE_SUFFIXES), partial(_describe_file, corpus))
        return
    for number, line in enumerate(read_text(root / base / LIST).splitlines(), start=1):
        try:
            if line.strip():
                yield _describe_line(corpus, PurePosixPath(base), options, line.split())
        except Misfit as misfit:
            yield Rejected(corpus, f"{PurePosixPath(base) / LIST}:{number}", str(misfit))


def _describe_line(corpus: str, base: PurePosixPath, options: RafdbOptions, cells: list[str]) -> FaceImage:
    if len(cells) != 2:
        raise Misfit("expected an image's name and a number from 1 to 7")
    stem = PurePosixPath(cells[0]).stem
    name = f"{stem}_aligned.jpg" if options.images == "aligned" else f"{stem}.jpg"
    return _make(corpus, stem, base / "Image" / options.images / name, cells[1])


def _describe_file(corpus: str, path: PurePosixPath) -> FaceImage:
    return _make(corpus, path.stem.removesuffix("_aligned"), path, path.parent.name)


def _make(corpus: str, stem: str, path: PurePosixPath, code: str) -> FaceImage:
    match = _NAME.fullmatch(stem)
    if match is None:
        raise Misfit(f"image {stem!r}: expected train_<number> or test_<number>")
    if code not in _EXPRESSIONS:
        raise Misfit(f"label {code!r} is none of 1 to 7")
    return FaceImage(
        image_id=f"{corpus}/{stem}",
        corpus=corpus,
        path=str(path),
        split=match["split"],
        expression=_EXPRESSIONS[code],
    )


READER = FaceReader(
    read=read,
    source="RAF-DB, on request: whdeng.cn/raf/model1.html",
    pattern="basic/EmoLabel/list_patition_label.txt and basic/Image/aligned/<name>_aligned.jpg, or "
    "<train or test>/<1 to 7>/<name>_aligned.jpg",
    example="basic/Image/aligned/train_00001_aligned.jpg",
    expected={"images": 15339, "images/train": 12271, "images/test": 3068},
    options=RafdbOptions,
)
