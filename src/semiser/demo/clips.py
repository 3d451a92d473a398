"""Video clips of a talking drawn face, byte for byte the same each time they are written."""

from pathlib import Path

import av
import numpy as np

from semiser.demo import sound
from semiser.demo.faces import Identity, Pose, draw_face

FRAMES_PER_SECOND = 25
FRAME_SIZE = 160
_VIDEO_BIT_RATE = 112_000
_AUDIO_BIT_RATE = 32_000
_SAMPLES_PER_FRAME = sound.SAMPLE_RATE_HZ // FRAMES_PER_SECOND


def mouth_opening(signal: np.ndarray) -> np.ndarray:
    """How far speech opens the mouth in every video frame.

    Args:
        signal: (samples,) at `sound.SAMPLE_RATE_HZ`.

    Returns:
        (frames,) in [0, 1]: the root mean square of each frame's 40 ms relative to the loudest, to the power 0.7; the
        last frame is filled up with silence.
    """
    frames = -(-signal.size // _SAMPLES_PER_FRAME)
    blocks = np.pad(signal, (0, frames * _SAMPLES_PER_FRAME - signal.size)).reshape(frames, _SAMPLES_PER_FRAME)
    level = np.sqrt(np.mean(blocks**2, axis=1))
    return (level / max(level.max(), 1e-9)) ** 0.7


def draw_frames(signal: np.ndarray, expression: str, identity: Identity, rng: np.random.Generator) -> list[np.ndarray]:
    """One face a video frame: it sways, blinks once, speaks, and its expression swells over the first half second.

    Args:
        signal: (samples,) of speech at `sound.SAMPLE_RATE_HZ`.
        expression: one of `faces.EXPRESSIONS`.
        identity: whose face.
        rng: draws the sway, the blink, the light and the strength of the expression.

    Returns:
        Pictures (FRAME_SIZE, FRAME_SIZE, 3) uint8.
    """
    opening = mouth_opening(signal)
    phase, light, strength = rng.uniform(0, 2 * np.pi, 3), rng.uniform(-0.8, 0.8), rng.uniform(0.75, 1.05)
    scale, blink_at = rng.uniform(0.9, 1.05), rng.integers(4, max(5, opening.size - 4))
    faces = []
    for frame, speaking in enumerate(opening):
        sway = np.sin(phase + 2 * np.pi * np.array([0.4, 0.3, 0.35]) * frame / FRAMES_PER_SECOND)
        pose = Pose(x=0.04 * sway[0], y=0.025 * sway[1], roll_deg=3 * sway[2], scale=scale)
        swell = min(1.0, 0.6 + 0.4 * frame / (0.5 * FRAMES_PER_SECOND))
        blink = max(0.0, 0.9 - 0.45 * abs(frame - blink_at))
        faces.append(
            draw_face(expression, identity, intensity=strength * swell, speaking=0.9 * float(speaking), blink=blink,
                      pose=pose, light=light, size=FRAME_SIZE)
        )  # fmt: skip
    return faces


def write_clip(path: Path, frames: list[np.ndarray], signal: np.ndarray) -> None:
    """Write an mp4 with MPEG-4 video (byte-repeatable, which x264's default is not) and mono AAC sound.

    Args:
        path: file to write.
        frames: pictures (height, width, 3) uint8, at `FRAMES_PER_SECOND`.
        signal: (samples,) in [-1, 1] at `sound.SAMPLE_RATE_HZ`.
    """
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("mpeg4", rate=FRAMES_PER_SECOND)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.bit_rate, video.thread_count = "yuv420p", _VIDEO_BIT_RATE, 1
        audio = container.add_stream("aac", rate=sound.SAMPLE_RATE_HZ, layout="mono")
        audio.bit_rate, audio.codec_context.thread_count = _AUDIO_BIT_RATE, 1
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        for packet in _encode_sound(audio, signal):
            container.mux(packet)


def _encode_sound(stream: av.AudioStream, signal: np.ndarray) -> list[av.Packet]:
    block = av.AudioFrame.from_ndarray(signal[None].astype(np.float32), format="fltp", layout="mono")
    block.sample_rate, block.pts = sound.SAMPLE_RATE_HZ, 0
    return [*stream.encode(block), *stream.encode()]
