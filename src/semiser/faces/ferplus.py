"""FERPlus: `fer2013new.csv`, ten votes per image of FER2013, with the images in folders or in `fer2013.csv`.

Columns and folder names as in https://github.com/microsoft/FERPlus (Barsoum et al., "Training deep networks for facial
expression recognition with crowd-sourced label distribution", ICMI 2016). List and images lie at
the root or in `data`, as its owners have it the list there and the images here; these
(48 x 48, grey) in `FER2013Train`, `FER2013Valid` and `FER2013Test`, or as numbers in the column
`pixels` of Kaggle's `fer2013.csv`, line by line the same images. Lines without an image's name are no faces (column
`NF`) and are passed over.

`expression` is the one with more votes than any other, `unknown` and `NF` included; there is none on a tie or where
these two win. The votes stay in any case, those for `unknown` and `NF` left out.
"""

from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from semiser.corpora.emotions import EXPRESSIONS
from semiser.corpora.files import Misfit
from semiser.corpora.reader import ReaderOptions
from semiser.corpora.tables import Line, describe_lines, read_lines, to_number
from semiser.corpora.utterance import Rejected
from semiser.faces.images import FaceImage, FaceReader

VOTES = "fer2013new.csv"
PIXELS = "fer2013.csv"

_NAME = "Image name"
_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
_FOLDERS = {"train": "FER2013Train", "validation": "FER2013Valid", "test": "FER2013Test"}
_NOT_EXPRESSIONS = ("unknown", "NF")
_SIDE = 48
_END: Line = (0, {})


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[FaceImage | Rejected]:
    """Rows of FERPlus, one per face of the list.

    Raises:
        ValueError: a table lacks columns, or the two tables are not of the same images.
    """
    base = next((base for base in (".", "data") if (root / base / VOTES).is_file()), None)
    if base is None:
        return
    lines = read_lines(root / base / VOTES, {"Usage", _NAME, *EXPRESSIONS, *_NOT_EXPRESSIONS})
    places = dict.fromkeys((base, ".", "data"))
    images = next((p for p in places if any((root / p / folder).is_dir() for folder in _FOLDERS.values())), None)
    pixels = next((root / p / PIXELS for p in places if (root / p / PIXELS).is_file()), root / base / PIXELS)
    joined = lines if images is not None else _add_pixels(lines, pixels)
    yield from describe_lines(corpus, VOTES, joined, partial(_describe, corpus, PurePosixPath(images or base)))


def _add_pixels(lines: Iterator[Line], path: Path) -> Iterator[Line]:
    """Lines of the list with the column `pixels` of the other table, whose lines are the same images."""
    if not path.is_file():
        raise ValueError(
            f"{VOTES} is there, but neither beside it nor in data the folders {', '.join(_FOLDERS.values())}, "
            f"nor {PIXELS} with the images"
        )
    for (number, cells), (other, image) in zip_longest(lines, read_lines(path, {"pixels", "Usage"}), fillvalue=_END):
        if cells.get("Usage") != image.get("Usage"):
            raise ValueError(f"{VOTES}:{number} and {PIXELS}:{other} are not of one image: are both complete?")
        yield number, cells | {"pixels": image["pixels"]}


def _describe(corpus: str, base: PurePosixPath, cells: dict[str, str]) -> FaceImage | None:
    if not cells[_NAME]:
        return None
    if cells["Usage"] not in _SPLITS:
        raise Misfit(f"Usage {cells['Usage']!r} is none of {', '.join(_SPLITS)}")
    split = _SPLITS[cells["Usage"]]
    votes = {name: to_number(name, cells[name]) or 0.0 for name in (*EXPRESSIONS, *_NOT_EXPRESSIONS)}
    if min(votes.values()) < 0:
        raise Misfit("negative votes")
    pixels = _to_pixels(cells["pixels"]) if "pixels" in cells else None
    return FaceImage(
        image_id=f"{corpus}/{PurePosixPath(cells[_NAME]).stem}",
        corpus=corpus,
        path=None if pixels else str(base / _FOLDERS[split] / cells[_NAME]),
        pixels=pixels,
        split=split,
        expression=_elect(votes),
        expression_votes=[votes[name] for name in EXPRESSIONS],
    )


def _elect(votes: dict[str, float]) -> str | None:
    first, second = sorted(votes, key=votes.__getitem__, reverse=True)[:2]
    return first if first in EXPRESSIONS and votes[first] > votes[second] else None


def _to_pixels(text: str) -> bytes:
    try:
        pixels = bytes(map(int, text.split()))
    except ValueError as error:
        raise Misfit(f"pixels: {error}") from error
    if len(pixels) != _SIDE * _SIDE:
        raise Misfit(f"{len(pixels)} pixels, expected {_SIDE} x {_SIDE}")
    return pixels


READER = FaceReader(
    read=read,
    source="FERPlus's labels, free: github.com/microsoft/FERPlus, with the images of FER2013",
    pattern="fer2013new.csv, and FER2013Train/<name>.png and its like or fer2013.csv",
    example="FER2013Train/fer0000000.png",
    options=ReaderOptions,
    expected={"images": 35710, "images/train": 28558, "images/validation": 3579, "images/test": 3573},
)
