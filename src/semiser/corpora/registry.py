"""Readers by name; a reader's module is imported only when it is asked for."""

from importlib import import_module

from semiser.corpora.reader import Reader
from semiser.faces.images import FaceReader

READERS = tuple(
    "ami casia ch_sims crema_d emodb emovoxceleb esd iemocap librispeech manifest nnime omg ravdess savee".split()
)
FACE_READERS = ("face_folder", "ferplus", "rafdb")


def get_reader(name: str) -> Reader:
    """The reader of that name: `READER` of the module `semiser.corpora.<name>`.

    Raises:
        ValueError: there is no such reader; the message lists those that there are.
    """
    if name in FACE_READERS:
        raise ValueError(f"the reader {name!r} reads face images, not utterances: it trains expression networks only")
    if name not in READERS:
        raise ValueError(f"unknown reader {name!r}: expected one of {', '.join(READERS)}")
    return import_module(f"semiser.corpora.{name}").READER


def get_face_reader(name: str) -> FaceReader:
    """The reader of face images of that name, found as `get_reader` finds its own.

    Raises:
        ValueError: there is no such reader; the message lists those that there are.
    """
    if name not in FACE_READERS:
        raise ValueError(f"unknown reader of face images {name!r}: expected one of {', '.join(FACE_READERS)}")
    return import_module(f"semiser.corpora.{name}").READER
