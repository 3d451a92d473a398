"""Sets of face images with expression labels, which train the expression networks: row, reader and table of them."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Generic

import numpy as np
import pyarrow as pa

from semiser.corpora.files import leaves_root
from semiser.corpora.reader import OptionsT
from semiser.corpora.refusal import refuse_unusable
from semiser.corpora.utterance import Rejected
from semiser.errors import Unusable

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}

_CHUNK = 1_000
_MOST_PIXELS = 50_000_000  # a photograph; a small file may claim a thousand times as many


@dataclass(slots=True, kw_only=True)
class FaceImage:
    """One face image; its values are in a file or, for sets that come as a table, in the row itself."""

    image_id: str  # `<corpus>/<stable id>`, unique
    corpus: str
    path: str | None = None  # relative to the corpus root, with forward slashes; None if `pixels` holds the image
    pixels: bytes | None = None  # grey values of a square image, row by row, 8 bits each
    split: str | None = None  # official split
    expression: str | None = None  # of `semiser.corpora.emotions.EXPRESSIONS`, None where people disagree
    expression_votes: list[float] | None = None  # votes for each of EXPRESSIONS, in their order


FACES_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("corpus", pa.string()),
        ("path", pa.string()),
        ("pixels", pa.binary()),
        ("split", pa.string()),
        ("expression", pa.string()),
        ("expression_votes", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class FaceReader(Generic[OptionsT]):
    """A reader of face images, the counterpart of `semiser.corpora.reader.Reader`.

    Attributes:
        read: `read(corpus, root, options)` yields rows in a fixed order and never opens an image.
        pattern: the layout looked for, relative to the root.
        example: one path that fits it.
        options: pydantic model of the reader's options.
        expected: published counts: `images` and `images/<split>`.
        source: the images by their name and where they are had, for a run that lacks them.
    """

    read: Callable[[str, Path, OptionsT], Iterator[FaceImage | Rejected]]
    pattern: str
    example: str
    options: type[OptionsT]
    expected: Mapping[str, int] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True)
class IngestedFaces:
    """The table of images, what could not be used, and a summary that is JSON-safe."""

    faces: pa.Table
    rejected: list[Rejected]
    summary: dict[str, Any]


def ingest_faces(
    corpus: str, root: Path, reader: FaceReader[OptionsT], options: OptionsT, max_quarantined_share: float = 0.05
) -> IngestedFaces:
    """Read a set of face images and check that its files are there.

    Raises:
        FileNotFoundError: the root is no folder.
        Unusable: nothing at the root fits the reader's layout.
        TooManyUnusable: more than `max_quarantined_share` of the entries cannot be used.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"face images {corpus!r}: {root} is not a folder")
    entries = reader.read(corpus, root, options)
    batches: list[pa.RecordBatch] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    while chunk := list(islice(entries, _CHUNK)):
        rows = [row for row in (_check(entry, root, seen) for entry in chunk) if _keep(row, rejected)]
        batches.append(pa.RecordBatch.from_pylist([asdict(row) for row in rows], FACES_SCHEMA))
    table = pa.Table.from_batches(batches, FACES_SCHEMA)
    what, looked_for = f"face images {corpus!r}", f"{root}; looked for {reader.pattern} (such as {reader.example})"
    limit = "max_quarantined_share"
    refuse_unusable(what, looked_for, table.num_rows, len(rejected), rejected[:3], max_quarantined_share, limit)
    return IngestedFaces(table, rejected, _summarise(corpus, table, rejected, reader.expected))


def _check(entry: FaceImage | Rejected, root: Path, seen: set[str]) -> FaceImage | Rejected:
    if isinstance(entry, Rejected):
        return entry
    name = entry.path or entry.image_id
    if entry.image_id in seen:
        return Rejected(entry.corpus, name, f"duplicate image_id {entry.image_id!r}")
    if entry.path and leaves_root(entry.path):
        return Rejected(entry.corpus, name, "the path leaves the folder of the images")
    if entry.path and not _has_content(root / entry.path):
        return Rejected(entry.corpus, name, "the image is not there or empty")
    seen.add(entry.image_id)
    return entry


def _has_content(path: Path) -> bool:
    return os.path.isfile(path) and path.stat().st_size > 0


def _keep(row: FaceImage | Rejected, rejected: list[Rejected]) -> bool:
    if isinstance(row, Rejected):
        rejected.append(row)
    return isinstance(row, FaceImage)


def _summarise(corpus: str, table: pa.Table, rejected: list[Rejected], expected: Mapping[str, int]) -> dict[str, Any]:
    splits = Counter(table["split"].to_pylist())
    found = {"images": table.num_rows} | {f"images/{split}": count for split, count in splits.items() if split}
    differs = {
        key: {"found": found.get(key, 0), "expected": count}
        for key, count in expected.items()
        if found.get(key, 0) != count
    }
    for key, counts in differs.items():
        logger.warning("%s: %d %s found, %d expected", corpus, counts["found"], key, counts["expected"])
    expressions = Counter(table["expression"].to_pylist())
    return {
        "found": found,
        "expected": dict(expected),
        "differs": differs,
        "expressions": {str(word or "unlabelled"): count for word, count in expressions.most_common()},
        "quarantined": len(rejected),
        "quarantined_reasons": dict(Counter(row.reason for row in rejected).most_common(10)),
    }


def decode_face(image: FaceImage, root: Path) -> np.ndarray:
    """The image as uint8 of shape (height, width, 3), red, green, blue.

    Raises:
        Unusable: the file cannot be read as an image or has more pixels than a photograph, or `pixels` are no square.
    """
    import cv2

    if image.pixels is not None:
        grey = np.frombuffer(image.pixels, np.uint8)
        side = round(len(grey) ** 0.5)
        if side * side != len(grey):
            raise Unusable(f"{image.image_id}: {len(grey)} pixels are no square image")
        return np.repeat(grey.reshape(side, side, 1), 3, axis=2)
    _check_pixels(image, root)
    try:
        # not imread, which fails on names in other scripts on some systems
        decoded = cv2.imdecode(np.fromfile(root / (image.path or ""), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise Unusable(f"{image.path}: not readable as an image: {error}") from error
    if decoded is None:
        raise Unusable(f"{image.path}: not readable as an image")
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


def _check_pixels(image: FaceImage, root: Path) -> None:
    """Refuse by its header an image that decoding would blow up: OpenCV's own limit is 3 GB."""
    from PIL import Image

    try:
        with Image.open(root / (image.path or "")) as header:
            width, height = header.size
    except Image.DecompressionBombError as error:
        raise Unusable(f"{image.path}: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise Unusable(f"{image.path}: not readable as an image: {type(error).__name__}") from error
    if width * height > _MOST_PIXELS:
        raise Unusable(f"{image.path}: {width} x {height} pixels are no picture of a face (at most {_MOST_PIXELS:,})")
