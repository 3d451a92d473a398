"""What tests of several families of faces share."""

import numpy as np
import pytest

from semiser.demo.clips import write_clip
from semiser.demo.faces import draw_face, random_identity
from semiser.demo.sound import SAMPLE_RATE_HZ
from semiser.features.family import Source

WALL = np.full((160, 160, 3), 150, np.uint8)


@pytest.fixture(scope="session")
def face_source(tmp_path_factory):
    """Nine sampled frames: three faces, two walls, four other faces."""
    root = tmp_path_factory.mktemp("clips")
    first, second = (draw_face(name, random_identity(3), size=160) for name in ("anger", "surprise"))
    write_clip(root / "v.mp4", [first] * 15 + [WALL] * 12 + [second] * 23, np.zeros(2 * SAMPLE_RATE_HZ, np.float32))
    return Source({"video_path": "v.mp4", "audio_path": "v.mp4", "start_s": None, "end_s": None}, root)
