"""Face images in folders: `<split>/<expression>/<image>.png`, or `<expression>/<image>.png` without a split.

Folder names are canonical expressions or their common forms, in any case: `train/happy/17.png`.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from semiser.corpora.emotions import EXPRESSIONS, canonical_emotion
from semiser.corpora.files import Misfit, iter_files, read_files
from semiser.corpora.reader import ReaderOptions
from semiser.corpora.utterance import Rejected
from semiser.faces.images import IMAGE_SUFFIXES, FaceImage, FaceReader


def read(corpus: str, root: Path, options: ReaderOptions) -> Iterator[FaceImage | Rejected]:
    """Rows of a folder of faces, one per image."""
    return read_files(corpus, iter_files(root, IMAGE_SUFFIXES), partial(_describe, corpus))


def _describe(corpus: str, path: PurePosixPath) -> FaceImage:
    if len(path.parts) not in (2, 3):
        raise Misfit("expected <split>/<expression>/<image> or <expression>/<image>")
    return FaceImage(
        image_id=f"{corpus}/{path.with_suffix('')}",
        corpus=corpus,
        path=str(path),
        split=path.parts[0] if len(path.parts) == 3 else None,
        expression=_name_expression(path.parts[-2]),
    )


def _name_expression(word: str) -> str:
    try:
        name = canonical_emotion(word)
    except ValueError as error:
        raise Misfit(f"folder {word!r}: {error}") from error
    if name not in EXPRESSIONS:
        raise Misfit(f"folder {word!r} is no expression of a face: expected one of {', '.join(EXPRESSIONS)}")
    return name


READER = FaceReader(
    read=read,
    source="a folder of faces of your own: docs/corpora.md",
    pattern="<split>/<expression>/<image>.png",
    example="train/happiness/0001.png",
    options=ReaderOptions,
)
