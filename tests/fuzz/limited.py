"""Read files with 256 MB of memory beyond what the libraries take: `python -m fuzz.limited kind path ...`.

Prints a line of JSON per file: what became of it, the message and the seconds of processor time that it took.
"""

import json
import resource
import sys
import time
from pathlib import Path

from semiser.corpora.nxt import read_elements
from semiser.corpora.registry import get_reader
from semiser.corpora.tables import read_lines
from semiser.corpora.text import read_text
from semiser.faces.images import FaceImage, decode_face
from semiser.faces.network import load_expression_network
from semiser.features.word_vectors import load_word_vectors
from semiser.media.audio import decode_audio
from semiser.media.video import sample_frames

MEMORY_BYTES = 256 << 20


def _manifest(path: Path) -> list:
    reader = get_reader("manifest")
    return list(reader.read("c", path.parent, reader.options(file=path.name)))


KINDS = {
    "sound": lambda path: decode_audio(path, 16_000),
    "video": lambda path: sum(1 for _ in sample_frames(path, 0.24)),
    "picture": lambda path: decode_face(FaceImage(image_id="a", corpus="c", path=path.name), path.parent),
    "xml": read_elements,
    "table": lambda path: list(read_lines(path, {"a"})),
    "manifest": _manifest,
    "text": read_text,
    "vectors": load_word_vectors,
    "network": lambda path: load_expression_network(path.parent),
}


def main(arguments: list[str]) -> None:
    """Read each file in turn."""
    import av  # noqa: F401  what is imported later would need memory too
    import cv2  # noqa: F401
    import gensim.models  # noqa: F401

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, held + MEMORY_BYTES))
    for kind, path in zip(arguments[::2], arguments[1::2], strict=True):
        begin = time.process_time()
        try:
            KINDS[kind](Path(path))
            became, message = "read", ""
        except BaseException as error:  # a MemoryError is what this looks for
            became, message = type(error).__name__, str(error)
        print(json.dumps([path, became, message, time.process_time() - begin]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
