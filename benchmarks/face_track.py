"""How much of a face track is decoding: both in one run, on the same files, one thread.

    python benchmarks/face_track.py video.mp4 ... [--yunet MODEL.onnx]

Prints per file: sampled frames, frames with a face, seconds of plain decoding (every picture, none converted), of
sampling and of tracking, and the ratio of tracking to plain decoding; then the ratio of tracking to PyAV and OpenCV
alone, the loop of a script that decodes, converts and detects with the same cascades or model and checks nothing: the
least of three rounds of each, in turns. For a file that cannot be used, the reason.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from semiser.errors import Unusable
from semiser.features.face_track import TrackedFrame, make_detector, track_faces
from semiser.media.video import sample_frames
from semiser.options.face_features import TrackOptions


def main() -> None:
    """Measure the files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--yunet", help="model file of YuNet; without it the Haar cascades are measured")
    arguments = parser.parse_args()
    options = TrackOptions(yunet_model=arguments.yunet)
    make_detector(options)  # loading the detector is no part of a track
    for path in arguments.videos:
        try:
            print(f"{path.name}: {measure(path, options)}")
        except Unusable as reason:
            print(f"{path.name}: unusable: {reason}")


def measure(path: Path, options: TrackOptions) -> str:
    """One file's line."""
    rounds = [(timed(lambda: follow(path, options)), timed(lambda: bare(path, options))) for _ in range(3)]
    tracking, alone = (min(seconds for _, seconds in times) for times in zip(*rounds, strict=True))
    _, sampling_s = timed(lambda: sum(1 for _ in sample_frames(path, options.step_s)))
    _, decoding_s = timed(lambda: decode(path))
    track, tracking_s = timed(lambda: follow(path, options))
    found = sum(frame.found for frame in track)
    return (
        f"{found} of {len(track)} frames with a face; decoding {decoding_s:.2f} s, sampling {sampling_s:.2f} s, "
        f"tracking {tracking_s:.2f} s = {tracking_s / decoding_s:.1f} x decoding, "
        f"{1000 * (tracking_s - sampling_s) / len(track):.0f} ms a sampled frame beyond sampling; "
        f"tracking / PyAV and OpenCV alone = {tracking / alone:.2f}"
    )


def bare(path: Path, options: TrackOptions) -> int:
    """Decode and detect as a script does: the number of pictures looked at."""
    detect, looked_at = make_detector(options), 0
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= looked_at * options.step_s:
                detect(frame.to_ndarray(format="rgb24"))
                looked_at += 1
    return looked_at


def decode(path: Path) -> int:
    """Plain decoding on one thread: the number of pictures."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))


def follow(path: Path, options: TrackOptions) -> list[TrackedFrame]:
    """The face track of a whole file."""
    return track_faces(sample_frames(path, options.step_s), make_detector(options))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the CPU seconds that it took: other programs on the machine do not count."""
    start = time.process_time()
    return work(), time.process_time() - start


if __name__ == "__main__":
    main()
