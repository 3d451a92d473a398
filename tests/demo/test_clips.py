from itertools import pairwise

import av
import numpy as np

from semiser.demo import clips, sound
from semiser.demo.faces import Identity


def beep(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * sound.SAMPLE_RATE_HZ)) / sound.SAMPLE_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def test_mouth_opens_with_the_level_of_each_frame():
    # 640 samples a frame: loud, a quarter of it, silent, and a half-filled one whose mean square halves
    signal = np.concatenate([np.full(640, 0.4), np.full(640, 0.1), np.zeros(640), np.full(320, 0.4)])
    np.testing.assert_allclose(clips.mouth_opening(signal), [1, 0.25**0.7, 0, np.sqrt(0.5) ** 0.7], rtol=1e-6)


def test_one_frame_for_every_40_ms_and_each_differs():
    frames = clips.draw_frames(beep(0.3), "happiness", Identity(), np.random.default_rng(0))
    assert len(frames) == 8
    assert frames[0].shape == (clips.FRAME_SIZE, clips.FRAME_SIZE, 3)
    assert all((a != b).any() for a, b in pairwise(frames))


def test_clip_is_read_back_and_written_the_same_twice(tmp_path):
    frames = clips.draw_frames(beep(0.4), "sadness", Identity(), np.random.default_rng(1))
    paths = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for path in paths:
        clips.write_clip(path, frames, beep(0.4))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(str(paths[0])) as container:
        shown = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == clips.FRAMES_PER_SECOND
    assert len(shown) == len(frames) == 10
    assert np.abs(shown[3] - frames[3]).mean() < 6
    with av.open(str(paths[0])) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(heard[2000:5200]))
    assert spectrum.argmax() * sound.SAMPLE_RATE_HZ / 3200 == 440
