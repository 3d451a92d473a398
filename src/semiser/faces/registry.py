"""Readers of face images by name; a reader's module is imported only when it is asked for."""

from importlib import import_module

from semiser.faces.images import FaceReader

FACE_READERS = ("face_folder", "ferplus", "rafdb")


def get_face_reader(name: str) -> FaceReader:
    """The reader of face images of that name: `READER` of the module `semiser.faces.<name>`.

    Raises:
        ValueError: there is no such reader; the message lists those that there are.
    """
    if name not in FACE_READERS:
        raise ValueError(f"unknown reader of face images {name!r}: expected one of {', '.join(FACE_READERS)}")
    return import_module(f"semiser.faces.{name}").READER
