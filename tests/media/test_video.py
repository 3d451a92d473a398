"""Sampling pictures from small videos: which picture at which time, and a stated outcome for every kind of damage."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from semiser.errors import Unusable
from semiser.media.video import sample_frames


def write_video(
    path: Path, times_25: list[int], *, faststart: bool = False, picture=None, codec="mpeg4", title=""
) -> Path:
    """A noisy 64 x 64 video whose n-th picture has mean brightness 40 + 3 n, at these times in 1/25 s."""
    noise = np.random.default_rng(0).integers(-20, 21, (len(times_25), 64, 64, 1))
    with av.open(str(path), "w", options={"movflags": "+faststart"} if faststart else {}) as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.bit_rate = 64, 64, 400_000
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, time in enumerate(times_25):
            pixels = (40 + 3 * number + noise[number]).repeat(3, -1).astype(np.uint8) if picture is None else picture
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        block.sample_rate, block.pts = 16_000, 0
        container.mux(stream.encode(block))
        container.mux(stream.encode())
    return path


def sampled(path: Path, *arguments) -> list[tuple[float, int]]:
    """Times, and the numbers of the pictures read back from their brightness."""
    return [(round(time, 4), round((frame.mean() - 40) / 3)) for time, frame in sample_frames(path, *arguments)]


def test_a_regular_video_gives_every_sixth_picture(tmp_path):
    path = write_video(tmp_path / "v.mp4", list(range(25)))

    assert sampled(path, 0.24) == [(0.0, 0), (0.24, 6), (0.48, 12), (0.72, 18), (0.96, 24)]


def test_the_picture_on_show_is_taken_where_times_are_irregular(tmp_path):
    # pictures at 0, 0.04, 0.40 and 0.44 s: at 0.24 s the second is still on show
    path = write_video(tmp_path / "v.mp4", [0, 1, 10, 11])

    assert sampled(path, 0.12) == [(0.0, 0), (0.12, 1), (0.24, 1), (0.36, 1)]


def test_bounds_are_kept_and_reached_from_a_key_picture(tmp_path):
    path = write_video(tmp_path / "v.mp4", list(range(60)))

    assert sampled(path, 0.24, 1.6, 2.1) == [(1.6, 40), (1.84, 46), (2.08, 52)]
    assert sampled(path, 0.24, 0.0, 0.48) == [(0.0, 0), (0.24, 6)]


@pytest.mark.parametrize("suffix", ["mp4", "avi", "mkv"])
def test_pictures_are_rgb_and_keep_their_size(tmp_path, suffix):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :32] = (200, 40, 40)
    path = write_video(tmp_path / f"v.{suffix}", [0, 1, 2], picture=picture)

    ((_, frame),) = sample_frames(path, 0.24)

    assert frame.shape == (64, 64, 3) and frame.dtype == np.uint8
    np.testing.assert_allclose(frame[32, 16], (200, 40, 40), atol=12)
    np.testing.assert_allclose(frame[32, 48], 0, atol=12)


def test_a_noted_rotation_is_applied(tmp_path):
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32] = 220  # bright above: turned clockwise by 90 degrees, bright on the right
    path = write_video(tmp_path / "v.mp4", [0, 1, 2], picture=picture)
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 4 + 40  # after version, times, ids, duration, reserved, layer, group and volume
    quarter_turn = [0, 1 << 16, 0, (1 << 32) - (1 << 16), 0, 0, 64 << 16, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big") for value in quarter_turn)
    path.write_bytes(data)

    ((_, frame),) = sample_frames(path, 0.24)

    assert frame[:, 40:].mean() > 200 and frame[:, :24].mean() < 20


def _missing(folder: Path) -> Path:
    return folder / "none.mp4"


def _empty(folder: Path) -> Path:
    (folder / "v.mp4").write_bytes(b"")
    return folder / "v.mp4"


def _text(folder: Path) -> Path:
    (folder / "v.mp4").write_text("not a video\n" * 40)
    return folder / "v.mp4"


def _folder(folder: Path) -> Path:
    return folder


def _cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    return path


def _pointer(folder: Path) -> Path:
    path = folder / "v.mp4"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    return path


def _without_index(folder: Path) -> Path:
    path = write_video(folder / "v.mp4", list(range(50)))
    return _cut(path, 0.9 * path.read_bytes().find(b"moov") / path.stat().st_size)


def _sound_only(folder: Path) -> Path:
    return write_sound(folder / "v.mp4")


def _no_pictures(folder: Path) -> Path:
    path = write_video(folder / "v.mp4", list(range(50)), faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"mdat") + 4])
    return path


@pytest.mark.parametrize(
    "make, reason",
    [
        (_missing, "cannot be opened: No such file"),
        (_folder, "not a file"),
        (_empty, r"empty file \(0 bytes\)"),
        (_text, "not readable as video: Invalid data"),
        (_pointer, r"a Git LFS pointer .* `git lfs pull`"),
        (_without_index, "not readable as video: Invalid data"),
        (_sound_only, "no video track"),
        (_no_pictures, "no picture can be decoded|damaged"),
    ],
)
def test_what_is_no_video_is_unusable_with_the_reason(tmp_path, make, reason):
    with pytest.raises(Unusable, match=reason):
        list(sample_frames(make(tmp_path), 0.24))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize("share", [0.5, 0.6, 0.7])
def test_a_cut_video_is_unusable_but_for_the_segments_that_are_there(tmp_path, suffix, share):
    path = _cut(write_video(tmp_path / f"v.{suffix}", list(range(60)), faststart=True), share)

    with pytest.raises(Unusable, match=r"truncated: pictures end at|damaged"):
        list(sample_frames(path, 0.24))
    assert sampled(path, 0.24, 0.0, 0.4) == [(0.0, 0), (0.24, 6)]


def test_a_segment_beyond_the_end_is_unusable(tmp_path):
    path = write_video(tmp_path / "v.mp4", list(range(25)))

    assert len(sampled(path, 0.24, 0.5, 1.3)) == 3  # half a second of grace: 0.5, 0.74 and 0.98 s
    with pytest.raises(Unusable, match=r"pictures end at 1.00 s, before the segment's end at 2.00 s"):
        sampled(path, 0.24, 0.5, 2.0)


def test_a_damaged_video_prints_nothing(tmp_path):
    path = write_video(tmp_path / "v.avi", list(range(50)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)
    path.write_bytes(data)
    code = (
        "import sys; from pathlib import Path; from semiser.media.video import sample_frames\n"
        "try: list(sample_frames(Path(sys.argv[1]), 0.24))\n"
        "except ValueError: pass"
    )

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(path)]
    ran = subprocess.run(command, env=environment, capture_output=True, timeout=60, text=True)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_time_stamps_that_run_away_are_damage_and_not_an_endless_picture(tmp_path):
    path = write_video(tmp_path / "v.mkv", [0, 25 * 10**5], codec="mjpeg")

    with pytest.raises(Unusable, match=r"pictures for 100,000 s, an utterance has at most 3,600 s"):
        list(sample_frames(path, 0.24))
    assert sampled(path, 0.24, 0.0, 0.4) == [(0.0, 0), (0.24, 0)]


def test_a_title_in_another_encoding_does_not_matter(tmp_path):
    path = write_video(tmp_path / "v.mp4", [0, 1, 2], title="ABCD")
    data = path.read_bytes()
    assert b"ABCD" in data
    path.write_bytes(data.replace(b"ABCD", "标题".encode("gbk")))

    assert sampled(path, 0.24) == [(0.0, 0)]


def test_a_duration_tag_that_is_no_time_is_no_promise(tmp_path):
    path = write_video(tmp_path / "v.mkv", [0, 1, 2])
    data = path.read_bytes()
    assert data.count(b"00:00:00.1") >= 1
    path.write_bytes(data.replace(b"00:00:00.1", b"00-00:xx.1"))

    assert sampled(path, 0.24) == [(0.0, 0)]


def test_pictures_larger_than_8k_are_not_decoded(tmp_path):
    path = write_video(tmp_path / "v.avi", [0, 1, 2], codec="mjpeg")
    side = (65_500).to_bytes(2, "big")
    first, *parts = path.read_bytes().split(b"\xff\xc0")
    path.write_bytes(b"\xff\xc0".join([first, *(part[:3] + side + side + part[7:] for part in parts)]))

    with pytest.raises(Unusable, match=r"cannot be decoded|not readable|no picture"):
        list(sample_frames(path, 0.24))


def test_a_start_beyond_all_time_stamps_is_beyond_the_end(tmp_path):
    path = write_video(tmp_path / "v.mp4", list(range(25)))

    with pytest.raises(Unusable, match=r"damaged|pictures end"):
        sampled(path, 0.24, 1e300, 2e300)
