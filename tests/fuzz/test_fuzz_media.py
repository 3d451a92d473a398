"""Sound, video and pictures whose bytes were flipped, cut, doubled or replaced: a signal, pictures, or a reason."""

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile
from fuzz.cases import examples, mutated_bytes, outcome
from helpers import voice
from hypothesis import given

from semiser.faces.images import FaceImage, decode_face
from semiser.media.audio import decode_audio, probe_audio
from semiser.media.video import sample_frames

SOUNDS = ("wav", "flac", "ogg", "mp3", "aiff", "au", "w64", "caf")
VIDEOS = ("mp4", "avi", "mkv")
PICTURES = ("png", "jpg", "bmp")


def _sound(path: Path) -> bytes:
    soundfile.write(path, voice(0.3), 16_000)
    return path.read_bytes()


def _video(path: Path) -> bytes:
    """Half a second of 32 x 32 pictures, with sound and a title."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a title"
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        for number, pixels in enumerate(noise):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        sound = av.AudioFrame.from_ndarray(voice(0.48)[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts = 16_000, 0
        container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode())
    return path.read_bytes()


def _picture(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    return cv2.imencode(f".{kind}", pixels)[1].tobytes()


def _hear(target: str, path: Path) -> None:
    info = outcome(f"{target} header", lambda: probe_audio(path))
    assert info is None or (info.duration_s > 0 and info.sample_rate_hz >= 1000 and info.channels > 0)
    for bounds in ((None, None), (0.05, 0.2)):
        signal = outcome(f"{target} sound", lambda bounds=bounds: decode_audio(path, 16_000, *bounds))
        assert signal is None or (signal.ndim == 1 and signal.dtype == np.float32 and np.isfinite(signal).all())


@pytest.mark.parametrize("kind", SOUNDS)
def test_damaged_sound(tmp_path, kind):
    original, path = _sound(tmp_path / f"whole.{kind}"), tmp_path / f"a.{kind}"

    @examples(40)
    @given(data=mutated_bytes(original))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        _hear(kind, path)

    check()


@pytest.mark.parametrize("kind", VIDEOS)
def test_damaged_video(tmp_path, kind):
    original, path = _video(tmp_path / f"whole.{kind}"), tmp_path / f"a.{kind}"

    @examples(80)
    @given(
        data=mutated_bytes(original, header=1500) | mutated_bytes(original[::-1], header=1500).map(lambda d: d[::-1])
    )
    def check(data: bytes) -> None:
        path.write_bytes(data)
        _hear(kind, path)
        for bounds in ((None, None), (0.1, 0.3)):
            # an hour of pictures at 0.24 s are 15,000
            seen = outcome(
                f"{kind} pictures", lambda bounds=bounds: list(islice(sample_frames(path, 0.24, *bounds), 20_000))
            )
            assert seen is None or (len(seen) < 20_000 and all(p.ndim == 3 and p.dtype == np.uint8 for _, p in seen))

    check()


@pytest.mark.parametrize("kind", PICTURES)
def test_damaged_pictures(tmp_path, kind):
    original, image = _picture(kind), FaceImage(image_id="c/a", corpus="c", path=f"a.{kind}")

    @examples(80)
    @given(data=mutated_bytes(original, header=64))
    def check(data: bytes) -> None:
        (tmp_path / f"a.{kind}").write_bytes(data)
        pixels = outcome(f"{kind} picture", lambda: decode_face(image, tmp_path))
        assert pixels is None or (pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8)

    check()
